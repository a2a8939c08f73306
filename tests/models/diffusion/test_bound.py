"""The variational bound: its terms against torch and scipy, its value against a known entropy."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from thirtytwo.evaluate.likelihood import bits_per_dim
from thirtytwo.models.diffusion import bound, schedules
from thirtytwo.runtime.errors import EvaluationError
from thirtytwo.sampling.diffusion import solvers

LINEAR = schedules.linear(1000, 1e-4, 0.02)


@pytest.mark.parametrize("t", [2, 3, 500, 1000])
@pytest.mark.parametrize("schedule", [LINEAR, schedules.cosine(1000)])
def test_step_weight_is_the_kl_divergence_of_two_ddpm_steps(schedule, t):
    x, x0, x0_hat = torch.randn(3, 1, generator=torch.Generator().manual_seed(t), dtype=torch.float64)
    bars = schedule.alpha_bars[t], schedule.alpha_bars[t - 1]
    means = [solvers.ddpm_step(x, estimate, 0.0, *bars) for estimate in (x0, x0_hat)]
    std = solvers.ddpm_step(x, x0, 1.0, *bars) - means[0]
    divergence = torch.distributions.kl_divergence(*(torch.distributions.Normal(m, std) for m in means))
    weight = bound.step_weights(schedule)[t]
    assert (weight * (x0 - x0_hat) ** 2).item() == pytest.approx(divergence.item(), rel=1e-6)


def test_step_weight_is_ho_et_al_equation_12():
    t = np.arange(2, 1001)
    bars, beta, alpha = LINEAR.alpha_bars, LINEAR.betas[t - 1], LINEAR.alphas[t - 1]
    variance = (1 - bars[t - 1]) / (1 - bars[t]) * beta
    epsilon_weight = beta**2 / (2 * variance * alpha * (1 - bars[t]))
    # An error of epsilon is multiplied by sqrt(1 / alpha_bar - 1) in x_0.
    np.testing.assert_allclose(bound.step_weights(LINEAR)[t] * (1 / bars[t] - 1), epsilon_weight, rtol=1e-8)


@pytest.mark.parametrize(("mean", "sigma"), [(0.1, 0.0074), (0.1, 0.3), (-1.0, 0.01), (0.9, 0.5)])
def test_decoder_bits_are_those_of_a_binned_gaussian(mean, sigma):
    bins = torch.arange(256, dtype=torch.float64) / 127.5 - 1
    bits = bound.decoder_bits(bins, torch.tensor(mean, dtype=torch.float64), sigma)
    edges = np.concatenate([[-np.inf], bins[1:].numpy() - 1 / 255, [np.inf]])
    with np.errstate(divide="ignore"):
        high, low = norm.logcdf(edges[1:], mean, sigma), norm.logcdf(edges[:-1], mean, sigma)
        log_p = high + np.log1p(-np.exp(low - high))
    assert (2**-bits).sum().item() == pytest.approx(1, abs=1e-9)
    probable = log_p > -30
    np.testing.assert_allclose(bits[probable], -log_p[probable] / math.log(2), rtol=1e-5, atol=1e-9)


def test_prior_term_is_the_kl_divergence_from_a_standard_normal():
    x0 = torch.linspace(-1, 1, 9, dtype=torch.float64)
    normal = torch.distributions.Normal(0.3**0.5 * x0, 0.7**0.5)
    expected = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)) / math.log(2)
    torch.testing.assert_close(bound.prior_bits(x0, 0.3), expected)


@pytest.mark.parametrize(("timesteps", "intervals"), [(1000, 1), (1000, 40), (1000, 999), (20, 19), (20, 15)])
def test_intervals_cover_all_timesteps_once(timesteps, intervals):
    edges = bound.interval_edges(timesteps, intervals)
    assert len(edges) == intervals + 1
    assert edges[0] == 2
    assert edges[-1] == timesteps + 1
    assert (np.diff(edges) > 0).all()


def gaussian_pixels(std=0.4):
    """Return pixels [200, 1, 8, 8] of an 8-bit Gaussian, its entropy in bits, and its exact posterior mean."""
    bins = np.arange(256) / 127.5 - 1
    p = np.diff(norm.cdf(np.concatenate([[-np.inf], bins[1:] - 1 / 255, [np.inf]]) / std))
    pixels = torch.from_numpy(np.random.default_rng(0).choice(bins, (200, 1, 8, 8), p=p))

    def denoise(x, t, labels):
        bar = torch.from_numpy(LINEAR.alpha_bars)[t].view(-1, 1, 1, 1)
        return bar.sqrt() * std**2 / (bar * std**2 + 1 - bar) * x

    return pixels, -(p * np.log2(p)).sum(), denoise


def test_bound_of_gaussian_pixels():
    pixels, entropy, denoise = gaussian_pixels()
    rng = torch.Generator().manual_seed(0)
    prior, steps, decoder = bound.bound(denoise, LINEAR, pixels, None, intervals=999, clip=False, rng=rng).mean(0)
    # The error of x0_hat is the posterior variance (Bishop 2006, eq. 2.117), here for the pixels drawn.
    bars, variance = LINEAR.alpha_bars[1:], 0.4**2
    gain = bars**0.5 * variance / (bars * variance + 1 - bars)
    error = (1 - gain * bars**0.5) ** 2 * pixels.square().mean().item() + gain**2 * (1 - bars)
    expected = (bound.step_weights(LINEAR)[1:] * error).sum() / math.log(2)
    assert steps.item() == pytest.approx(expected, rel=0.002)
    # The bound exceeds the entropy by 0.8 bits, because beta_tilde is too small for white noise (Ho et al. section
    # 3.2), which these pixels are.
    assert entropy < (prior + steps + decoder).item() < entropy + 1


def test_stratified_timesteps_estimate_the_full_bound():
    pixels, _, denoise = gaussian_pixels()
    estimate, exact = (
        bound.bound(denoise, LINEAR, pixels, None, intervals=n, clip=True, rng=torch.Generator().manual_seed(1)).sum(1)
        for n in (30, 999)
    )
    error = estimate.std().item() / len(estimate) ** 0.5
    assert estimate.mean().item() == pytest.approx(exact.mean().item(), abs=3 * error)


def test_bits_per_dimension_of_a_run():
    terms = np.random.default_rng(0).normal([0.01, 3.0, 1.0], [0.001, 0.5, 0.2], (400, 3))
    scores = bits_per_dim(terms).scores
    bits = scores["bits_per_dim"]
    assert bits.value == pytest.approx(terms.sum(1).mean())
    assert scores["rate_bits_per_dim"] + scores["distortion_bits_per_dim"] == pytest.approx(bits.value)
    half_width = 1.96 * terms.sum(1).std(ddof=1) / 400**0.5
    assert bits.high - bits.value == pytest.approx(half_width)
    assert bits.value - bits.low == pytest.approx(half_width)


@pytest.mark.parametrize("terms", [np.zeros((0, 3)), np.zeros((1, 3)), np.zeros((5, 2)), np.full((5, 3), np.nan)])
def test_invalid_bound_terms_are_rejected(terms):
    with pytest.raises(EvaluationError, match="bound_bits"):
        bits_per_dim(terms)
