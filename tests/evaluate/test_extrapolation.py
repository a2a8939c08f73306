"""Fréchet distance at infinite N: Gaussians whose distance is known."""

import numpy as np
import pytest

from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate.extrapolation import at_infinity
from thirtytwo.evaluate.frechet import distance, distance_to
from thirtytwo.evaluate.frechet_interval import frechet_interval

DIMENSIONS = 20


def extrapolated(
    features: np.ndarray, mu: np.ndarray, sigma: np.ndarray, strata: np.ndarray | None = None
) -> tuple[Estimate, float]:
    """The distance at infinity, and that of all samples."""
    plain = frechet_interval(features, mu, sigma, 50, 1, strata)
    return at_infinity(plain, features, mu, sigma, 1, strata)[0], plain.value


@pytest.mark.parametrize("scale", [1.5, 1.0])  # 1.0: at the floor, where the truth is 0
def test_the_bias_of_finite_n_is_gone_and_the_interval_holds_the_truth(scale):
    mu, sigma = np.zeros(DIMENSIONS), np.eye(DIMENSIONS)
    truth = DIMENSIONS * (scale - 1) ** 2
    rng = np.random.default_rng(0)
    draws = [rng.standard_normal((600, DIMENSIONS)) * scale for _ in range(60)]
    estimates, plain = zip(*[extrapolated(draw, mu, sigma) for draw in draws], strict=True)
    found = np.array([(one.value, one.low, one.high) for one in estimates])
    assert abs(found[:, 0].mean() - truth) < 0.25 * (np.mean(plain) - truth)
    halves = found[:, 2] - found[:, 0]
    assert 0.75 * found[:, 0].std() < halves.mean() / 1.96 < 1.3 * found[:, 0].std()
    assert np.mean((found[:, 1] < truth) & (truth < found[:, 2])) > 0.88


def test_the_line_passes_through_the_distance_of_all_samples_with_the_ratio_of_sums_as_its_slope():
    features, mu, sigma = np.random.default_rng(0).standard_normal((100, 2)), np.zeros(2), np.eye(2)
    whole = Estimate(distance_to(features, mu, sigma), 0.0, 1.0)
    rng, x, y = np.random.default_rng(5), [], []
    for size in np.linspace(10, 100, 15).round().astype(int)[:-1]:
        order = rng.permutation(100)
        parts = [order[start : start + size] for start in range(0, 100 - size + 1, size)]
        x.append(1 / size - 1 / 100)
        y.append(np.mean([distance_to(features[part], mu, sigma) for part in parts]) - whole.value)
    weighted = np.polyfit([*x, 0.0], [*y, 0.0], 1, w=[*(1 / np.sqrt(x)), 1e6])  # the last point as good as fixed
    value = at_infinity(whole, features, mu, sigma, 5)[0].value
    assert value == pytest.approx(whole.value - weighted[0] / 100, rel=1e-6)


def test_a_reason_stands_where_n_is_too_small():
    features = np.random.default_rng(0).standard_normal((399, DIMENSIONS))
    estimate, reason = at_infinity(Estimate(1.0, 0.5, 1.5), features, np.zeros(20), np.eye(20), 1)
    assert estimate == Estimate(None)
    for part in ("N = 399", "20 dimensions", "400 samples"):
        assert part in reason


def test_with_a_fixed_number_in_each_class_the_interval_holds_the_truth():
    strata, centres = np.repeat(np.arange(10), 60), 2 * np.random.default_rng(1).standard_normal((10, 8))
    mu, sigma = centres.mean(axis=0), np.cov(centres, rowvar=False, bias=True) + 1.5**2 * np.eye(8)
    covariance = np.cov(centres, rowvar=False, bias=True) + np.eye(8)
    truth = distance(mu, covariance, mu, sigma)
    draws = np.random.default_rng(0).standard_normal((60, 600, 8)) + centres[strata]
    estimates = [extrapolated(draw, mu, sigma, strata)[0] for draw in draws]
    assert np.mean([estimate.low < truth < estimate.high for estimate in estimates]) > 0.88
    values = np.array([estimate.value for estimate in estimates])
    assert values.mean() == pytest.approx(truth, abs=0.5 * values.std())
