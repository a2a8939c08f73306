"""Samplers of the reverse process and their single steps.

A sampler follows a path of timesteps T >= tau_S > ... > tau_1 > tau_0 = 0. It is a function

    sampler(predict, x, path, noise, eta) -> x_0

where `predict(x, t)` returns the pair (x0_hat, epsilon_hat) at x_t, clipped or not, `path` lists the steps, and
`noise()` returns the next standard normal tensor of the shape of x; only ddim uses eta. All scalars are Python floats,
hence float64.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor

from thirtytwo.settings.diffusion import Sampler

__all__ = [
    "SAMPLERS", "Step", "ddim", "ddim_step", "ddpm", "ddpm_step", "dpm_solver_pp_2m", "dpm_solver_pp_step",
    "euler_step", "heun", "heun_step", "unipc", "unipc_step",
]  # fmt: skip

Predict = Callable[[Tensor, int], tuple[Tensor, Tensor]]
Noise = Callable[[], Tensor]


class Step(NamedTuple):
    """A step from timestep t to s < t."""

    t: int
    s: int
    alpha_bar_t: float
    alpha_bar_s: float


def ddpm_step(x: Tensor, x0: Tensor, z: Tensor | float, alpha_bar_t: float, alpha_bar_s: float) -> Tensor:
    """Return x_s ~ q(x_s | x_t, x_0), with variance beta_tilde (Ho et al. 2020, eq. 6 and 7).

    For s < t - 1 the step's alpha_t is alpha_bar_t / alpha_bar_s (Nichol & Dhariwal 2021, eq. 19).
    """
    alpha_t = alpha_bar_t / alpha_bar_s
    beta_t = 1 - alpha_t
    mean = alpha_bar_s**0.5 * beta_t / (1 - alpha_bar_t) * x0 + alpha_t**0.5 * (1 - alpha_bar_s) / (1 - alpha_bar_t) * x
    beta_tilde = (1 - alpha_bar_s) / (1 - alpha_bar_t) * beta_t
    return mean + beta_tilde**0.5 * z


def ddpm(predict: Predict, x: Tensor, path: Sequence[Step], noise: Noise, eta: float) -> Tensor:
    """Ancestral sampling (Ho et al. 2020, algorithm 2, in terms of the predicted x_0)."""
    for t, s, alpha_bar_t, alpha_bar_s in path:
        x0, _ = predict(x, t)
        x = ddpm_step(x, x0, noise() if s > 0 else 0.0, alpha_bar_t, alpha_bar_s)
    return x


def ddim_sigma(eta: float, alpha_bar_t: float, alpha_bar_s: float) -> float:
    """Return the standard deviation of the noise in a DDIM step (Song et al. 2021, eq. 16)."""
    return eta * ((1 - alpha_bar_s) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_s)) ** 0.5


def ddim_step(
    x0: Tensor, epsilon: Tensor, z: Tensor | float, eta: float, alpha_bar_t: float, alpha_bar_s: float
) -> Tensor:
    """Return x_s from the prediction at x_t (Song et al. 2021, eq. 12)."""
    sigma = ddim_sigma(eta, alpha_bar_t, alpha_bar_s)
    direction = max(1 - alpha_bar_s - sigma**2, 0.0) ** 0.5 * epsilon
    return alpha_bar_s**0.5 * x0 + direction + sigma * z


def ddim(predict: Predict, x: Tensor, path: Sequence[Step], noise: Noise, eta: float) -> Tensor:
    """DDIM (Song et al. 2021): deterministic for eta = 0; for eta = 1 and S = T the same process as `ddpm`."""
    for t, s, alpha_bar_t, alpha_bar_s in path:
        x0, epsilon = predict(x, t)
        x = ddim_step(x0, epsilon, noise() if eta > 0 and s > 0 else 0.0, eta, alpha_bar_t, alpha_bar_s)
    return x


def half_log_snr(alpha_bar: float) -> float:
    """Return lambda = log(sqrt(alpha_bar) / sqrt(1 - alpha_bar)), half the log-SNR; infinite without noise."""
    return math.inf if alpha_bar == 1 else 0.5 * math.log(alpha_bar / (1 - alpha_bar))


def dpm_solver_pp_step(x: Tensor, D: Tensor, alpha_bar_t: float, alpha_bar_s: float) -> Tensor:
    """Return x_s from x_t for a constant prediction D of x_0 (Lu et al. 2022, "DPM-Solver++", eq. 9, algorithm 2)."""
    h = half_log_snr(alpha_bar_s) - half_log_snr(alpha_bar_t)
    return ((1 - alpha_bar_s) / (1 - alpha_bar_t)) ** 0.5 * x - alpha_bar_s**0.5 * math.expm1(-h) * D


def dpm_solver_pp_2m(predict: Predict, x: Tensor, path: Sequence[Step], noise: Noise, eta: float) -> Tensor:
    """DPM-Solver++(2M): second order, data prediction (Lu et al. 2022, "DPM-Solver++", algorithm 2).

    The first step has no previous prediction and is of first order. So is a step to alpha_bar = 1, where lambda is
    infinite and the exact solution for a constant x0_hat is x0_hat itself.
    """
    past: tuple[Tensor, float] | None = None  # x0_hat and h of the previous step
    for t, _, alpha_bar_t, alpha_bar_s in path:
        x0, _ = predict(x, t)
        h = half_log_snr(alpha_bar_s) - half_log_snr(alpha_bar_t)
        D = x0
        if past is not None and h < math.inf:
            r = past[1] / h
            D = (1 + 1 / (2 * r)) * x0 - 1 / (2 * r) * past[0]
        x, past = dpm_solver_pp_step(x, D, alpha_bar_t, alpha_bar_s), (x0, h)
    return x


def euler_step(x: Tensor, d: Tensor, sigma_t: float, sigma_s: float) -> Tensor:
    """Take an Euler step of dx/dsigma = d (Karras et al. 2022, algorithm 1, line 5), in the paper's variables."""
    return x + (sigma_s - sigma_t) * d


