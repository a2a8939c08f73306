"""Fitted densities against the moments of what they were fitted to."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from thirtytwo.runtime.errors import ParamsError
from thirtytwo.sampling.autoencoder import densities

CPU = torch.device("cpu")
FULL = {count: densities.Choice("full", count, 0.0, True) for count in (1, 2)}


def noise(count: int, dimensions: int) -> torch.Tensor:
    return torch.randn(count, dimensions + 1, generator=torch.Generator().manual_seed(0))


def two_blobs(count: int) -> np.ndarray:
    """A quarter around (-4, 0) with standard deviations 0.5 and 1, the rest around (4, 1) with a correlation."""
    rng = np.random.default_rng(0)
    left = rng.standard_normal((count // 4, 2)) * [0.5, 1] + [-4, 0]
    right = rng.standard_normal((count - count // 4, 2)) @ np.array([[1, 0.8], [0, 0.6]]) + [4, 1]
    return np.concatenate([left, right]).astype(np.float32)


def test_gaussian_has_the_mean_and_covariance_of_the_codes() -> None:
    codes = two_blobs(400)
    density = densities.fit(codes, np.zeros(400, np.int64), FULL[1], 0.0, 3, CPU)
    factor = density.factors[0, 0].double().numpy()
    np.testing.assert_allclose(density.means[0, 0].numpy(), codes.mean(0), rtol=1e-5)
    np.testing.assert_allclose(factor @ factor.T, np.cov(codes.T.astype(np.float64), bias=True), rtol=1e-4)
    drawn = density.draw(noise(200_000, 2), torch.zeros(200_000, dtype=torch.int64)).numpy()
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), rtol=0.02, atol=0.01)


def test_mixture_draws_from_each_blob_by_its_weight_with_its_covariance() -> None:
    codes = two_blobs(4000)
    density = densities.fit(codes, np.zeros(4000, np.int64), FULL[2], 0.0, 3, CPU)
    drawn = density.draw(noise(100_000, 2), torch.zeros(100_000, dtype=torch.int64)).numpy()
    left, right = drawn[drawn[:, 0] < 0], drawn[drawn[:, 0] >= 0]
    assert len(left) / len(drawn) == pytest.approx(0.25, abs=0.005)
    np.testing.assert_allclose(left.mean(0), [-4, 0], atol=0.06)
    np.testing.assert_allclose(np.cov(left.T), [[0.25, 0], [0, 1]], atol=0.07)
    np.testing.assert_allclose(right.mean(0), [4, 1], atol=0.06)
    np.testing.assert_allclose(np.cov(right.T), [[1, 0.8], [0.8, 1]], atol=0.07)


def test_each_group_has_a_density_of_its_own_and_a_draw_depends_on_its_own_noise_alone() -> None:
    rng = np.random.default_rng(0)
    groups = np.arange(3000) % 3
    codes = rng.standard_normal((3000, 4)) + 10 * groups[:, None]
    density = densities.fit(codes, groups, FULL[2], 0.0, 3, CPU)
    wanted = torch.arange(90) % 3
    drawn = density.draw(noise(90, 4), wanted)
    assert (drawn.mean(1) / 10).round().tolist() == wanted.tolist()
    other = density.draw(noise(90, 4), torch.where(torch.arange(90) < 45, wanted, 0))
    torch.testing.assert_close(other[:45], drawn[:45], rtol=0, atol=0)


def test_too_few_codes_are_refused() -> None:
    with pytest.raises(ParamsError, match=r"sample\.components: 10 .*5 codes"):
        densities.choose(np.random.default_rng(0).standard_normal((5, 2)), np.zeros(5, np.int64), 10, 0)


def test_held_out_codes_choose_two_blobs_with_their_correlation() -> None:
    choice = densities.choose(two_blobs(2000), np.zeros(2000, np.int64), 4, 0)
    assert choice.covariance == "full"
    assert choice.components in (2, 4)
    # the entropy of the true density, which no other one beats on held-out codes but by chance
    rng = np.random.default_rng(1)
    left, right = multivariate_normal([-4, 0], [[0.25, 0], [0, 1]]), multivariate_normal([4, 1], [[1, 0.8], [0.8, 1]])
    draws = np.where(rng.random((20_000, 1)) < 0.25, left.rvs(20_000, rng), right.rvs(20_000, rng))
    entropy = -np.log(0.25 * left.pdf(draws) + 0.75 * right.pdf(draws)).mean()
    assert choice.held_out_nats == pytest.approx(-entropy, abs=0.15)
    assert choice.converged


def test_few_codes_of_many_dimensions_get_few_parameters() -> None:
    rng = np.random.default_rng(0)
    correlated = rng.standard_normal((400, 60)) @ rng.standard_normal((60, 60))
    assert densities.choose(correlated, np.zeros(400, np.int64), 8, 0).components == 1
    independent = rng.standard_normal((100, 90))
    choice = densities.choose(independent, np.zeros(100, np.int64), 8, 0)
    assert (choice.covariance, choice.components) == ("diag", 1)
    density = densities.fit(independent, np.zeros(100, np.int64), choice, 0.0, 0, CPU)
    torch.testing.assert_close(
        density.factors[0, 0].diagonal() ** 2, torch.tensor(independent.var(0)).float(), rtol=1e-3, atol=1e-4
    )


def test_guidance_of_gaussians_is_the_quotient_of_their_densities() -> None:
    rng = np.random.default_rng(0)
    mean, centre, root, z = (rng.standard_normal(shape) for shape in (4, 4, (4, 4), (50, 4)))
    covariance = root @ root.T + np.eye(4)
    spread = 1.5 * covariance + np.diag([1, 2, 3, 4])  # wider in every direction
    p, q = multivariate_normal(mean, covariance), multivariate_normal(centre, spread)
    guided = multivariate_normal(*densities.gaussian_quotient(mean, covariance, centre, spread, 0.7))
    difference = 1.7 * p.logpdf(z) - 0.7 * q.logpdf(z) - guided.logpdf(z)
    np.testing.assert_allclose(difference, difference[0], rtol=0, atol=1e-9)


def test_guidance_where_the_class_is_the_wider_moves_its_mean_alone() -> None:
    mean, covariance = np.array([2.0, 0.5]), np.diag([4.0, 0.5])
    moved, own = densities.gaussian_quotient(mean, covariance, np.zeros(2), np.eye(2), 10.0)
    np.testing.assert_allclose(own, np.diag([4, 1 / (11 / 0.5 - 10)]), atol=1e-12)
    np.testing.assert_allclose(moved, [22, 11 * 0.5 / 0.5 / 12], atol=1e-12)


def test_guided_draws_of_a_group_move_away_from_the_other() -> None:
    rng = np.random.default_rng(0)
    groups = np.arange(4000) % 2
    codes = rng.standard_normal((4000, 2)) + np.array([2, 0]) * groups[:, None]
    wanted = torch.arange(20_000) % 2
    drawn = densities.fit(codes, groups, FULL[1], 1.0, 3, CPU).draw(noise(20_000, 2), wanted)
    # In the first coordinate p = N(0 or 2, 1), q = N(1, 2): precision 2 - 1/2, mean 1 -+ (2 / 1.5).
    for group, mean in enumerate([-1 / 3, 7 / 3]):
        own = drawn[wanted == group]
        torch.testing.assert_close(own.mean(0), torch.tensor([mean, 0.0]), rtol=0, atol=0.08)
        torch.testing.assert_close(own.var(0), torch.tensor([1 / 1.5, 1.0]), rtol=0.08, atol=0)
