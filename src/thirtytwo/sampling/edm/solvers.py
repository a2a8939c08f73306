"""Samplers of an EDM: from noise of the highest level sigma to an image at sigma = 0.

A sampler is a function

    sampler(D, x, sigmas, noise) -> x_0

where `D(x, sigma)` returns the predicted image, x is noise of level sigmas[0], `sigmas` fall and end above 0, and `noise()`
returns the next standard normal tensor of the shape of x; only consistency uses it. All levels are Python floats, hence
float64.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from torch import Tensor

from thirtytwo.settings.edm import EDMSampler, EDMSpacing

__all__ = ["SAMPLERS", "SIGMA_MAX", "SIGMA_MIN", "Predict", "consistency", "euler", "heun", "sigmas"]

Predict = Callable[[Tensor, float], Tensor]
Noise = Callable[[], Tensor]

SIGMA_MIN, SIGMA_MAX, RHO = 0.002, 80.0, 7  # Karras et al. 2022, table 1


def sigmas(steps: int, spacing: EDMSpacing, lowest: float = SIGMA_MIN) -> list[float]:
    """Return N noise levels from SIGMA_MAX down to `lowest`; of one step, the highest alone.

    "karras" is even in sigma^(1/rho) (Karras et al. 2022, eq. 5), "log_snr" in log sigma.
    """
    part = np.arange(steps) / max(steps - 1, 1)
    if spacing == "karras":
        levels = (SIGMA_MAX ** (1 / RHO) + part * (lowest ** (1 / RHO) - SIGMA_MAX ** (1 / RHO))) ** RHO
    else:
        levels = np.exp(math.log(SIGMA_MAX) + part * math.log(lowest / SIGMA_MAX))
    return [float(level) for level in levels]


def euler(D: Predict, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Tensor:
    """Euler's method on dx/dsigma = (x - D(x; sigma)) / sigma: first order, one evaluation a step."""
    for t, s in pairwise([*sigmas, 0.0]):
        x = x + (s - t) * (x - D(x, t)) / t
    return x


def heun(D: Predict, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Tensor:
    """Heun's method without churn: second order (Karras et al. 2022, algorithm 1).

    Each step takes two evaluations, except the last, to sigma = 0, which is an Euler step.
    """
    for t, s in pairwise([*sigmas, 0.0]):
        d = (x - D(x, t)) / t
        guess = x + (s - t) * d
        x = x + (s - t) * (0.5 * d + 0.5 * (guess - D(guess, s)) / s) if s > 0 else guess
    return x


def consistency(D: Predict, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Tensor:
    """Multistep consistency sampling (Song et al. 2023, algorithm 1): add noise to each image and predict it anew.

    The algorithm's epsilon, the level at which D returns x, is 0 here.
    """
    x = D(x, sigmas[0])
    for sigma in sigmas[1:]:
        x = D(x + sigma * noise(), sigma)
    return x


SAMPLERS: dict[EDMSampler, Callable[[Predict, Tensor, Sequence[float], Noise], Tensor]] = {
    "euler": euler, "heun": heun, "consistency": consistency,
}  # fmt: skip
