"""Precision, recall, density and coverage against their authors' package, and their intervals against new draws."""

import numpy as np
import prdc as published
import pytest

from thirtytwo.evaluate import distances
from thirtytwo.evaluate.prdc import K, balls, prdc
from thirtytwo.runtime.errors import EvaluationError

NAMES = ("precision", "recall", "density", "coverage")


def drawn(count: int, dimensions: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((count, dimensions)) * scale + shift).astype(np.float32)


@pytest.mark.parametrize("rows", [7, 100_000])
@pytest.mark.parametrize(
    ("real", "samples", "dimensions", "k", "shift", "scale"),
    [(200, 200, 8, 5, 0.0, 1.0), (150, 300, 64, 5, 0.3, 0.8), (300, 80, 2, 3, 1.0, 2.0), (60, 60, 128, 1, 0.0, 0.5)],
)
def test_the_authors_package_gives_the_same_numbers(
    real, samples, dimensions, k, shift, scale, rows, monkeypatch, capsys
):
    monkeypatch.setattr(distances, "_BYTES", 8 * real * rows)
    x, y = drawn(real, dimensions, 1), drawn(samples, dimensions, 2, shift, scale)
    ours, theirs = prdc(balls(x, y, k)), published.compute_prdc(x, y, nearest_k=k)
    assert {name: ours.scores[name].value for name in NAMES} == pytest.approx(
        {name: theirs[name] for name in NAMES}, rel=1e-12
    )
    assert ours.protocol == {"prdc_k": k, "prdc_n": samples, "prdc_reference_n": real}


def test_a_perfect_generator_gets_what_theory_says():
    # Naeem et al. 2020: E density = 1, E coverage = 1 - (M-1)...(M-k) / ((N+M-1)...(N+M-k)), whatever the data
    count, found = 300, []
    for seed in range(15):
        found.append(prdc(balls(drawn(count, 5, seed), drawn(count, 5, 100 + seed), K)).scores)
    missed = np.prod([(count - i) / (2 * count - i) for i in range(1, K + 1)])
    assert np.mean([scores["coverage"].value for scores in found]) == pytest.approx(1 - missed, abs=0.01)
    assert np.mean([scores["density"].value for scores in found]) == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("dimensions", "shift", "scale"), [(4, 0.8, 0.7), (8, 0.5, 0.9), (20, 0.2, 0.9)])
def test_intervals_are_as_wide_as_the_spread_of_new_samples(name, dimensions, shift, scale):
    real = drawn(150, dimensions, 1)
    found = [prdc(balls(real, drawn(150, dimensions, 50 + seed, shift, scale), K)).scores[name] for seed in range(60)]
    spread = np.std([estimate.value for estimate in found], ddof=1)
    half = np.mean([estimate.high - estimate.low for estimate in found]) / 2
    assert 0.7 * spread < half / 1.96 < 1.8 * spread


def test_the_jackknife_leaves_out_one_sample_at_a_time():
    real, samples = drawn(50, 3, 1), drawn(24, 3, 2, 0.6, 0.6)
    without = [published.compute_prdc(real, np.delete(samples, j, axis=0), nearest_k=K) for j in range(len(samples))]
    scores = prdc(balls(real, samples, K)).scores
    for name in ("recall", "coverage"):
        values = np.array([found[name] for found in without])
        half = 1.96 * np.sqrt(23 / 24 * np.square(values - values.mean()).sum())
        assert half > 0
        value = scores[name].value
        ends = max(value - half, 0), min(value + half, 1)
        assert (scores[name].low, scores[name].high) == pytest.approx(ends, rel=1e-9)
        assert max(ends[1] - value, value - ends[0]) == pytest.approx(half)  # one end is as it was


def test_a_collapsed_generator_is_precise_and_covers_nothing():
    real = drawn(300, 6, 1)
    scores = prdc(balls(real, real[:1] + drawn(300, 6, 2, 0.0, 1e-3), K)).scores
    assert scores["precision"].value == 1
    assert scores["coverage"].value < 0.1
    assert scores["recall"].value < 0.02


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(EvaluationError, match=r"samples: 5; .*rank 5.*7"):
        balls(drawn(20, 3, 1), drawn(5, 3, 2), 5)
    with pytest.raises(EvaluationError, match="3 and 4 dimensions"):
        balls(drawn(20, 3, 1), drawn(20, 4, 2), 5)
