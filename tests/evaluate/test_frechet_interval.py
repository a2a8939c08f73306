"""The interval of a Fréchet distance against repeated draws, near the reference and far from it."""

import numpy as np
import pytest

from thirtytwo.evaluate.frechet_interval import frechet_interval, in_proportion
from thirtytwo.runtime.errors import EvaluationError


@pytest.mark.parametrize(("shift", "most"), [(0.3, 1.25), (0.0, 1.45)])  # at 0 pairs make all of the variance
@pytest.mark.parametrize("labelled", [False, True])
def test_it_is_as_wide_as_the_spread_of_new_samples_and_holds_their_mean(shift, most, labelled):
    centres, rng = 2 * np.random.default_rng(1).standard_normal((5, 6)), np.random.default_rng(0)
    mu, sigma = centres.mean(axis=0), np.cov(centres, rowvar=False, bias=True) + np.eye(6)
    estimates = []
    for seed in range(100):
        labels = np.arange(300) % 5 if labelled else rng.integers(5, size=300)
        features = rng.standard_normal((300, 6)) + centres[labels] + shift
        estimates.append(frechet_interval(features, mu, sigma, 40, seed, labels if labelled else None))
    value, low, high = np.array([(one.value, one.low, one.high) for one in estimates]).T
    assert 0.85 < np.sqrt(np.square(high - low).mean()) / 3.92 / value.std(ddof=1) < most
    assert np.mean((low <= value.mean()) & (value.mean() <= high)) > 0.9


def test_with_a_fixed_number_in_each_class_subsets_keep_the_proportions():
    strata = np.repeat(np.arange(4), [200, 200, 150, 50])
    order = in_proportion(np.random.default_rng(0), 600, strata)
    assert sorted(order) == list(range(600))
    for size in (60, 84, 150):
        for part in order[: 600 // size * size].reshape(-1, size):
            counts = np.bincount(strata[part], minlength=4)
            assert np.abs(counts - size * np.array([200, 200, 150, 50]) / 600).max() <= 1


def test_halves_of_three_samples_have_no_covariance():
    features = np.random.default_rng(0).standard_normal((4, 2))
    assert np.isfinite(frechet_interval(features, np.zeros(2), np.eye(2), 20, 0).value)
    with pytest.raises(EvaluationError, match=r"3 images; .*at least 4"):
        frechet_interval(features[:3], np.zeros(2), np.eye(2), 20, 0)
