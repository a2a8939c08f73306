"""Samplers of a flow: they follow its velocity from noise at t = 1 to an image at t = 0.

A sampler is a function

    sampler(u, x, times) -> x_0

where `u(x, r, t)` returns the mean velocity over [r, t], which is the velocity at t where r = t, and `times` falls from 1
to 0. All times are Python floats, hence float64.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from torch import Tensor

from thirtytwo.settings.flow import FlowSampler, FlowSpacing

__all__ = ["SAMPLERS", "Predict", "euler", "heun", "mean_flow", "times"]

Predict = Callable[[Tensor, float, float], Tensor]


def times(steps: int, spacing: FlowSpacing) -> list[float]:
    """Return S + 1 times from 1 to 0: i / S, or (i / S)^2, which is finer at low noise."""
    even = np.arange(steps, -1, -1) / steps
    return [float(t) for t in (even if spacing == "uniform" else even**2)]


def euler(u: Predict, x: Tensor, times: Sequence[float]) -> Tensor:
    """Euler's method on dx/dt = v(x, t): first order, one evaluation a step (Liu et al. 2023, section 2.1)."""
    for t, s in pairwise(times):
        x = x + (s - t) * u(x, t, t)
    return x


def heun(u: Predict, x: Tensor, times: Sequence[float]) -> Tensor:
    """Heun's method on dx/dt = v(x, t): second order, with the mean of the velocities at both ends of a step.

    Each step takes two evaluations, except the last, an Euler step (as Karras et al. 2022, algorithm 1): at t = 0 a
    velocity from a predicted x_0 is undefined.
    """
    for t, s in pairwise(times):
        v = u(x, t, t)
        guess = x + (s - t) * v
        x = x + (s - t) / 2 * (v + u(guess, s, s)) if s > 0 else guess
    return x


def mean_flow(u: Predict, x: Tensor, times: Sequence[float]) -> Tensor:
    """Cross each interval with its mean velocity (Geng et al. 2025, eq. 12), exact in one step for an exact u."""
    for t, s in pairwise(times):
        x = x + (s - t) * u(x, s, t)
    return x


SAMPLERS: dict[FlowSampler, Callable[[Predict, Tensor, Sequence[float]], Tensor]] = {
    "euler": euler, "heun": heun, "mean_flow": mean_flow,
}  # fmt: skip
