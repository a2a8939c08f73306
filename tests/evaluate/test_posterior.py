"""Scores of codes, against Gaussians whose divergences and mutual information are known."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch.distributions import Normal, kl_divergence

from thirtytwo.evaluate.posterior import (
    aggregate_scores,
    bound_scores,
    code_scores,
    mmd_to_standard_normal,
    rate_scores,
)
from thirtytwo.runtime.errors import EvaluationError


def channel(count: int, signal: float, noise: float, dimensions: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """A Gaussian channel: mu ~ N(0, signal^2), z ~ N(mu, noise^2), as means, log_sigmas and draws [N, D]."""
    rng = np.random.default_rng(seed)
    means = signal * rng.standard_normal((count, dimensions))
    return means, np.full(means.shape, math.log(noise)), means + noise * rng.standard_normal(means.shape)


def test_rate_is_the_mean_of_torch_s_kl():
    rng = np.random.default_rng(0)
    means, log_sigmas = rng.standard_normal((50, 3)), 0.5 * rng.standard_normal((50, 3))
    q = Normal(torch.from_numpy(means), torch.from_numpy(log_sigmas).exp())
    expected = kl_divergence(q, Normal(torch.zeros(50, 3).double(), 1.0)).sum(1).mean().item()
    assert rate_scores(means, log_sigmas, means)["rate_nats"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("signal", "noise"), [(math.sqrt(0.75), 0.5), (1.2, 0.6)])
def test_information_and_divergence_of_a_gaussian_channel(signal: float, noise: float):
    # I = 1/2 log(1 + signal^2 / noise^2) a dimension; q(z) = N(0, signal^2 + noise^2), the prior itself in the first.
    scores = rate_scores(*channel(4000, signal, noise, 2))
    v = signal**2 + noise**2
    assert scores["code_information_nats"] == pytest.approx(math.log(v / noise**2), abs=0.04)
    assert scores["aggregate_kl_nats"] == pytest.approx(v - 1 - math.log(v), abs=0.05)
    total = scores["code_information_nats"] + scores["aggregate_kl_nats"]
    assert total == pytest.approx(scores["rate_nats"], rel=1e-12)


def test_information_is_at_most_the_logarithm_of_the_number_of_images():
    means, log_sigmas, draws = channel(300, 100.0, 1e-3, 4)
    assert rate_scores(means, log_sigmas, draws)["code_information_nats"] == pytest.approx(math.log(300), abs=1e-6)


def test_equal_codes_tell_nothing():
    means, log_sigmas = np.zeros((600, 3)), np.zeros((600, 3))
    draws = np.random.default_rng(1).standard_normal((600, 3))
    assert rate_scores(means, log_sigmas, draws)["code_information_nats"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("dimensions", [1, 8])
def test_mmd_of_the_prior_is_zero_and_of_another_gaussian_its_closed_form(dimensions: int):
    rng = np.random.default_rng(0)
    same = [mmd_to_standard_normal(rng.standard_normal((500, dimensions))) for _ in range(40)]
    assert abs(np.mean(same)) < 3 * np.std(same) / math.sqrt(40)  # unbiased
    assert mmd_to_standard_normal(3 + rng.standard_normal((500, dimensions))) > 20 * np.std(same)


def test_mmd_of_a_shifted_wider_normal_equals_quadrature():
    mean, scale = 0.8, 1.5

    def expectation(m: float, s: float) -> float:  # E k(a, b) for a - b ~ N(m, s^2), k = exp(-d^2 / 2)
        density = stats.norm(m, s)
        return integrate.quad(lambda d: math.exp(-d * d / 2) * density.pdf(d), -30, 30)[0]

    expected = expectation(0, scale * math.sqrt(2)) - 2 * expectation(mean, math.hypot(scale, 1))
    expected += expectation(0, math.sqrt(2))
    z = mean + scale * np.random.default_rng(0).standard_normal((6000, 1))
    assert mmd_to_standard_normal(z) == pytest.approx(expected, rel=0.06)


def test_moments_of_the_aggregate_posterior():
    means, log_sigmas, draws = channel(4000, 0.6, 0.8, 3)
    means[:, 1] += 0.5
    log_sigmas[:, 2] = math.log(2)
    scores = aggregate_scores(means, log_sigmas, draws[:, :1])
    assert scores["aggregate_mean_largest"] == pytest.approx(0.5, abs=0.04)
    assert scores["aggregate_variance_smallest"] == pytest.approx(1, abs=0.05)
    assert scores["aggregate_variance_largest"] == pytest.approx(4.36, abs=0.05)


def test_active_units_and_distortion():
    rng = np.random.default_rng(0)
    means = rng.standard_normal((1000, 4)) * [1, 0.2, 0.05, 0]  # variances 1, 0.04, 0.0025, 0
    measured = code_scores(means, means, np.arange(1000.0), None)
    scores = measured.scores
    assert scores["active_units"] == 2
    assert measured.protocol == {"codes_n": 1000, "code_dimensions": 4}
    assert scores["distortion"].value == 499.5
    assert scores["distortion"].low < 499.5 < scores["distortion"].high
    assert "rate_nats" not in scores


def test_bound_is_the_mean_and_its_interval_that_of_a_mean():
    rng = np.random.default_rng(0)
    bits = 3 + 0.5 * rng.standard_normal(400)
    scores = bound_scores(bits, bits + 0.1, 50).scores
    bound = scores["iwae_bits_per_dim"]
    assert bound.value == pytest.approx(bits.mean())
    assert scores["elbo_bits_per_dim"] == pytest.approx(bits.mean() + 0.1)
    half = 1.96 * bits.std(ddof=1) / 20
    assert bound.low == pytest.approx(bits.mean() - half)
    assert bound.high == pytest.approx(bits.mean() + half)


def test_broken_codes_are_refused():
    codes = np.zeros((5, 2))
    with pytest.raises(EvaluationError, match="expected arrays"):
        code_scores(codes, codes[:4], np.zeros(5), None)
    with pytest.raises(EvaluationError, match="expected arrays"):
        code_scores(codes, codes, np.zeros(4), None)
    with pytest.raises(EvaluationError, match="NaN"):
        code_scores(codes * np.nan, codes, np.zeros(5), None)
