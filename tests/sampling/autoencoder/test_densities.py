"""Fitted densities against the moments of their codes and closed forms."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from thirtytwo.runtime.errors import ParamsError
from thirtytwo.sampling.autoencoder import densities

CPU = torch.device("cpu")


def noise(count: int, dimensions: int) -> torch.Tensor:
    return torch.randn(count, dimensions + 1, generator=torch.Generator().manual_seed(0))


def two_clusters(count: int) -> np.ndarray:
    """Draw a quarter around (-4, 0) with standard deviations 0.5 and 1, the rest around (4, 1), correlated."""
    rng = np.random.default_rng(0)
    left = rng.standard_normal((count // 4, 2)) * [0.5, 1] + [-4, 0]
    right = rng.standard_normal((count - count // 4, 2)) @ np.array([[1, 0.8], [0, 0.6]]) + [4, 1]
    return np.concatenate([left, right]).astype(np.float32)


def test_gaussian_has_the_mean_and_covariance_of_the_codes() -> None:
    codes = two_clusters(400)
    density = densities.fit(codes, np.zeros(400, np.int64), 1, 0.0, 3, CPU)
    factor = density.factors[0, 0].double().numpy()
    np.testing.assert_allclose(density.means[0, 0].numpy(), codes.mean(0), rtol=1e-5)
    np.testing.assert_allclose(factor @ factor.T, np.cov(codes.T.astype(np.float64), bias=True), rtol=1e-4)
    draws = density.draw(noise(200_000, 2), torch.zeros(200_000, dtype=torch.int64)).numpy()
    np.testing.assert_allclose(np.cov(draws.T), np.cov(codes.T), rtol=0.02, atol=0.01)


def test_mixture_has_the_weight_and_covariance_of_each_cluster() -> None:
    codes = two_clusters(4000)
    density = densities.fit(codes, np.zeros(4000, np.int64), 2, 0.0, 3, CPU)
    draws = density.draw(noise(100_000, 2), torch.zeros(100_000, dtype=torch.int64)).numpy()
    left, right = draws[draws[:, 0] < 0], draws[draws[:, 0] >= 0]
    assert len(left) / len(draws) == pytest.approx(0.25, abs=0.005)
    np.testing.assert_allclose(left.mean(0), [-4, 0], atol=0.06)
    np.testing.assert_allclose(np.cov(left.T), [[0.25, 0], [0, 1]], atol=0.07)
    np.testing.assert_allclose(right.mean(0), [4, 1], atol=0.06)
    np.testing.assert_allclose(np.cov(right.T), [[1, 0.8], [0.8, 1]], atol=0.07)


def test_groups_have_separate_densities_and_draws_are_independent() -> None:
    rng = np.random.default_rng(0)
    groups = np.arange(3000) % 3
    codes = rng.standard_normal((3000, 4)) + 10 * groups[:, None]
    density = densities.fit(codes, groups, 2, 0.0, 3, CPU)
    labels = torch.arange(90) % 3
    draws = density.draw(noise(90, 4), labels)
    assert (draws.mean(1) / 10).round().tolist() == labels.tolist()
    other = density.draw(noise(90, 4), torch.where(torch.arange(90) < 45, labels, 0))
    torch.testing.assert_close(other[:45], draws[:45], rtol=0, atol=0)


def test_too_few_codes_are_rejected() -> None:
    with pytest.raises(ParamsError, match=r"sample\.components: 10 for 5 codes"):
        densities.fit(np.random.default_rng(0).standard_normal((5, 2)), np.zeros(5, np.int64), 10, 0.0, 0, CPU)


def test_gaussian_quotient_is_the_quotient_of_the_densities() -> None:
    rng = np.random.default_rng(0)
    mean, mean_q, root, z = (rng.standard_normal(shape) for shape in (4, 4, (4, 4), (50, 4)))
    covariance = root @ root.T + np.eye(4)
    covariance_q = 1.5 * covariance + np.diag([1, 2, 3, 4])  # wider in every direction
    p, q = multivariate_normal(mean, covariance), multivariate_normal(mean_q, covariance_q)
    quotient = multivariate_normal(*densities.gaussian_quotient(mean, covariance, mean_q, covariance_q, 0.7))
    difference = 1.7 * p.logpdf(z) - 0.7 * q.logpdf(z) - quotient.logpdf(z)
    np.testing.assert_allclose(difference, difference[0], rtol=0, atol=1e-9)


def test_gaussian_quotient_never_widens_a_direction() -> None:
    mean, covariance = np.array([2.0, 0.5]), np.diag([4.0, 0.5])
    quotient_mean, quotient_covariance = densities.gaussian_quotient(mean, covariance, np.zeros(2), np.eye(2), 10.0)
    np.testing.assert_allclose(quotient_covariance, np.diag([4, 1 / (11 / 0.5 - 10)]), atol=1e-12)
    np.testing.assert_allclose(quotient_mean, [22, 11 * 0.5 / 0.5 / 12], atol=1e-12)


def test_guidance_moves_the_groups_apart() -> None:
    rng = np.random.default_rng(0)
    groups = np.arange(4000) % 2
    codes = rng.standard_normal((4000, 2)) + np.array([2, 0]) * groups[:, None]
    labels = torch.arange(20_000) % 2
    draws = densities.fit(codes, groups, 1, 1.0, 3, CPU).draw(noise(20_000, 2), labels)
    # In the first coordinate p = N(0 or 2, 1), q = N(1, 2): precision 2 - 1/2, mean 1 -+ (2 / 1.5).
    for group, mean in enumerate([-1 / 3, 7 / 3]):
        members = draws[labels == group]
        torch.testing.assert_close(members.mean(0), torch.tensor([mean, 0.0]), rtol=0, atol=0.08)
        torch.testing.assert_close(members.var(0), torch.tensor([1 / 1.5, 1.0]), rtol=0.08, atol=0)
