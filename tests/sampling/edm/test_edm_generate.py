"""Samplers of an EDM against closed forms, convergence orders and diffusers."""

from typing import get_args

import numpy as np
import pytest
import torch
from diffusers import EDMEulerScheduler, HeunDiscreteScheduler

from edm_settings import CONDITIONAL, CONSISTENCY, SETTINGS, Gaussian
from thirtytwo.models.edm import model as edm
from thirtytwo.nets import unet
from thirtytwo.sampling.cost import evaluations
from thirtytwo.sampling.edm import solvers, sweep
from thirtytwo.sampling.edm.generate import generate, levels, predictor
from thirtytwo.sampling.noise import NoiseStreams
from thirtytwo.settings.edm import EDMSampler, EDMSamplerSettings, EDMSampling, EDMSettings, EDMSpacing
from thirtytwo.settings.strict import parse
from thirtytwo.settings.sweep import SweepConfig
from thirtytwo.training.loop import initialise

CPU = torch.device("cpu")
DATA = Gaussian(0.4, 0.3)
SAMPLER = {"sampler": "heun", "steps": 3, "spacing": "karras", "intermediate": 0.8, "clip": False, "guidance": 0.0}


def family(**changes):
    return initialise(lambda: edm.build(parse(EDMSettings, SETTINGS | changes, "edm"), unet, 1, 4), 0)


def nothing():
    raise AssertionError("a deterministic sampler draws no noise")


def error(sampler, steps, spacing="karras"):
    """The largest distance from the exact end of the probability flow from sigma = 80."""
    x = 80 * torch.linspace(-3, 3, 101, dtype=torch.float64)
    end = solvers.SAMPLERS[sampler](DATA.denoise, x, solvers.sigmas(steps, spacing), nothing)
    return (end - DATA.end(x, 80.0)).abs().max().item()


# ---- noise levels


@pytest.mark.parametrize(("spacing", "theirs"), [("karras", "karras"), ("log_snr", "exponential")])
@pytest.mark.parametrize("steps", [2, 7, 18])
def test_levels_are_those_of_diffusers(spacing, theirs, steps):
    scheduler = EDMEulerScheduler(sigma_schedule=theirs)
    scheduler.set_timesteps(steps)
    np.testing.assert_allclose(solvers.sigmas(steps, spacing), scheduler.sigmas[:-1].numpy(), rtol=2e-6)


@pytest.mark.parametrize("spacing", get_args(EDMSpacing))
def test_consistency_ends_at_the_intermediate_level(spacing):
    def of(sampler, steps):
        changes = {"sampler": sampler, "steps": steps, "spacing": spacing}
        return levels(parse(EDMSamplerSettings, SAMPLER | changes))

    assert of("consistency", 1) == [pytest.approx(80)]
    assert of("consistency", 2) == [pytest.approx(80), pytest.approx(0.8)]
    middle = ((80 ** (1 / 7) + 0.8 ** (1 / 7)) / 2) ** 7 if spacing == "karras" else 8.0
    assert of("consistency", 3) == [pytest.approx(80), pytest.approx(middle), pytest.approx(0.8)]
    assert of("heun", 2) == [pytest.approx(80), pytest.approx(0.002)]


# ---- samplers


@pytest.mark.parametrize(("sampler", "order"), [("euler", 1), ("heun", 2)])
@pytest.mark.parametrize("spacing", get_args(EDMSpacing))
def test_error_falls_with_the_order_of_the_method(sampler, order, spacing):
    coarse, fine = error(sampler, 100, spacing), error(sampler, 200, spacing)
    assert np.log2(coarse / fine) == pytest.approx(order, abs=0.15)


