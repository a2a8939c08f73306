"""Samplers against closed forms, against each other and against diffusers."""

import hashlib
from typing import get_args

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    HeunDiscreteScheduler,
    UniPCMultistepScheduler,
)
from scipy.optimize import brentq
from scipy.stats import norm

from thirtytwo.data.batches import to_uint8
from thirtytwo.models.diffusion import schedules
from thirtytwo.nets.unet import UNet
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.sampling.cost import evaluations
from thirtytwo.sampling.diffusion import generate, solvers
from thirtytwo.settings.diffusion import Sampler, SamplerSettings, Spacing

LINEAR = schedules.linear(1000, 1e-4, 0.02)
CPU = torch.device("cpu")


def normals(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussian_denoise(mean, std, schedule=LINEAR):
    """Return the exact E[x_0 | x_t] for data from N(mean, std^2) (Bishop 2006, eq. 2.116)."""

    def denoise(x, t, labels):
        bar = torch.from_numpy(schedule.alpha_bars)[t].view(-1, *[1] * (x.ndim - 1))
        gain = bar.sqrt() * std**2 / (bar * std**2 + 1 - bar)
        return mean + gain * (x - bar.sqrt() * mean)

    return denoise


def run(sampler, denoise, steps, eta=0.0, spacing="uniform", n=10_000, schedule=LINEAR):
    rng = torch.Generator().manual_seed(0)

    def noise():
        return torch.randn((n, 1), generator=rng, dtype=torch.float64)

    predict = generate.predictor(denoise, schedule, None, clip=False)
    return solvers.SAMPLERS[sampler](predict, noise(), generate.path(schedule, steps, spacing), noise, eta)


# ---- timesteps


@pytest.mark.parametrize("spacing", get_args(Spacing))
@pytest.mark.parametrize(
    ("total", "steps"), [(1000, 1), (1000, 7), (1000, 50), (1000, 999), (500, 100), (4, 3), (10, 10)]
)
def test_timesteps_increase_strictly_within_range(spacing, total, steps):
    tau = generate.timesteps(schedules.linear(total, 1e-4, 0.02), steps, spacing)
    assert len(tau) == steps
    assert (np.diff(tau) > 0).all()
    assert 1 <= tau[0] <= tau[-1] <= total


@pytest.mark.parametrize("spacing", get_args(Spacing))
def test_as_many_steps_as_timesteps_use_every_timestep(spacing):
    assert generate.timesteps(schedules.cosine(300), 300, spacing).tolist() == list(range(1, 301))


@pytest.mark.parametrize(("spacing", "theirs"), [("uniform", "leading"), ("trailing", "trailing")])
def test_timesteps_equal_those_of_diffusers(spacing, theirs):
    scheduler = DDIMScheduler(1000, timestep_spacing=theirs, steps_offset=0)
    scheduler.set_timesteps(50)
    assert (generate.timesteps(LINEAR, 50, spacing)[::-1] - 1).tolist() == scheduler.timesteps.tolist()


def test_quadratic_timesteps_equal_those_of_the_published_ddim_code():
    expected = [int(s) for s in np.linspace(0, np.sqrt(1000 * 0.8), 10) ** 2]  # as in the DDIM code, counted from 0
    assert (generate.timesteps(LINEAR, 10, "quadratic") - 1).tolist() == expected


@pytest.mark.parametrize("steps", [0, 1001])
def test_invalid_number_of_steps_is_rejected(steps):
    with pytest.raises(ParamsError, match=r"sample\.steps: expected 1 to 1000"):
        generate.timesteps(LINEAR, steps, "uniform")


def test_path_ends_without_noise():
    path = generate.path(LINEAR, 10, "uniform")
    assert [step.t for step in path] == [901, 801, 701, 601, 501, 401, 301, 201, 101, 1]
    assert [step.s for step in path] == [801, 701, 601, 501, 401, 301, 201, 101, 1, 0]
    assert path[-1].alpha_bar_s == 1.0


# ---- one step


@pytest.mark.parametrize("t", [1, 2, 500, 1000])
def test_ddpm_step_is_ho_et_al_equation_7(t):
    x, x0, z = normals(0, 3, 5)
    bars, beta = LINEAR.alpha_bars, LINEAR.betas[t - 1]
    mean = bars[t - 1] ** 0.5 * beta / (1 - bars[t]) * x0 + (1 - beta) ** 0.5 * (1 - bars[t - 1]) / (1 - bars[t]) * x
    variance = (1 - bars[t - 1]) / (1 - bars[t]) * beta
    torch.testing.assert_close(solvers.ddpm_step(x, x0, z, bars[t], bars[t - 1]), mean + variance**0.5 * z)


@pytest.mark.parametrize(
    ("schedule", "tolerance"),  # 1 - alpha_bar_1 = 4e-5 in the cosine schedule, which loses digits
    [(LINEAR, 1e-12), (schedules.quadratic(500, 1e-4, 0.02), 1e-12), (schedules.cosine(1000), 1e-11)],
)
def test_ddim_with_eta_1_on_all_timesteps_equals_ddpm(schedule, tolerance):
    x, x0, z = normals(0, 3, 100)
    for t, _, bar_t, bar_s in generate.path(schedule, schedule.timesteps, "uniform"):
        epsilon = (x - bar_t**0.5 * x0) / (1 - bar_t) ** 0.5
        ddim = solvers.ddim_step(x0, epsilon, z, 1.0, bar_t, bar_s)
        assert (ddim - solvers.ddpm_step(x, x0, z, bar_t, bar_s)).abs().max() < tolerance, t


def test_ddim_preserves_the_marginals_for_any_eta():
    # Song et al. 2021, lemma 1: given the true x_0 and epsilon, x_s has the mean and variance of q(x_s | x_0).
    x0, bar_t, bar_s = 0.3, LINEAR.alpha_bars[700], LINEAR.alpha_bars[350]
    epsilon, z = normals(1, 2, 200_000)
    for eta in (0.0, 0.5, 1.0):
        x = solvers.ddim_step(torch.full_like(z, x0), epsilon, z, eta, bar_t, bar_s)
        assert x.mean().item() == pytest.approx(bar_s**0.5 * x0, abs=0.01)
        assert x.var().item() == pytest.approx(1 - bar_s, rel=0.01)


def test_clipping_rederives_epsilon():
    x = normals(0, 4, 6)
    predict = generate.predictor(lambda x, t, labels: 5 * x, LINEAR, None, clip=True)
    x0, epsilon = predict(x, 400)
    bar = LINEAR.alpha_bars[400]
    assert x0.abs().max() <= 1
    torch.testing.assert_close(bar**0.5 * x0 + (1 - bar) ** 0.5 * epsilon, x)
    torch.testing.assert_close(x0, (5 * x).clamp(-1, 1))


# ---- whole trajectories on data with an exact score


def exact_ddim_std(path, std):
    """Return the std of DDIM (eta = 0) on N(0, std^2): it is linear in x, so the std is a product of gains."""
    product = 1.0
    for _, _, bar_t, bar_s in path:
        gain = bar_t**0.5 * std**2 / (bar_t * std**2 + 1 - bar_t)
        product *= bar_s**0.5 * gain + (1 - bar_s) ** 0.5 * (1 - bar_t**0.5 * gain) / (1 - bar_t) ** 0.5
    return product


@pytest.mark.parametrize(("steps", "std"), [(10, 0.374), (50, 0.472), (250, 0.494), (1000, 0.498)])
def test_ddim_converges_to_a_gaussian(steps, std):
    path = generate.path(LINEAR, steps, "uniform")
    predict = generate.predictor(gaussian_denoise(0.25, 0.5), LINEAR, None, clip=False)
    start = normals(0, 1000, 1)
    x = solvers.ddim(predict, start, path, lambda: torch.zeros(()), 0.0)
    ratio = (x.std() / start.std()).item()
    assert ratio == pytest.approx(exact_ddim_std(path, 0.5), rel=1e-9)
    assert ratio == pytest.approx(std, abs=5e-4)
    assert (x - ratio * start).mean().item() == pytest.approx(0.25, abs=0.002)


@pytest.mark.parametrize(("sampler", "eta"), [("ddpm", 0.0), ("ddim", 1.0), ("ddim", 0.5)])
@pytest.mark.parametrize("schedule", [LINEAR, schedules.cosine(1000)])
def test_stochastic_samplers_converge_to_a_gaussian(sampler, eta, schedule):
    x = run(sampler, gaussian_denoise(-0.4, 0.5, schedule), 1000, eta, schedule=schedule)
    assert x.mean().item() == pytest.approx(-0.4, abs=0.02)
    assert x.std().item() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("sampler", "eta", "spacing"), [("ddpm", 0.0, "uniform"), ("ddim", 0.0, "trailing"), ("ddim", 0.0, "quadratic")]
)
def test_samplers_converge_to_a_mixture_of_gaussians(sampler, eta, spacing):
    means, std, weights = (
        torch.tensor([-0.8, 0.6], dtype=torch.float64),
        0.1,
        torch.tensor([0.3, 0.7], dtype=torch.float64),
    )

    def denoise(x, t, labels):
        bar = torch.from_numpy(LINEAR.alpha_bars)[t].view(-1, 1)
        variance = bar * std**2 + 1 - bar
        responsibilities = (weights.log() - (x - bar.sqrt() * means) ** 2 / (2 * variance)).softmax(dim=1)
        gain = bar.sqrt() * std**2 / variance
        return (responsibilities * (means + gain * (x - bar.sqrt() * means))).sum(dim=1, keepdim=True)

    x = run(sampler, denoise, 500, eta, spacing)
    high = x > 0
    assert high.double().mean().item() == pytest.approx(0.7, abs=0.02)
    assert x[high].mean().item() == pytest.approx(0.6, abs=0.01)
    assert x[~high].mean().item() == pytest.approx(-0.8, abs=0.01)
    assert x[high].std().item() == pytest.approx(0.1, abs=0.01)