def heun_step(x: Tensor, d: Tensor, d_next: Tensor, sigma_t: float, sigma_s: float) -> Tensor:
    """Take a Heun step, with the mean of the slopes at both ends (Karras et al. 2022, algorithm 1, line 8)."""
    return x + (sigma_s - sigma_t) * (0.5 * d + 0.5 * d_next)


def heun(predict: Predict, x: Tensor, path: Sequence[Step], noise: Noise, eta: float) -> Tensor:
    """Heun's second-order method without churn (Karras et al. 2022, algorithm 1).

    Each step takes two predictions, except the last, to sigma = 0, which is an Euler step. The paper's x is our
    x / sqrt(alpha_bar) and its sigma our sqrt((1 - alpha_bar) / alpha_bar), so its slope d = (x - D(x, sigma)) / sigma
    is the predicted epsilon.
    """
    x_hat = x / path[0].alpha_bar_t ** 0.5
    for t, s, alpha_bar_t, alpha_bar_s in path:
        sigma_t, sigma_s = ((1 - alpha_bar) ** 0.5 / alpha_bar**0.5 for alpha_bar in (alpha_bar_t, alpha_bar_s))
        _, d = predict(alpha_bar_t**0.5 * x_hat, t)
        guess = euler_step(x_hat, d, sigma_t, sigma_s)
        if sigma_s > 0:
            _, d_next = predict(alpha_bar_s**0.5 * guess, s)
            guess = heun_step(x_hat, d, d_next, sigma_t, sigma_s)
        x_hat = guess
    return path[-1].alpha_bar_s ** 0.5 * x_hat


def unipc_step(
    x: Tensor, x0: Tensor, x0_next: Tensor, past: tuple[Tensor, float] | None, alpha_bar_t: float, alpha_bar_s: float
) -> Tensor:
    """Correct x_s by the prediction at x_s: UniC-2 (Zhao et al. 2023, eq. 8, with data prediction as in appendix A).

    B(h) = e^h - 1, with the sign of h reversed; the coefficients solve eq. 9 for the points r_1 (the previous step) and
    1 (the end of this step).

    Args:
        x: x_t.
        x0: prediction at x_t.
        x0_next: prediction at the uncorrected x_s.
        past: x0_hat and h of the previous step, or None at the first step, whose order is lower by one.
    """
    h = -(half_log_snr(alpha_bar_s) - half_log_snr(alpha_bar_t))
    B = math.expm1(h)
    phi_2 = B / h - 1
    phi_3 = phi_2 / h - 0.5
    D2 = x0_next - x0
    if past is None:
        correction = 0.5 * D2
    else:
        r = past[1] / h  # negative: the point lies before t
        b1, b2 = phi_2 / B, 2 * phi_3 / B
        rho_2 = (b2 - r * b1) / (1 - r)  # from rho_1 + rho_2 = b1, r rho_1 + rho_2 = b2
        correction = (b1 - rho_2) * (past[0] - x0) / r + rho_2 * D2
    return dpm_solver_pp_step(x, x0, alpha_bar_t, alpha_bar_s) - alpha_bar_s**0.5 * B * correction


def unipc(predict: Predict, x: Tensor, path: Sequence[Step], noise: Noise, eta: float) -> Tensor:
    """UniPC-2: predict with DPM-Solver++(2M), then correct with UniC-2 (Zhao et al. 2023, algorithms 5 and 6).

    The corrector reuses the prediction of the next step: third order at one evaluation per step. The step to
    alpha_bar = 1 is not corrected, because no prediction follows it.
    """
    past: tuple[Tensor, float] | None = None
    x0, _ = predict(x, path[0].t)
    for _, s, alpha_bar_t, alpha_bar_s in path:
        h = half_log_snr(alpha_bar_s) - half_log_snr(alpha_bar_t)
        D = x0 if past is None or h == math.inf else x0 + 0.5 * h / past[1] * (x0 - past[0])
        guess = dpm_solver_pp_step(x, D, alpha_bar_t, alpha_bar_s)
        if s == 0:
            return guess
        x0_next, _ = predict(guess, s)
        x = unipc_step(x, x0, x0_next, past, alpha_bar_t, alpha_bar_s)
        past, x0 = (x0, h), x0_next
    return x


SAMPLERS: dict[Sampler, Callable[[Predict, Tensor, Sequence[Step], Noise, float], Tensor]] = {
    "ddpm": ddpm, "ddim": ddim, "dpm_solver_pp_2m": dpm_solver_pp_2m, "heun": heun, "unipc": unipc,
}  # fmt: skip
