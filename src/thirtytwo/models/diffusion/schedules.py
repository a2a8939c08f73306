"""Variance schedules beta_1 ... beta_T of the forward process, in float64.

Timesteps are counted from 1, as in Ho et al. 2020: beta_t is `betas[t - 1]`, while alpha_bar_t is `alpha_bars[t]`,
because that array begins with alpha_bar_0 = 1 (no noise).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["SCHEDULES", "Schedule", "cosine", "linear", "make", "quadratic"]

SCHEDULES = ("linear", "cosine", "quadratic")


@dataclass(frozen=True)
class Schedule:
    """The variances of q(x_t | x_{t-1}) = N(sqrt(1 - beta_t) x_{t-1}, beta_t I) and quantities derived from them.

    Attributes:
        betas: [T] float64, beta_1 ... beta_T in (0, 1).
    """

    betas: np.ndarray

    @property
    def timesteps(self) -> int:
        """T, the number of timesteps."""
        return len(self.betas)

    @cached_property
    def alphas(self) -> np.ndarray:
        """[T]: alpha_t = 1 - beta_t."""
        return 1.0 - self.betas

    @cached_property
    def alpha_bars(self) -> np.ndarray:
        """[T + 1]: alpha_bar_t = alpha_1 ... alpha_t at index t; alpha_bar_0 = 1."""
        return np.concatenate([[1.0], np.cumprod(self.alphas)])

    @cached_property
    def snr(self) -> np.ndarray:
        """[T + 1]: signal-to-noise ratio alpha_bar_t / (1 - alpha_bar_t) at index t; infinite at 0."""
        with np.errstate(divide="ignore"):
            return self.alpha_bars / (1.0 - self.alpha_bars)


def linear(timesteps: int, beta_start: float, beta_end: float) -> Schedule:
    """Return beta_t linear in t from beta_start to beta_end (Ho et al. 2020, section 4: 1e-4 to 0.02 for T = 1000).

    The end points hold for any T; they are not rescaled by 1000 / T. With the same end points a smaller T therefore
    leaves more signal: alpha_bar_T = 4.0e-5 for T = 1000, 6.4e-3 for 500, 2.6e-7 for 1500.
    """
    return Schedule(np.linspace(beta_start, beta_end, timesteps, dtype=np.float64))


def quadratic(timesteps: int, beta_start: float, beta_end: float) -> Schedule:
    """Return a schedule with sqrt(beta_t) linear in t, and betas from beta_start to beta_end for any T."""
    return Schedule(np.linspace(beta_start**0.5, beta_end**0.5, timesteps, dtype=np.float64) ** 2)


def cosine(timesteps: int) -> Schedule:
    """Return the squared-cosine schedule (Nichol & Dhariwal 2021, eq. 17), s = 0.008, with betas clipped at 0.999."""
    s = 0.008
    t = np.arange(timesteps + 1, dtype=np.float64)
    f = np.cos((t / timesteps + s) / (1 + s) * np.pi / 2) ** 2
    return Schedule(np.minimum(1 - f[1:] / f[:-1], 0.999))


def make(name: str, timesteps: int, beta_start: float, beta_end: float) -> Schedule:
    """Return the schedule `name`, one of SCHEDULES; cosine ignores the end points."""
    if name == "cosine":
        return cosine(timesteps)
    return {"linear": linear, "quadratic": quadratic}[name](timesteps, beta_start, beta_end)