# ---- order of convergence, against the exact solution of the probability flow


def bar_of(lam):
    return 1 / (1 + np.exp(-2 * lam))


def log_snr_path(steps, start=-3.0, end=3.0):
    """Return steps evenly spaced in log-SNR between two noise levels; a timestep is its index in the path."""
    bars = bar_of(np.linspace(start, end, steps + 1))
    return [solvers.Step(steps - k, steps - k - 1, float(bars[k]), float(bars[k + 1])) for k in range(steps)], bars


def flow_errors(sampler, marginal, steps):
    """Return the maximum |x_end - exact| over several starts; `marginal` has E[x_0 | x_t] and the exact flow."""
    path, bars = log_snr_path(steps)

    def predict(x, t):
        bar = float(bars[steps - t])
        x0 = marginal.mean_x0(x, bar)
        return x0, (x - bar**0.5 * x0) / (1 - bar) ** 0.5

    start = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    end = solvers.SAMPLERS[sampler](predict, start, path, lambda: None, 0.0)
    return (end - marginal.flow(start, float(bars[0]), float(bars[-1]))).abs().max().item()


class Gaussian:
    mean, std = 0.25, 0.5

    def mean_x0(self, x, bar):
        return self.mean + bar**0.5 * self.std**2 / (bar * self.std**2 + 1 - bar) * (x - bar**0.5 * self.mean)

    def flow(self, x, bar_t, bar_s):
        """Map x by the probability flow, which in one dimension preserves quantiles, hence the standardised x."""
        stds = [(bar * self.std**2 + 1 - bar) ** 0.5 for bar in (bar_t, bar_s)]
        return bar_s**0.5 * self.mean + stds[1] / stds[0] * (x - bar_t**0.5 * self.mean)


