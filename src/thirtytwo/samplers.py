"""Reverse processes of diffusion models, and `generate`, which draws images with them.

A sampler walks a path T >= tau_S > ... > tau_1 > tau_0 = 0 of timesteps. It is a function

    sampler(predict, x, path, noise, eta) -> x_0

where `predict(x, t)` gives the pair (x0_hat, epsilon_hat) at x_t, clipped or not, `path` the steps as `Step`, and
`noise()` the next standard normal tensor shaped as x. Besides it may evaluate `predict` where it likes.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from thirtytwo.noise import NoiseStreams
from thirtytwo.schedules import Schedule
from thirtytwo.strict import ParamsError

__all__ = [
    "SAMPLERS", "Step", "ddim", "ddim_step", "ddpm", "ddpm_step", "draw", "generate", "path", "predictor", "timesteps",
]  # fmt: skip

Predict = Callable[[Tensor, int], tuple[Tensor, Tensor]]
Noise = Callable[[], Tensor]
Denoise = Callable[[Tensor, Tensor, Tensor | None], Tensor]

CHUNK = {"cpu": 50, "cuda": 500, "mps": 100}  # images in one call of the network


class Step(NamedTuple):
    """From timestep t to s < t."""

    t: int
    s: int
    alpha_bar_t: float
    alpha_bar_s: float


def ddpm_step(x: Tensor, x0: Tensor, z: Tensor | float, alpha_bar_t: float, alpha_bar_s: float) -> Tensor:
    """x_s ~ q(x_s | x_t, x_0), with variance beta_tilde (Ho et al. 2020, eq. 6 and 7).

    For s < t - 1 the step's alpha_t is alpha_bar_t / alpha_bar_s (Nichol & Dhariwal 2021, eq. 19).
    """
    alpha_t = alpha_bar_t / alpha_bar_s
    beta_t = 1 - alpha_t
    mean = alpha_bar_s**0.5 * beta_t / (1 - alpha_bar_t) * x0 + alpha_t**0.5 * (1 - alpha_bar_s) / (1 - alpha_bar_t) * x
    beta_tilde = (1 - alpha_bar_s) / (1 - alpha_bar_t) * beta_t
    return mean + beta_tilde**0.5 * z


def ddim_sigma(eta: float, alpha_bar_t: float, alpha_bar_s: float) -> float:
    """The standard deviation of the noise of a DDIM step (Song et al. 2021, eq. 16)."""
    return eta * ((1 - alpha_bar_s) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_s)) ** 0.5


def ddim_step(
    x0: Tensor, epsilon: Tensor, z: Tensor | float, eta: float, alpha_bar_t: float, alpha_bar_s: float
) -> Tensor:
    """x_s from what is predicted at x_t (Song et al. 2021, eq. 12)."""
    sigma = ddim_sigma(eta, alpha_bar_t, alpha_bar_s)
    direction = max(1 - alpha_bar_s - sigma**2, 0.0) ** 0.5 * epsilon
    return alpha_bar_s**0.5 * x0 + direction + sigma * z


def ddpm(predict: Predict, x: Tensor, path: Sequence[Step], noise: Noise, eta: float) -> Tensor:
    """Ancestral sampling (Ho et al. 2020, algorithm 2, with the clipped x_0); eta has no part in it."""
    for t, s, alpha_bar_t, alpha_bar_s in path:
        x0, _ = predict(x, t)
        x = ddpm_step(x, x0, noise() if s > 0 else 0.0, alpha_bar_t, alpha_bar_s)
    return x


def ddim(predict: Predict, x: Tensor, path: Sequence[Step], noise: Noise, eta: float) -> Tensor:
    """Song et al. 2021: deterministic for eta = 0; for eta = 1 on all T steps the same process as `ddpm`."""
    for t, s, alpha_bar_t, alpha_bar_s in path:
        x0, epsilon = predict(x, t)
        x = ddim_step(x0, epsilon, noise() if eta > 0 and s > 0 else 0.0, eta, alpha_bar_t, alpha_bar_s)
    return x


SAMPLERS: dict[str, Callable[[Predict, Tensor, Sequence[Step], Noise, float], Tensor]] = {"ddpm": ddpm, "ddim": ddim}


def timesteps(total: int, steps: int, spacing: str) -> np.ndarray:
    """tau_1 < ... < tau_S, int64 in 1 ... T; 1 ... T itself for S = T.

    Args:
        total: T.
        steps: S.
        spacing: "uniform", tau_i = 1 + floor((i - 1) T / S), and "quadratic", tau_i = 1 + floor(0.8 T ((i - 1) /
            (S - 1))^2), finer near the image, are those of Song et al. 2021 (appendix D.2); both end at 1 and begin
            below T. "trailing", tau_i = round(i T / S), begins at T, where x is pure noise (Lin et al. 2024).

    Raises:
        ParamsError: S is not in 1 ... T.
    """
    if not 1 <= steps <= total:
        raise ParamsError(f"sample.steps: expected 1 to {total}, the timesteps of the trained model; got {steps}")
    i = np.arange(1, steps + 1)
    if spacing == "uniform":
        return 1 + (i - 1) * total // steps
    if spacing == "trailing":
        return np.round(i * total / steps).astype(np.int64)
    tau = 1 + np.floor(0.8 * total * ((i - 1) / max(steps - 1, 1)) ** 2).astype(np.int64)
    return np.maximum(tau, i)  # where the squares lie closer than 1


def path(schedule: Schedule, steps: int, spacing: str) -> list[Step]:
    """The S steps of a sampler, from the noisiest timestep to 0."""
    tau = [0, *timesteps(schedule.timesteps, steps, spacing).tolist()]
    bars = schedule.alpha_bars
    return [Step(t, s, float(bars[t]), float(bars[s])) for s, t in pairwise(tau)][::-1]


def predictor(denoise: Denoise, schedule: Schedule, labels: Tensor | None, clip: bool) -> Predict:
    """What samplers call: `denoise` at one timestep for all images, as x_0 and the epsilon that belongs to it."""

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
    *,
    sampler: str,
    steps: int,
    eta: float,
    spacing: str,
    clip: bool,
    seed: int,
    indices: Sequence[int],
    labels: Tensor | None,
    shape: Sequence[int],
    device: torch.device,
) -> Tensor:
    """Draws the images of a run that have the given indices.

    An image depends on seed, index, label and the settings alone: its noise is its own (see `noise`), and the
    network always sees it in the same place of a batch of the same size, because convolutions and matrix products
    round differently in batches of other sizes. A batch that is asked for in part is computed in full.

    Args:
        denoise: a family's `denoise`, its network in eval mode.
        sampler, steps, eta, spacing, clip: see `families.diffusion.SampleSettings`.
        seed: of the run.
        indices: n image indices.
        labels: [n] int64 labels of those images, or None.
        shape: of an image, (C, 32, 32).
        device: where the network is.

    Returns:
        [n, *shape] float32 on the CPU, nominally in [-1, 1].

    Raises:
        ParamsError: more steps than timesteps.
    """
    steps_down, chunks = path(schedule, steps, spacing), chunk_numbers(indices, device)
    bar = tqdm(total=len(chunks) * steps, desc=f"{sampler}, {steps} steps", unit="batch", mininterval=1.0)

    def counted(x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        bar.update()
        return denoise(x, t, labels)

    def walk(streams: NoiseStreams, labels: Tensor | None) -> Tensor:
        def noise() -> Tensor:
            return streams.normal(shape).to(device)

        return SAMPLERS[sampler](predictor(counted, schedule, labels, clip), noise(), steps_down, noise, eta)

    with bar:
        return _in_chunks(walk, seed, indices, labels, device)


@torch.inference_mode()
def draw(
    generator: Callable[[Tensor, Tensor | None], Tensor],
    latent_shape: Sequence[int],
    *,
    seed: int,
    indices: Sequence[int],
    labels: Tensor | None,
    device: torch.device,
) -> Tensor:
    """As `generate`, for a one-shot generator's `draw(z, labels)`."""

    def once(streams: NoiseStreams, labels: Tensor | None) -> Tensor:
        return generator(streams.normal(latent_shape).to(device), labels)

    return _in_chunks(once, seed, indices, labels, device)