def test_euler_equals_that_of_diffusers():
    net = torch.tanh
    theirs = EDMEulerScheduler()
    theirs.set_timesteps(7)
    start = 80 * torch.randn(20, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    x = start
    for t in theirs.timesteps:
        x = theirs.step(net(theirs.scale_model_input(x, t)), t, x).prev_sample
    model = family()
    model.modules["denoiser"] = OfImage(net)
    predict = predictor(model, parse(EDMSamplerSettings, SAMPLER), None)
    ours = solvers.euler(predict, start, solvers.sigmas(7, "karras"), nothing)
    torch.testing.assert_close(ours, x, rtol=1e-5, atol=1e-5)


def test_heun_equals_that_of_diffusers():
    def denoise(x, sigma):
        return (x / (1 + sigma)).tanh()

    sigmas = solvers.sigmas(6, "karras")
    # diffusers lists the end of a step twice
    twice = torch.tensor([sigmas[0], *np.repeat(sigmas[1:], 2), 0.0], dtype=torch.float64)
    theirs = HeunDiscreteScheduler()
    theirs.set_timesteps(6)
    theirs.sigmas, theirs.timesteps = twice, torch.arange(11)
    start = 80 * torch.randn(20, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = start
    for k in range(11):
        sigma = twice[k].item()
        theirs._step_index = k
        x = theirs.step((x - denoise(x, sigma)) / sigma, theirs.timesteps[k], x).prev_sample
    torch.testing.assert_close(solvers.heun(denoise, start, sigmas, nothing), x, rtol=1e-9, atol=1e-9)


class OfImage(torch.nn.Module):
    """A network that is a function of x alone."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x, c_noise, labels):
        return self.function(x)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_consistency_samples_the_data_of_a_gaussian(steps):
    # The exact consistency function of N(m, s^2) maps N(m, s^2 + sigma^2) to N(m, s^2), from any number of steps.
    rng = torch.Generator().manual_seed(0)

    def noise():
        return torch.randn(200_000, generator=rng, dtype=torch.float64)

    sigmas = solvers.sigmas(steps, "karras", 0.8)
    images = solvers.consistency(lambda x, sigma: DATA.end(x, sigma), 80 * noise(), sigmas, noise)
    assert images.mean().item() == pytest.approx(0.4, abs=0.005)
    assert images.std().item() == pytest.approx(0.3, rel=0.01)


@pytest.mark.parametrize("sampler", get_args(EDMSampler))
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_evaluations_equal_the_number_of_calls(sampler, steps):
    calls = []
    sigmas = solvers.sigmas(steps, "karras")
    solvers.SAMPLERS[sampler](lambda x, s: calls.append(s) or x, torch.zeros(1), sigmas, lambda: torch.zeros(1))
    assert len(calls) == evaluations(sampler, steps)
    assert 0.0 not in calls  # where c_noise is infinite
    assert calls[0] == sigmas[0]


def test_clipping_keeps_the_predicted_image_in_range():
    model = family()
    model.denoise = lambda x, sigma, labels: 5 * x
    x = torch.randn(6, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    clipped = predictor(model, parse(EDMSamplerSettings, SAMPLER | {"clip": True}), None)(x, 0.5)
    assert torch.equal(clipped, (5 * x).clamp(-1, 1))
    assert torch.equal(predictor(model, parse(EDMSamplerSettings, SAMPLER), None)(x, 0.5), 5 * x)


# ---- whole runs


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    ("changes", "sample"),
    [
        (CONDITIONAL, {"sampler": "heun", "guidance": 1.0}),
        (CONSISTENCY, {"sampler": "consistency", "steps": 2}),
    ],
)
def test_an_image_depends_on_its_index_alone(changes, sample):
    model = family(**changes)
    for parameter in model.modules.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=torch.Generator().manual_seed(1))
    model.modules.eval().requires_grad_(False)
    settings = parse(EDMSamplerSettings, SAMPLER | sample)

    def draw(indices, seed=3):
        labels = torch.tensor([index % 4 for index in indices])
        return generate(model, settings, seed=seed, indices=indices, labels=labels, device=CPU)

    together = draw(range(60))
    assert torch.equal(draw([57, 2]), together[[57, 2]])
    assert not torch.equal(together[57], together[1])
    assert not torch.equal(draw([57], seed=4)[0], together[57])


def test_noise_of_a_second_step_is_the_next_of_the_image():
    model = family(**CONSISTENCY)
    model.denoise = lambda x, sigma, labels: x
    settings = parse(EDMSamplerSettings, SAMPLER | {"sampler": "consistency", "steps": 2})
    image = generate(model, settings, seed=3, indices=[5], labels=torch.tensor([0]), device=CPU)[0]
    streams = NoiseStreams(3, [5])
    first, second = streams.normal(model.shape)[0], streams.normal(model.shape)[0]
    torch.testing.assert_close(image, 80 * first + 0.8 * second)


def test_sweep_keeps_the_settings_of_the_run():
    compute = {"device": "cpu", "threads": 1, "precision": "float32", "compile": False, "deterministic": True}
    swept = {"family": "edm", "net": "unet", "dataset": "shapes", "images": 100, "samplers": {"consistency": "log_snr"},
             "steps": [1, 2], "etas": [0.0]}  # fmt: skip
    config = parse(SweepConfig, {
        "run": "ect", "family": "edm", "seed": 1, "compute": compute, "reference_split": "train", "bootstrap_resamples": 20,
        "sweep": swept, "weights": "ema", "clip": True, "guidance": 0.0, "intermediate": 1.5,
    })  # fmt: skip
    assert [levels(point) for point in sweep.points(config)] == [
        [pytest.approx(80)],
        [pytest.approx(80), pytest.approx(1.5)],
    ]
    assert {(point.clip, point.guidance) for point in sweep.points(config)} == {(True, 0.0)}


@pytest.mark.parametrize(
    ("trained", "sample", "message"),
    [
        ({}, {"sampler": "consistency"}, "sampler"),
        (CONSISTENCY, {"sampler": "heun"}, "sampler"),
        (CONSISTENCY | {"label_dropout": 0.1}, {"sampler": "consistency", "guidance": 1.0}, "guidance"),
        ({}, {"guidance": 1.0}, "label_dropout"),
    ],
)
def test_settings_that_the_model_was_not_trained_for_are_refused(trained, sample, message):
    settings = parse(EDMSampling, SAMPLER | {"weights": "ema", "frames": 0} | sample)
    with pytest.raises(ValueError, match=message):
        settings.check(parse(EDMSettings, SETTINGS | trained, "edm"))
