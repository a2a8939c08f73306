"""`generate`, which draws images with the samplers of `thirtytwo.solvers`, and `draw`, for one-shot generators."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from thirtytwo.models.diffusion.schedules import Schedule
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.sampling.diffusion.solvers import SAMPLERS, Predict, Step, evaluations
from thirtytwo.sampling.noise import NoiseStreams

__all__ = ["SPACINGS", "Denoise", "draw", "generate", "path", "predictor", "timesteps"]

Denoise = Callable[[Tensor, Tensor, Tensor | None], Tensor]

SPACINGS = ("uniform", "quadratic", "trailing", "log_snr", "karras")
CHUNK = {"cpu": 50, "cuda": 500, "mps": 100}  # images in one call of the network


def timesteps(schedule: Schedule, steps: int, spacing: str) -> np.ndarray:
    """tau_1 < ... < tau_S, int64 in 1 ... T; 1 ... T itself for S = T.

    Args:
        schedule: of T timesteps.
        steps: S.
        spacing: one of SPACINGS. "uniform", tau_i = 1 + floor((i - 1) T / S), and "quadratic", tau_i = 1 + floor(0.8
            T ((i - 1) / (S - 1))^2), finer near the image, are those of Song et al. 2021 (appendix D.2); both end at
            1 and begin below T. "trailing", tau_i = round(i T / S), begins at T, where x is pure noise (Lin et al.
            2024). "log_snr" is even in log(alpha_bar / (1 - alpha_bar)) (Lu et al. 2022, section 3.4), "karras" in
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
    rising = np.maximum.accumulate(tau - i) + i  # where they lie closer than 1
    return np.minimum(rising, total - steps + i)


def _seventh_root(sigma: np.ndarray) -> np.ndarray:
    """Karras et al. 2022, eq. 5 with rho = 7."""
    return sigma ** (1 / 7)


def _nearest(schedule: Schedule, steps: int, scale: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The timesteps nearest to S places even in `scale` of the noise level, from the first timestep's up.

    It ends at sigma = 80, the largest that Karras et al. 2022 use (table 1), or at T where that has less: of the
    cosine schedule's sigma_T = 2e4 half of the steps would go to levels at which nothing of an image is left.
    """
    sigma = schedule.snr[1:] ** -0.5
    top = len(sigma) - 1 if sigma[-1] <= 80 else int(np.searchsorted(sigma, 80))
    here = scale(sigma)
    places = np.linspace(here[0], here[top], steps) if steps > 1 else here[top : top + 1]
    right = np.searchsorted(here, places).clip(1, len(here) - 1)
    return right + (here[right] - places <= places - here[right - 1])


def path(schedule: Schedule, steps: int, spacing: str) -> list[Step]:
    """The S steps of a sampler, from the noisiest timestep to 0."""
    tau = [0, *timesteps(schedule, steps, spacing).tolist()]
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
        sampler, steps, eta, spacing, clip: see `sampling.diffusion.Settings`.
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
    steps_down, calls = (
        path(schedule, steps, spacing),
        len(chunk_numbers(indices, device)) * evaluations(sampler, steps),
    )
    bar = tqdm(total=calls, desc=f"{sampler}, {steps} steps", unit="batch", mininterval=1.0)

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
