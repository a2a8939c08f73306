"""Draw images from a denoiser with the samplers of `solvers` and a choice of timestep spacings."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from thirtytwo.models.diffusion.schedules import Schedule
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.sampling.diffusion.solvers import SAMPLERS, Predict, Step
from thirtytwo.sampling.noise import NoiseStreams, in_chunks, progress
from thirtytwo.settings.diffusion import SamplerSettings, Spacing

__all__ = ["Denoise", "generate", "path", "predictor", "timesteps"]

Denoise = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def timesteps(schedule: Schedule, steps: int, spacing: Spacing) -> np.ndarray:
    """Choose S of T timesteps: tau_1 < ... < tau_S, int64 in 1 ... T; all of them for S = T.

    Args:
        schedule: schedule with T timesteps.
        steps: S.
        spacing: "uniform", tau_i = 1 + floor((i - 1) T / S), and "quadratic", tau_i = 1 + floor(0.8
            T ((i - 1) / (S - 1))^2), finer at low noise, are those of Song et al. 2021 (appendix D.2); both include 1
            and stop below T. "trailing", tau_i = round(i T / S), includes T, where x is pure noise (Lin et al. 2024).
            "log_snr" is even in log(alpha_bar / (1 - alpha_bar)) (Lu et al. 2022, section 3.4), "karras" in
            sigma^(1/7), sigma^2 = (1 - alpha_bar) / alpha_bar (Karras et al. 2022, eq. 5), both rounded to the
            nearest timestep.

    Raises:
        ParamsError: S is not in 1 ... T.
    """
    total = schedule.timesteps
    if not 1 <= steps <= total:
        raise ParamsError(f"sample.steps: expected 1 to {total}, the timesteps of the trained model; got {steps}")
    i = np.arange(1, steps + 1)
    if spacing == "uniform":
        return 1 + (i - 1) * total // steps
    if spacing == "trailing":
        return np.round(i * total / steps).astype(np.int64)
    if spacing == "quadratic":
        tau = 1 + np.floor(0.8 * total * ((i - 1) / max(steps - 1, 1)) ** 2).astype(np.int64)
    else:
        tau = _nearest(schedule, steps, np.log if spacing == "log_snr" else _seventh_root)
    increasing = np.maximum.accumulate(tau - i) + i  # separates equal timesteps
    return np.minimum(increasing, total - steps + i)


def _seventh_root(sigma: np.ndarray) -> np.ndarray:
    """Return sigma^(1/rho) with rho = 7 (Karras et al. 2022, eq. 5)."""
    return sigma ** (1 / 7)


def _nearest(schedule: Schedule, steps: int, scale: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return the timesteps nearest to S noise levels that are evenly spaced in `scale(sigma)`, beginning at t = 1.

    The highest level is sigma_T, but at most 80, the maximum of Karras et al. 2022 (table 1): up to the cosine
    schedule's sigma_T = 2e4, half of the steps would fall on levels at which no signal is left.
    """
    sigma = schedule.snr[1:] ** -0.5
    top = len(sigma) - 1 if sigma[-1] <= 80 else int(np.searchsorted(sigma, 80))
    available = scale(sigma)
    targets = np.linspace(available[0], available[top], steps) if steps > 1 else available[top : top + 1]
    right = np.searchsorted(available, targets).clip(1, len(available) - 1)
    return right + (available[right] - targets <= targets - available[right - 1])


def path(schedule: Schedule, steps: int, spacing: Spacing) -> list[Step]:
    """Return the S steps of a sampler, from the noisiest timestep to 0."""
    tau = [0, *timesteps(schedule, steps, spacing).tolist()]
    bars = schedule.alpha_bars
    return [Step(t, s, float(bars[t]), float(bars[s])) for s, t in pairwise(tau)][::-1]


def predictor(denoise: Denoise, schedule: Schedule, labels: Tensor | None, clip: bool) -> Predict:
    """Wrap `denoise` for the samplers: one timestep for all images, returning x_0 and the corresponding epsilon."""

    def predict(x: Tensor, t: int) -> tuple[Tensor, Tensor]:
        x0 = denoise(x, torch.full((len(x),), t, device=x.device), labels)
        if clip:
            x0 = x0.clamp(-1, 1)
        alpha_bar = float(schedule.alpha_bars[t])
        return x0, (x - alpha_bar**0.5 * x0) / (1 - alpha_bar) ** 0.5  # Ho et al. eq. 4 solved for epsilon

    return predict


@torch.inference_mode()
def generate(
    denoise: Denoise,
    schedule: Schedule,
    settings: SamplerSettings,
    *,
    seed: int,
    indices: Sequence[int],
    labels: Tensor | None,
    shape: Sequence[int],
    device: torch.device,
) -> Tensor:
    """Draw the images of a run with the given indices.

    An image depends only on seed, index, label and the settings, see `noise.in_chunks`.

    Args:
        denoise: a model's `denoise`, with guidance applied and the network in eval mode.
        settings: sampler, steps, spacing, eta and clipping; `guidance` is ignored, since `denoise` includes it.
        seed: seed of the run.
        indices: n image indices.
        labels: [n] int64 labels of those images, or None.
        shape: shape of x_0: an image (C, 32, 32) or a code.
        device: device of the network.

    Returns:
        [n, *shape] float32 on the CPU; images nominally in [-1, 1].

    Raises:
        ParamsError: more steps than timesteps.
    """
    s = settings
    steps = path(schedule, s.steps, s.spacing)
    bar = progress(s.sampler, s.steps, indices, device)

    def denoise_with_progress(x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        bar.update()
        return denoise(x, t, labels)

    def sample_chunk(streams: NoiseStreams, labels: Tensor | None) -> Tensor:
        def noise() -> Tensor:
            return streams.normal(shape).to(device)

        predict = predictor(denoise_with_progress, schedule, labels, s.clip)
        return SAMPLERS[s.sampler](predict, noise(), steps, noise, s.eta)

    with bar:
        return in_chunks(sample_chunk, seed, indices, labels, device)
