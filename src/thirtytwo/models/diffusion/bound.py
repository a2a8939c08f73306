"""The variational bound on -log p(x_0) of a diffusion model (Ho et al. 2020, eq. 5), in bits per dimension.

The reverse process is that of `solvers.ddpm_step`: mean as of q(x_{t-1} | x_t, x0_hat), variance beta_tilde_t. At t = 1,
where that is 0, the decoder is a discretised Gaussian (Ho et al. section 3.3) with variance beta_tilde_2, as published.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from thirtytwo.models.diffusion.schedules import Schedule

__all__ = ["bound", "decoder_bits", "decoder_sigma", "prior_bits", "step_weights", "strata"]

_BITS = 1 / math.log(2)


def step_weights(schedule: Schedule) -> np.ndarray:
    """[T + 1] float64: L_{t-1} = weight_t ||x_0 - x0_hat||^2 in nats at index t >= 2; 0 at 0 and 1.

    Two Gaussians of one variance beta_tilde_t, whose means differ by sqrt(alpha_bar_{t-1}) beta_t / (1 - alpha_bar_t)
    times (x_0 - x0_hat) (Ho et al. eq. 7 and 8), are 1/2 (SNR_{t-1} - SNR_t) ||x_0 - x0_hat||^2 apart (Kingma et al.
    2021, eq. 14). In terms of epsilon it is the weight of Ho et al. eq. 12 with sigma_t^2 = beta_tilde_t.
    """
    weights = np.zeros(schedule.timesteps + 1)
    weights[2:] = 0.5 * (schedule.snr[1:-1] - schedule.snr[2:])
    return weights


def decoder_sigma(schedule: Schedule) -> float:
    """sqrt(beta_tilde_2), the decoder's standard deviation."""
    bars = schedule.alpha_bars
    return float(((1 - bars[1]) / (1 - bars[2]) * schedule.betas[1]) ** 0.5)


def decoder_bits(x0: Tensor, mean: Tensor, sigma: float) -> Tensor:
    """-log2 of the probability that N(mean, sigma^2) gives x_0 its 8-bit bin (Ho et al. eq. 13), per element.

    Bins are 2/255 wide; the outermost, at -1 and 1, are open to infinity.
    """
    above = torch.where(x0 > 0.999, math.inf, (x0 + 1 / 255 - mean) / sigma)
    below = torch.where(x0 < -0.999, -math.inf, (x0 - 1 / 255 - mean) / sigma)
    # Phi is exact in its lower tail alone, so the bin is mirrored there.
    mirrored = below > 0
    low, high = torch.where(mirrored, -above, below), torch.where(mirrored, -below, above)
    probability = torch.special.ndtr(high) - torch.special.ndtr(low)
    return -_BITS * probability.clamp(min=torch.finfo(x0.dtype).tiny).log()


def prior_bits(x0: Tensor, alpha_bar: float) -> Tensor:
    """L_T = KL(q(x_T | x_0) || N(0, I)) in bits, per element."""
    return 0.5 * _BITS * (1 - alpha_bar + alpha_bar * x0.square() - 1 - math.log(1 - alpha_bar))


def strata(timesteps: int, parts: int) -> np.ndarray:
    """Edges [parts + 1] of disjoint runs that cover 2 ... T: run k is edges[k] ... edges[k + 1] - 1.

    They are finer near the image, as squares are, because there the terms of the bound are large and change quickly.
    """
    k = np.arange(parts + 1)
    edges = 2 + np.round((timesteps - 1) * (k / parts) ** 2).astype(np.int64)
    return np.minimum(np.maximum(edges, 2 + k), timesteps + 1 - parts + k)


@torch.no_grad()
def bound(
    denoise: Callable[[Tensor, Tensor, Tensor | None], Tensor],
    schedule: Schedule,
    x0: Tensor,
    labels: Tensor | None,
    *,
    parts: int,
    clip: bool,
    rng: torch.Generator,
) -> Tensor:
    """An unbiased estimate of the bound for each image; exact but for the noise if `parts` is T - 1.

    Args:
        denoise: x0_hat from x_t [B, ...], t [B] and labels; clipped to [-1, 1] here if `clip`.
        x0: [B, ...] images, 8-bit values in [-1, 1].
        parts: runs of timesteps; of each, one timestep is drawn for each image (stratified sampling).
        rng: on the CPU, so that every device meets the same noise.

    Returns:
        [B, 3] float64 bits per dimension: L_T, the sum of L_{t-1} for t = 2 ... T, and L_0.
    """
    edges, weights, sigma = strata(schedule.timesteps, parts), step_weights(schedule), decoder_sigma(schedule)
    bars = torch.from_numpy(schedule.alpha_bars)

    def predicted(t: Tensor) -> Tensor:
        bar = bars[t].to(x0.dtype).to(x0.device).view(-1, *[1] * (x0.ndim - 1))
        noise = torch.empty_like(x0, device="cpu").normal_(generator=rng).to(x0.device)
        x0_hat = denoise(bar.sqrt() * x0 + (1 - bar).sqrt() * noise, t.to(x0.device), labels)
        return x0_hat.clamp(-1, 1) if clip else x0_hat

    def mean(values: Tensor) -> Tensor:
        return values.cpu().double().flatten(1).mean(1)  # here and below on the CPU: MPS has no float64

    places = torch.rand((parts, len(x0)), generator=rng, dtype=torch.float64)
    steps = torch.zeros(len(x0), dtype=torch.float64)
    for low, high, place in zip(edges, edges[1:], places, strict=False):
        t = low + (place * (high - low)).long()
        error = mean((x0 - predicted(t)).square())
        steps += (high - low) * torch.from_numpy(weights)[t] * _BITS * error
    exact, x0_hat = x0.cpu().double(), predicted(torch.ones(len(x0), dtype=torch.int64)).cpu().double()
    decoded, prior = decoder_bits(exact, x0_hat, sigma), prior_bits(exact, float(bars[-1]))
    return torch.stack([mean(prior), steps, mean(decoded)], dim=1)