class Mixture:
    means, std, weights = np.array([-0.8, 0.6]), 0.4, np.array([0.3, 0.7])

    def mean_x0(self, x, bar):
        means, variance = torch.from_numpy(self.means), bar * self.std**2 + 1 - bar
        responsibilities = (
            torch.from_numpy(self.weights).log() - (x - bar**0.5 * means) ** 2 / (2 * variance)
        ).softmax(1)
        gain = bar**0.5 * self.std**2 / variance
        return (responsibilities * (means + gain * (x - bar**0.5 * means))).sum(1, keepdim=True)

    def cdf(self, x, bar):
        return (self.weights * norm.cdf(x, bar**0.5 * self.means, (bar * self.std**2 + 1 - bar) ** 0.5)).sum()

    def flow(self, x, bar_t, bar_s):
        def transport(start):
            quantile = self.cdf(start, bar_t)
            return brentq(lambda y: self.cdf(y, bar_s) - quantile, -9, 9, xtol=1e-14)

        transported = [transport(start) for start in x[:, 0].tolist()]
        return torch.tensor(transported, dtype=torch.float64)[:, None]


@pytest.mark.parametrize("marginal", [Gaussian(), Mixture()], ids=["gaussian", "mixture"])
@pytest.mark.parametrize(
    ("sampler", "order"),  # UniPC-p is of order p + 1 (Zhao et al. 2023, theorem 3.1)
    [("ddim", 1), ("dpm_solver_pp_2m", 2), ("heun", 2), ("unipc", 3)],
)
def test_samplers_have_their_order_of_convergence(sampler, order, marginal):
    errors = [flow_errors(sampler, marginal, steps) for steps in (40, 80, 160, 320)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert orders[-1] == pytest.approx(order, abs=0.15), (errors, orders)


@pytest.mark.parametrize("sampler", ["dpm_solver_pp_2m", "heun", "unipc"])
@pytest.mark.parametrize("spacing", ["log_snr", "karras"])
def test_solvers_reproduce_the_moments_of_the_data_in_60_steps(sampler, spacing):
    start = normals(0, 4000, 1)
    for marginal, mean, std in ((Gaussian(), 0.25, 0.5), (Mixture(), 0.18, (0.21 * 1.4**2 + 0.4**2) ** 0.5)):
        predict = generate.predictor(
            lambda x, t, labels, m=marginal: m.mean_x0(x, float(LINEAR.alpha_bars[t[0]])), LINEAR, None, clip=False
        )
        x = solvers.SAMPLERS[sampler](predict, start, generate.path(LINEAR, 60, spacing), lambda: None, 0.0)
        assert x.mean().item() == pytest.approx(mean, abs=0.02)
        assert x.std().item() == pytest.approx(std, abs=0.02)


@pytest.mark.parametrize("sampler", list(solvers.SAMPLERS))
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_evaluations_equal_the_number_of_calls(sampler, steps):
    calls = []

    def predict(x, t):
        calls.append(t)
        return x, x

    solvers.SAMPLERS[sampler](predict, torch.zeros(1), generate.path(LINEAR, steps, "trailing"), lambda: 0.0, 0.0)
    assert len(calls) == evaluations(sampler, steps)


@pytest.mark.parametrize("schedule", [LINEAR, schedules.cosine(1000), schedules.linear(500, 1e-4, 0.02)])
def test_karras_timesteps_follow_equation_5(schedule):
    sigma = schedule.snr**-0.5
    levels = sigma[generate.timesteps(schedule, 18, "karras")]
    low, high, i = sigma[1], min(sigma[-1], 80.0), np.arange(18)
    expected = (high ** (1 / 7) + i / 17 * (low ** (1 / 7) - high ** (1 / 7))) ** 7
    spacing = np.diff(np.log(sigma[1:]))  # rounding moves a level by less than one timestep
    assert np.abs(np.log(levels[::-1] / expected)).max() <= spacing.max()


def test_log_snr_timesteps_are_evenly_spaced():
    tau = generate.timesteps(LINEAR, 20, "log_snr")
    gaps = np.diff(np.log(LINEAR.snr[tau]))[5:]  # the first ones are adjacent timesteps
    assert gaps.std() < 0.05 * abs(gaps.mean())


# ---- against diffusers


class Nonlinear(torch.nn.Module):
    """A fixed, bounded epsilon prediction, cheap enough for 1000 steps."""

    def forward(self, x, t):
        return torch.sin(3 * x) * 0.5 + x.roll(1, -1) * 0.6 + torch.as_tensor(t).double().view(-1, 1) / 4000


def as_denoise(net):
    def denoise(x, t, labels):
        bar = torch.from_numpy(LINEAR.alpha_bars)[t].view(-1, 1)
        return (x - (1 - bar).sqrt() * net(x, t - 1)) / bar.sqrt()

    return denoise


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize(("steps", "eta"), [(1000, 0.0), (50, 0.0), (50, 0.7), (10, 1.0)])
def test_ddim_trajectory_equals_that_of_diffusers(steps, eta, clip):
    net = Nonlinear()
    theirs = DDIMScheduler(1000, clip_sample=clip, timestep_spacing="leading", set_alpha_to_one=True)
    theirs.alphas_cumprod = torch.from_numpy(LINEAR.alpha_bars[1:])  # theirs is float32
    theirs.set_timesteps(steps)
    start, noises = normals(0, 4, 16), normals(1, steps, 4, 16)
    x = start
    for t, z in zip(theirs.timesteps, noises, strict=True):
        x = theirs.step(net(x, t), t, x, eta=eta, variance_noise=z, use_clipped_model_output=True).prev_sample
    predict = generate.predictor(as_denoise(net), LINEAR, None, clip)
    queue = iter(noises)
    ours = solvers.ddim(predict, start, generate.path(LINEAR, steps, "uniform"), lambda: next(queue), eta)
    torch.testing.assert_close(ours, x, atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("steps", [1000, 100])
def test_ddpm_trajectory_equals_that_of_diffusers(steps, clip, monkeypatch):
    net, queue = Nonlinear(), iter(normals(1, steps, 4, 16))
    theirs = DDPMScheduler(1000, clip_sample=clip, variance_type="fixed_small", timestep_spacing="leading")
    theirs.alphas_cumprod = torch.from_numpy(LINEAR.alpha_bars[1:])
    theirs.one = theirs.one.double()
    theirs.set_timesteps(steps)
    monkeypatch.setattr("diffusers.schedulers.scheduling_ddpm.randn_tensor", lambda *args, **kwargs: next(queue))
    start = normals(0, 4, 16)
    x = start
    for t in theirs.timesteps:
        x = theirs.step(net(x, t), t, x).prev_sample
    ours_queue = iter(normals(1, steps, 4, 16))
    predict = generate.predictor(as_denoise(net), LINEAR, None, clip)
    ours = solvers.ddpm(predict, start, generate.path(LINEAR, steps, "uniform"), lambda: next(ours_queue), 0.0)
    torch.testing.assert_close(ours, x, atol=1e-8, rtol=1e-8)


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize("spacing", ["trailing", "log_snr"])
@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize(
    ("sampler", "theirs"),
    [
        ("dpm_solver_pp_2m", DPMSolverMultistepScheduler(solver_order=2, final_sigmas_type="zero")),
        ("unipc", UniPCMultistepScheduler(solver_order=2, solver_type="bh2", final_sigmas_type="zero")),
        ("heun", HeunDiscreteScheduler()),
    ],
)
def test_solver_trajectories_equal_those_of_diffusers(sampler, theirs, clip, spacing):
    net, start, path = Nonlinear(), normals(0, 4, 16), generate.path(LINEAR, 20, spacing)
    predict = generate.predictor(as_denoise(net), LINEAR, None, clip)
    times = torch.tensor([step.t for step in path]) - 1
    sigmas = torch.tensor([(1 / step.alpha_bar_t - 1) ** 0.5 for step in path] + [0.0], dtype=torch.float64)
    theirs.set_timesteps(20)
    if sampler == "heun":  # diffusers lists the end of a step twice and works in x / sqrt(alpha_bar)
        sigmas = torch.cat([sigmas[:1], sigmas[1:-1].repeat_interleave(2), sigmas[-1:]])
        times = torch.cat([times[:1], times[1:].repeat_interleave(2)])
    theirs.timesteps, theirs.sigmas = times, sigmas
    x = start / path[0].alpha_bar_t ** 0.5 if sampler == "heun" else start
    for t in times:
        _, epsilon = predict(theirs.scale_model_input(x, t), int(t) + 1)
        x = theirs.step(epsilon, t, x).prev_sample
    ours = solvers.SAMPLERS[sampler](predict, start, path, lambda: None, 0.0)
    # diffusers' multistep solver rounds x to float32 at each step.
    tolerance = 1e-4 if sampler == "dpm_solver_pp_2m" else 1e-7
    torch.testing.assert_close(ours, x.double(), atol=tolerance, rtol=tolerance)


# ---- generate


@pytest.fixture(scope="module")
def denoise():
    """A small UNet with random weights, so that results depend on rounding as with a trained one."""
    torch.manual_seed(0)
    net = UNet(
        channels=3, resolution=32, patch=2, width=12, width_multipliers=[1, 2], blocks=1, attention_resolutions=[8],
        heads=1, dropout=0.0, time_conditioning="scale_shift", classes=5,
    ).eval()  # fmt: skip
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return lambda x, t, labels: net(x, t, labels)


def settings(sampler: Sampler, eta: float) -> SamplerSettings:
    return SamplerSettings(sampler=sampler, steps=2, eta=eta, spacing="uniform", clip=True, guidance=0.0)


def image_hashes(denoise, indices, sampler="ddim", eta=1.0, seed=3):
    indices = list(indices)
    images = generate.generate(
        denoise, LINEAR, settings(sampler, eta), seed=seed, indices=indices,
        labels=torch.tensor(indices) % 5, shape=(3, 32, 32), device=CPU,
    )  # fmt: skip
    return [hashlib.sha256(image.numpy().tobytes()).hexdigest() for image in to_uint8(images)]


@pytest.mark.parametrize(
    ("sampler", "eta"), [("ddim", 0.0), ("ddim", 1.0), ("ddpm", 0.0), ("heun", 0.0), ("unipc", 0.0)]
)
def test_images_do_not_depend_on_their_number_or_order(denoise, sampler, eta):
    hashes = image_hashes(denoise, range(100), sampler, eta)
    assert len(set(hashes)) == 100
    for n in (1, 7, 64):
        assert image_hashes(denoise, range(n), sampler, eta) == hashes[:n]
    assert image_hashes(denoise, [77, 3, 60], sampler, eta) == [hashes[77], hashes[3], hashes[60]]


def test_seed_changes_every_image(denoise):
    assert not set(image_hashes(denoise, range(5), seed=3)) & set(image_hashes(denoise, range(5), seed=4))


def test_generate_passes_each_image_its_label():
    def denoise(x, t, labels):
        return labels.view(-1, 1, 1, 1).expand_as(x) / 10

    images = generate.generate(
        denoise, LINEAR, settings("ddim", 0.0), seed=0, indices=[70, 2, 51],
        labels=torch.tensor([7, 1, 4]), shape=(1, 2, 2), device=CPU,
    )  # fmt: skip
    torch.testing.assert_close(images[:, 0, 0, 0], torch.tensor([0.7, 0.1, 0.4]))


def test_every_sampler_of_the_settings_is_implemented():
    assert set(get_args(Sampler)) == set(solvers.SAMPLERS)
