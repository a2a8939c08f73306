"""Samplers of a flow against closed forms, convergence orders and diffusers."""

from typing import get_args

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from flow_settings import MEAN_FLOW, SETTINGS, Gaussian
from thirtytwo.models.flow import model as flow
from thirtytwo.nets import unet
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.sampling.cost import evaluations
from thirtytwo.sampling.flow import solvers
from thirtytwo.sampling.flow.generate import generate, predictor
from thirtytwo.settings.flow import FlowSampler, FlowSamplerSettings, FlowSampling, FlowSettings, FlowSpacing
from thirtytwo.settings.strict import parse
from thirtytwo.training.loop import initialise

CPU = torch.device("cpu")
DATA = Gaussian(0.4, 0.3)
SAMPLER = {"sampler": "euler", "steps": 3, "spacing": "uniform", "clip": False, "guidance": 0.0}


def family(**changes):
    return initialise(lambda: flow.build(parse(FlowSettings, SETTINGS | changes, "flow"), unet, 1, 4), 0)


def exact(x, r, t):
    return DATA.velocity(x, t) if r == t else DATA.mean_velocity(x, r, t)


def error(sampler, steps, spacing="uniform"):
    """The largest distance from the exact flow of x_1 to x_0."""
    x = torch.linspace(-3, 3, 101, dtype=torch.float64)
    return (
        (solvers.SAMPLERS[sampler](exact, x, solvers.times(steps, spacing)) - DATA.at(x, 1.0, 0.0)).abs().max().item()
    )


@pytest.mark.parametrize(("sampler", "order"), [("euler", 1), ("heun", 2)])
@pytest.mark.parametrize("spacing", get_args(FlowSpacing))
def test_error_falls_with_the_order_of_the_method(sampler, order, spacing):
    coarse, fine = error(sampler, 200, spacing), error(sampler, 400, spacing)
    assert np.log2(coarse / fine) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_mean_velocity_needs_one_step(steps):
    assert error("mean_flow", steps) < 1e-12


@pytest.mark.parametrize("spacing", get_args(FlowSpacing))
@pytest.mark.parametrize("steps", [1, 4, 30])
def test_times_fall_from_1_to_0(spacing, steps):
    times = solvers.times(steps, spacing)
    assert times[0] == 1
    assert times[-1] == 0
    assert (np.diff(times) < 0).all()
    assert len(times) == steps + 1


def test_euler_equals_that_of_diffusers():
    x = torch.randn(20, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    theirs, scheduler = x, FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000)
    scheduler.set_timesteps(sigmas=solvers.times(7, "uniform")[:-1])
    for t in scheduler.timesteps:
        theirs = scheduler.step(DATA.velocity(theirs, t.item() / 1000), t, theirs).prev_sample
    torch.testing.assert_close(solvers.euler(exact, x, solvers.times(7, "uniform")), theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sampler", get_args(FlowSampler))
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_evaluations_equal_the_number_of_calls(sampler, steps):
    calls = []
    solvers.SAMPLERS[sampler](lambda x, r, t: calls.append(t) or x, torch.zeros(1), solvers.times(steps, "uniform"))
    assert len(calls) == evaluations(sampler, steps)
    assert 0.0 not in calls  # where a velocity from a predicted x_0 is undefined


def test_clipping_keeps_the_image_that_a_velocity_leads_to_in_range():
    model = family()
    model.mean_velocity = lambda x, r, t, labels: 5 * x
    x = torch.randn(6, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    clipped = predictor(model, parse(FlowSamplerSettings, SAMPLER | {"clip": True}), None)(x, 0.5, 0.5)
    torch.testing.assert_close(x - 0.5 * clipped, (x - 0.5 * 5 * x).clamp(-1, 1))
    free = predictor(model, parse(FlowSamplerSettings, SAMPLER), None)(x, 0.5, 0.5)
    torch.testing.assert_close(free, 5 * x)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("changes", "sampler"), [({}, "heun"), (MEAN_FLOW, "mean_flow")])
def test_an_image_depends_on_its_index_alone(changes, sampler):
    model = family(**changes)
    for parameter in model.modules.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=torch.Generator().manual_seed(1))
    model.modules.eval().requires_grad_(False)
    settings = parse(FlowSamplerSettings, SAMPLER | {"sampler": sampler})

    def draw(indices):
        labels = torch.tensor([index % 4 for index in indices]) if model.conditional else None
        return generate(model, settings, seed=3, indices=indices, labels=labels, device=CPU)

    together = draw(range(60))
    assert torch.equal(draw([57, 2]), together[[57, 2]])
    assert not torch.equal(together[57], together[2])


@pytest.mark.parametrize(
    ("trained", "sample", "message"),
    [
        ({}, {"sampler": "mean_flow"}, "sampler"),
        ({}, {"guidance": 1.0}, "guidance"),
        (MEAN_FLOW, {"guidance": 1.0}, "training_guidance"),
        (MEAN_FLOW, {"sampler": "mean_flow", "clip": True}, "clip"),
    ],
)
def test_settings_that_the_model_was_not_trained_for_are_refused(trained, sample, message):
    settings = parse(FlowSampling, SAMPLER | {"weights": "ema", "frames": 0} | sample)
    with pytest.raises((ParamsError, ValueError), match=message):
        settings.check(parse(FlowSettings, SETTINGS | trained, "flow"))
