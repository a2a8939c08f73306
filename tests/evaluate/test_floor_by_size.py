"""The floor over N, against the bias that theory gives."""

import numpy as np
import pytest

from thirtytwo.evaluate.floor_by_size import floor_by_size
from thirtytwo.evaluate.real import Real, Scored


# Held-out images against the others, where all draws are of the same 110 images; halves.
@pytest.mark.parametrize(("samples", "rel"), [(100, 0.8), (120, 0.25)])
def test_the_floor_falls_with_n_as_the_bias_of_a_frechet_distance_does(samples, rel):
    rng = np.random.default_rng(3)
    split = np.repeat(np.array([0, 1], np.uint8), [800, 110])
    images = Scored(rng.standard_normal((910, 4)), np.zeros((910, 1)), np.zeros(910, np.int64))
    real = Real(images, split, "train", "0", 0.0, 0.0, 0.0, ("a",), np.arange(1), "bicubic")
    table = floor_by_size(real, samples=samples, resamples=50, seed=1)
    largest = 110 if samples == 100 else 400
    assert table["n"].tolist() == sorted({largest // 2**i for i in range(4) if largest // 2**i >= 50} | {samples})
    assert (table["fd_classifier_low"] < table["fd_classifier"]).all()
    assert (table["fd_classifier"] < table["fd_classifier_high"]).all()
    assert table["kid_classifier"].abs().max() < 0.05  # unbiased, so near 0 at every N
    first, last = table.iloc[0], table.iloc[-1]
    # For equal Gaussians in D dimensions the means give D (1/N + 1/M), the covariances D (D + 1) / 4 (1/N + 1/M).
    expected = [(4 + 4 * 5 / 4) * (1 / n + 1 / (800 if samples == 100 else 400)) for n in (first["n"], last["n"])]
    assert [first["fd_classifier"], last["fd_classifier"]] == pytest.approx(expected, rel=rel)
