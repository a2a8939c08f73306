"""Variance schedules against diffusers and closed forms."""

import numpy as np
import pytest
from diffusers import DDPMScheduler

from thirtytwo.models.diffusion import schedules

DIFFUSERS = {"linear": "linear", "cosine": "squaredcos_cap_v2", "quadratic": "scaled_linear"}


@pytest.mark.parametrize("name", schedules.SCHEDULES)
@pytest.mark.parametrize("timesteps", [50, 500, 1000, 1500])
def test_betas_equal_those_of_diffusers(name, timesteps):
    ours = schedules.make(name, timesteps, 1e-4, 0.02)
    theirs = DDPMScheduler(timesteps, beta_start=1e-4, beta_end=0.02, beta_schedule=DIFFUSERS[name])
    np.testing.assert_allclose(ours.betas, theirs.betas.double().numpy(), rtol=2e-6, atol=1e-9)
    np.testing.assert_allclose(ours.alpha_bars[1:], theirs.alphas_cumprod.double().numpy(), rtol=2e-4, atol=1e-8)


@pytest.mark.parametrize("name", schedules.SCHEDULES)
def test_alpha_bars_decrease_from_1(name):
    schedule = schedules.make(name, 200, 1e-4, 0.02)
    assert schedule.betas.dtype == schedule.alpha_bars.dtype == np.float64
    assert schedule.timesteps == 200
    assert schedule.alpha_bars.shape == (201,)
    assert schedule.alpha_bars[0] == 1.0
    assert (np.diff(schedule.alpha_bars) < 0).all()
    assert schedule.snr[0] == np.inf
    np.testing.assert_allclose(schedule.snr[1:], schedule.alpha_bars[1:] / (1 - schedule.alpha_bars[1:]))


def test_alpha_bar_is_the_signal_variance_of_the_markov_chain():
    # x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) epsilon_t: variances of signal and noise by recursion.
    schedule, signal, noise = schedules.linear(1000, 1e-4, 0.02), 1.0, 0.0
    for t, beta in enumerate(schedule.betas, start=1):
        signal, noise = (1 - beta) * signal, (1 - beta) * noise + beta
        assert schedule.alpha_bars[t] == pytest.approx(signal, rel=1e-12)
        assert 1 - schedule.alpha_bars[t] == pytest.approx(noise, rel=1e-9)


def test_linear_has_the_final_alpha_bars_of_its_docstring():
    ends = {T: schedules.linear(T, 1e-4, 0.02).alpha_bars[-1] for T in (500, 1000, 1500)}
    assert ends == pytest.approx({500: 6.4e-3, 1000: 4.0e-5, 1500: 2.6e-7}, rel=0.02)


def test_cosine_follows_its_formula_up_to_the_last_timestep():
    bars, t = schedules.cosine(1000).alpha_bars, np.arange(1000)
    f = np.cos((t / 1000 + 0.008) / 1.008 * np.pi / 2) ** 2
    np.testing.assert_allclose(bars[:-1], f / f[0], rtol=1e-9)


def test_cosine_betas_are_clipped():
    assert schedules.cosine(10).betas.max() == 0.999


def test_quadratic_is_linear_in_the_square_root_of_beta():
    betas = schedules.quadratic(100, 1e-4, 0.02).betas
    np.testing.assert_allclose(np.diff(np.sqrt(betas), n=2), 0, atol=1e-15)
    assert (betas[0], betas[-1]) == pytest.approx((1e-4, 0.02))