def chunk_numbers(indices: Sequence[int], device: torch.device) -> list[int]:
    """The chunks that hold the images with these indices, ascending."""
    return np.unique(np.asarray(indices, np.int64) // CHUNK[device.type]).tolist()


def _in_chunks(
    compute: Callable[[NoiseStreams, Tensor | None], Tensor],
    seed: int,
    indices: Sequence[int],
    labels: Tensor | None,
    device: torch.device,
) -> Tensor:
    """The images with these indices, each computed in its own place of its own chunk: [n, C, H, W] on the CPU."""
    chunk = CHUNK[device.type]
    numbers, slots = (torch.from_numpy(part) for part in np.divmod(np.asarray(indices, np.int64), chunk))
    images: Tensor | None = None
    for number in chunk_numbers(indices, device):
        asked = (numbers == number).nonzero()[:, 0]
        chunk_labels = None
        if labels is not None:
            placed = torch.zeros(chunk, dtype=torch.int64).index_copy(0, slots[asked], labels[asked].cpu())
            chunk_labels = placed.to(device)
        streams = NoiseStreams(seed, range(number * chunk, (number + 1) * chunk))
        computed = compute(streams, chunk_labels).float().cpu()
        if images is None:
            images = computed.new_empty((len(indices), *computed.shape[1:]))
        images[asked] = computed[slots[asked]]
    if images is None:
        raise ParamsError("sampling.images: no image was asked for; expected at least 1")
    return images
