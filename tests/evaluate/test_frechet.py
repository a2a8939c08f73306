"""Fréchet distance against closed forms and three published implementations."""

import numpy as np
import pytest
import torch
from cleanfid.fid import frechet_distance
from pytorch_fid.fid_score import calculate_frechet_distance
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from thirtytwo.core.intervals import bootstrap
from thirtytwo.evaluate.frechet import Subsets, distance, distance_to, standard_error, statistics
from thirtytwo.runtime.errors import EvaluationError


def correlated(count: int, dimensions: int, seed: int) -> np.ndarray:
    """Features with decaying spectrum, rectified like a network's."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((dimensions, dimensions)) / np.arange(1, dimensions + 1)[:, None]
    return np.maximum(rng.standard_normal((count, dimensions)) @ mixing + 0.3, 0).astype(np.float32)


def test_diagonal_gaussians_have_their_closed_form():
    mu1, mu2 = np.array([0.0, 1.0, -2.0]), np.array([0.5, 1.0, 1.0])
    var1, var2 = np.array([1.0, 4.0, 0.25]), np.array([9.0, 1.0, 0.25])
    expected = ((mu1 - mu2) ** 2).sum() + ((np.sqrt(var1) - np.sqrt(var2)) ** 2).sum()
    assert distance(mu1, np.diag(var1), mu2, np.diag(var2)) == pytest.approx(expected, abs=1e-12)


def test_a_rotation_changes_nothing():
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    variances1, variances2 = rng.uniform(0.1, 3, 5), rng.uniform(0.1, 3, 5)
    expected = ((np.sqrt(variances1) - np.sqrt(variances2)) ** 2).sum()
    sigma1, sigma2 = (rotation @ np.diag(v) @ rotation.T for v in (variances1, variances2))
    assert distance(np.zeros(5), sigma1, np.zeros(5), sigma2) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("count", "dimensions"), [(600, 128), (90, 128), (2, 128)])
def test_distance_to_itself_is_zero(count, dimensions):
    features = correlated(count, dimensions, 1)
    assert abs(distance_to(features, *statistics(features))) < 1e-6


@pytest.mark.parametrize("count", [700, 150, 100, 20])
def test_three_published_implementations_agree(count):
    first, second = correlated(count, 128, 2), correlated(500, 128, 3) * 1.3
    mu1, sigma1 = np.mean(first, axis=0, dtype=np.float64), np.cov(first.astype(np.float64), rowvar=False)
    mu2, sigma2 = np.mean(second, axis=0, dtype=np.float64), np.cov(second.astype(np.float64), rowvar=False)
    pairs = [fid_features_to_statistics(torch.from_numpy(x.astype(np.float64))) for x in (first, second)]
    ours = distance_to(first, mu2, sigma2)
    assert ours == pytest.approx(fid_statistics_to_metric(*pairs, False)["frechet_inception_distance"], rel=1e-6)
    assert ours == pytest.approx(distance(mu1, sigma1, mu2, sigma2), rel=1e-9)
    if count > 128:  # sqrtm of a singular product is itself only an approximation
        assert ours == pytest.approx(frechet_distance(mu1, sigma1, mu2, sigma2), rel=1e-7)
        assert ours == pytest.approx(calculate_frechet_distance(mu1, sigma1, mu2, sigma2), rel=1e-7)


@pytest.mark.parametrize("count", [300, 40])  # more and fewer than dimensions
def test_subsets_and_resamples_have_the_distances_of_their_own_gaussians(count):
    rng = np.random.default_rng(8)
    features, (mu, sigma) = correlated(500, 64, 9), statistics(correlated(400, 64, 10) + 0.2)
    distances = Subsets(features, mu, sigma)
    for indices in (rng.permutation(500)[:count], rng.integers(500, size=count), np.arange(count)):
        assert distances(indices) == pytest.approx(distance_to(features[indices], mu, sigma), rel=1e-9)


def test_a_singular_covariance_is_no_obstacle():
    flat, other = np.diag([1.0, 4.0, 0.0]), np.diag([4.0, 1.0, 9.0])
    assert distance(np.zeros(3), flat, np.zeros(3), other) == pytest.approx(1 + 1 + 9, abs=1e-12)
    assert distance(np.zeros(3), np.zeros((3, 3)), np.zeros(3), other) == pytest.approx(14, abs=1e-12)


def test_symmetric_in_its_arguments():
    first, second = statistics(correlated(200, 32, 4)), statistics(correlated(20, 32, 5))
    assert distance(*first, *second) == pytest.approx(distance(*second, *first), rel=1e-10)


def test_float32_far_from_zero_keeps_its_digits():
    features = correlated(400, 16, 6)
    shifted = (features.astype(np.float64) + 1000).astype(np.float32)
    again = shifted.astype(np.float64)
    assert statistics(shifted)[1] == pytest.approx(np.cov(again, rowvar=False), rel=1e-10)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros((0, 4)), "0 feature vectors"),
        (np.zeros((1, 4)), "1 feature vectors"),
        (np.zeros(4), "shape"),
        (np.full((3, 4), np.nan), "NaN"),
    ],
)
def test_what_cannot_be_scored_is_refused(features, message):
    with pytest.raises(EvaluationError, match=message):
        distance_to(features, np.zeros(4), np.eye(4))


def test_statistics_of_other_features_are_refused():
    with pytest.raises(EvaluationError, match="different features"):
        distance_to(np.random.default_rng(0).standard_normal((9, 4)), np.zeros(5), np.eye(5))
    with pytest.raises(EvaluationError, match="negative eigenvalue"):
        distance(np.zeros(2), np.diag([1.0, -1.0]), np.zeros(2), np.eye(2))


@pytest.mark.parametrize(
    ("count", "dimensions", "least", "most"),
    [(400, 6, 0.85, 1.15), (40, 60, 0.9, 1.5)],  # with fewer samples than dimensions on the safe side
)
def test_both_intervals_have_the_spread_of_repeated_draws(count, dimensions, least, most):
    rng = np.random.default_rng(0)
    mu, sigma = np.full(dimensions, 0.3), np.eye(dimensions) * 1.5
    draws = rng.standard_normal((300, count, dimensions))
    spread = np.std([distance_to(draw, mu, sigma) for draw in draws])
    errors = [standard_error(draw, mu, sigma) for draw in draws[:20]]
    assert least * spread < np.mean(errors) < most * spread
    if count > dimensions:
        estimate = bootstrap(Subsets(draws[0], mu, sigma), distance_to(draws[0], mu, sigma), count, 300, 1)
        assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * spread, rel=0.25)


def test_with_a_fixed_number_in_each_class_both_intervals_have_the_spread_of_such_draws():
    strata, centres = np.repeat(np.arange(5), 60), 3 * np.random.default_rng(1).standard_normal((5, 6))
    mu, sigma = np.full(6, 0.5), np.cov(centres, rowvar=False) + np.eye(6)
    draws = np.random.default_rng(0).standard_normal((300, 300, 6)) + centres[strata]
    spread = np.std([distance_to(draw, mu, sigma) for draw in draws])
    errors = [standard_error(draw, mu, sigma, strata) for draw in draws[:20]]
    assert np.mean(errors) == pytest.approx(spread, rel=0.15)
    assert standard_error(draws[0], mu, sigma) > 2 * spread
    estimate = bootstrap(Subsets(draws[0], mu, sigma), distance_to(draws[0], mu, sigma), 300, 300, 1, strata)
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * spread, rel=0.25)
