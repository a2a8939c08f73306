"""Fréchet distance at infinite N: Gaussians whose distance is known."""

import numpy as np
import pytest

from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate import extrapolation
from thirtytwo.evaluate.extrapolation import at_infinity
from thirtytwo.evaluate.frechet import distance, distance_to

DIMENSIONS = 20


@pytest.mark.parametrize("scale", [1.5, 1.0])  # 1.0: at the floor, where the truth is 0
def test_the_bias_of_finite_n_is_gone_and_the_interval_holds_the_truth(scale):
    mu, sigma = np.zeros(DIMENSIONS), np.eye(DIMENSIONS)
    truth = DIMENSIONS * (scale - 1) ** 2
    rng = np.random.default_rng(0)
    draws = [rng.standard_normal((600, DIMENSIONS)) * scale for _ in range(60)]
    plain = np.array([distance_to(draw, mu, sigma) for draw in draws])
    estimates = [at_infinity(draw, mu, sigma, 1)[0] for draw in draws]
    found = np.array([(one.value, one.low, one.high) for one in estimates])
    assert abs(found[:, 0].mean() - truth) < 0.25 * (plain.mean() - truth)
    halves = found[:, 2] - found[:, 0]
    assert 0.75 * found[:, 0].std() < halves.mean() / 1.96 < 1.6 * found[:, 0].std()
    assert np.mean((found[:, 1] < truth) & (truth < found[:, 2])) > 0.85


def test_a_reason_stands_where_n_is_too_small():
    estimate, reason = at_infinity(
        np.random.default_rng(0).standard_normal((399, DIMENSIONS)), np.zeros(20), np.eye(20), 1
    )
    assert estimate == Estimate(None)
    for part in ("N = 399", "20 dimensions", "400 samples"):
        assert part in reason


def test_with_a_fixed_number_in_each_class_subsets_keep_the_proportions():
    strata = np.repeat(np.arange(4), [200, 200, 150, 50])
    order = extrapolation._order(np.random.default_rng(0), 600, strata)
    assert sorted(order) == list(range(600))
    for size in (60, 84, 150):
        for part in order[: 600 // size * size].reshape(-1, size):
            counts = np.bincount(strata[part], minlength=4)
            assert np.abs(counts - size * np.array([200, 200, 150, 50]) / 600).max() <= 1


def test_with_a_fixed_number_in_each_class_the_interval_holds_the_truth():
    strata, centres = np.repeat(np.arange(10), 60), 2 * np.random.default_rng(1).standard_normal((10, 8))
    mu, sigma = centres.mean(axis=0), np.cov(centres, rowvar=False, bias=True) + 1.5**2 * np.eye(8)
    covariance = np.cov(centres, rowvar=False, bias=True) + np.eye(8)
    truth = distance(mu, covariance, mu, sigma)
    draws = np.random.default_rng(0).standard_normal((60, 600, 8)) + centres[strata]
    estimates = [at_infinity(draw, mu, sigma, 1, strata)[0] for draw in draws]
    assert np.mean([estimate.low < truth < estimate.high for estimate in estimates]) > 0.88
    values = np.array([estimate.value for estimate in estimates])
    assert values.mean() == pytest.approx(truth, abs=0.5 * values.std())
