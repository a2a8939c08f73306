"""The variational bound on -log p(x_0) of a diffusion model (Ho et al. 2020, eq. 5), in bits per dimension.

The reverse process is that of `solvers.ddpm_step`, with the mean of q(x_{t-1} | x_t, x0_hat) and variance beta_tilde_t.
Since beta_tilde_1 = 0, the decoder at t = 1 is a discretised Gaussian (Ho et al. section 3.3) of variance beta_tilde_2,
as published.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from thirtytwo.models.diffusion.schedules import Schedule

__all__ = ["bound", "decoder_bits", "decoder_sigma", "interval_edges", "prior_bits", "step_weights"]

_BITS = 1 / math.log(2)


def step_weights(schedule: Schedule) -> np.ndarray:
    """Return weights [T + 1] float64 with L_{t-1} = weight_t ||x_0 - x0_hat||^2 in nats for t >= 2; 0 at t = 0 and 1.

    L_{t-1} is the KL divergence of two Gaussians of variance beta_tilde_t whose means differ by sqrt(alpha_bar_{t-1})
    beta_t / (1 - alpha_bar_t) (x_0 - x0_hat) (Ho et al. eq. 7 and 8), which is 1/2 (SNR_{t-1} - SNR_t)
    ||x_0 - x0_hat||^2 (Kingma et al. 2021, eq. 14). In terms of epsilon this is the weight of Ho et al. eq. 12 with
    sigma_t^2 = beta_tilde_t.
    """
    weights = np.zeros(schedule.timesteps + 1)
    weights[2:] = 0.5 * (schedule.snr[1:-1] - schedule.snr[2:])
    return weights


def decoder_sigma(schedule: Schedule) -> float:
    """Return sqrt(beta_tilde_2), the decoder's standard deviation."""
    bars = schedule.alpha_bars
    return float(((1 - bars[1]) / (1 - bars[2]) * schedule.betas[1]) ** 0.5)


def decoder_bits(x0: Tensor, mean: Tensor, sigma: float) -> Tensor:
    """Return -log2 of the probability of x_0's 8-bit bin under N(mean, sigma^2), per element (Ho et al. eq. 13).

    Bins are 2/255 wide; the outermost bins, at -1 and 1, extend to infinity.
    """
    above = torch.where(x0 > 0.999, math.inf, (x0 + 1 / 255 - mean) / sigma)
    below = torch.where(x0 < -0.999, -math.inf, (x0 - 1 / 255 - mean) / sigma)
    # ndtr is accurate only in its lower tail, so bins above the mean are mirrored.
    mirrored = below > 0
    low, high = torch.where(mirrored, -above, below), torch.where(mirrored, -below, above)
    probability = torch.special.ndtr(high) - torch.special.ndtr(low)
    return -_BITS * probability.clamp(min=torch.finfo(x0.dtype).tiny).log()


def prior_bits(x0: Tensor, alpha_bar: float) -> Tensor:
    """Return L_T = KL(q(x_T | x_0) || N(0, I)) in bits, per element."""
    return 0.5 * _BITS * (1 - alpha_bar + alpha_bar * x0.square() - 1 - math.log(1 - alpha_bar))


def interval_edges(timesteps: int, intervals: int) -> np.ndarray:
    """Split timesteps 2 ... T into disjoint intervals; interval k is edges[k] ... edges[k + 1] - 1.

    The edges [intervals + 1] are spaced quadratically, finer at low noise, where the terms of the bound are large and
    vary quickly.
    """
    k = np.arange(intervals + 1)
    edges = 2 + np.round((timesteps - 1) * (k / intervals) ** 2).astype(np.int64)
    return np.minimum(np.maximum(edges, 2 + k), timesteps + 1 - intervals + k)


@torch.no_grad()
def bound(
    denoise: Callable[[Tensor, Tensor, Tensor | None], Tensor],
    schedule: Schedule,
    x0: Tensor,
    labels: Tensor | None,
    *,
    intervals: int,
    clip: bool,
    rng: torch.Generator,
) -> Tensor:
    """Estimate the bound of each image without bias.

    With T - 1 intervals every timestep is evaluated, and the noise is the only source of variance.

    Args:
        denoise: returns x0_hat from x_t [B, ...], t [B] and labels; clipped to [-1, 1] here if `clip`.
        x0: [B, ...] images, 8-bit values in [-1, 1].
        intervals: number of intervals of timesteps; each image draws one timestep from each (stratified sampling).
        rng: generator on the CPU, so that every device uses the same noise.

    Returns:
        [B, 3] float64 bits per dimension: L_T, the sum of L_{t-1} for t = 2 ... T, and L_0.
    """
    edges, weights = interval_edges(schedule.timesteps, intervals), step_weights(schedule)
    bars = torch.from_numpy(schedule.alpha_bars)

    def predict_x0(t: Tensor) -> Tensor:
        bar = bars[t].to(x0.dtype).to(x0.device).view(-1, *[1] * (x0.ndim - 1))
        noise = torch.empty_like(x0, device="cpu").normal_(generator=rng).to(x0.device)
        x0_hat = denoise(bar.sqrt() * x0 + (1 - bar).sqrt() * noise, t.to(x0.device), labels)
        return x0_hat.clamp(-1, 1) if clip else x0_hat

    def mean(values: Tensor) -> Tensor:
        return values.cpu().double().flatten(1).mean(1)  # float64 on the CPU: MPS has none

    uniforms = torch.rand((intervals, len(x0)), generator=rng, dtype=torch.float64)
    steps = torch.zeros(len(x0), dtype=torch.float64)
    for low, high, u in zip(edges, edges[1:], uniforms, strict=False):
        t = low + (u * (high - low)).long()
        error = mean((x0 - predict_x0(t)).square())
        steps += (high - low) * torch.from_numpy(weights)[t] * _BITS * error
    exact, mean_at_1 = (x.cpu().double() for x in (x0, predict_x0(torch.ones(len(x0), dtype=torch.int64))))
    decoder = decoder_bits(exact, mean_at_1, decoder_sigma(schedule))
    prior = prior_bits(exact, float(bars[-1]))
    return torch.stack([mean(prior), steps, mean(decoder)], dim=1)
