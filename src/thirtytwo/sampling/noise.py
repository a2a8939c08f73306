"""Noise and batching of generated images: one noise stream per image, keyed by the training's seed and the image's index.

Image i therefore gets the same noise, initially and at each step, regardless of the number of images, their order, the
batch size and the device. A stream is Philox-4x64 (Salmon et al. 2011, "Parallel random
numbers: as easy as 1, 2, 3") keyed by the pair (seed, index): different pairs are different keys, so no two
images of a run can coincide. Torch's CPU generator keeps only 32 bits of a seed, which makes a duplicate among 50 000
images likely.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from thirtytwo.core import processes
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.sampling.cost import evaluations

__all__ = ["CHUNK", "NoiseStreams", "chunk_numbers", "draw", "given", "in_chunks", "latents", "progress"]

CHUNK = {"cpu": 50, "cuda": 500, "mps": 100}  # images in one call of the network


class NoiseStreams:
    """The noise streams of several images; each call of `normal` continues where the last one ended.

    Args:
        seed: seed of the training, 0 <= seed < 2^64.
        indices: indices of the images in the run, 0 <= index < 2^64.
    """

    def __init__(self, seed: int, indices: Sequence[int]):
        keys = (np.array([seed, index], np.uint64) for index in indices)
        self.streams = [np.random.Generator(np.random.Philox(key=key)) for key in keys]

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Return the next draw for every image, N(0, 1): [len(indices), *shape] float32 on the CPU."""
        noise = np.empty((len(self.streams), *shape), np.float32)
        for stream, out in zip(self.streams, noise, strict=True):
            stream.standard_normal(dtype=np.float32, out=out)
        return torch.from_numpy(noise)


class Given(NoiseStreams):
    """Noise of one chunk that was drawn elsewhere.

    Args:
        noise: [K, chunk, *shape], one row for each call of `normal`.
    """

    def __init__(self, noise: Tensor):
        self.noise, self.calls = noise, 0

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Return the next row."""
        self.calls += 1
        return self.noise[self.calls - 1].reshape(-1, *shape)


_GIVEN: ContextVar[Given | None] = ContextVar("given", default=None)


@contextmanager
def given(streams: Given) -> Iterator[None]:
    """Within the block, compute one whole chunk from this noise, so that the computation can be traced."""
    token = _GIVEN.set(streams)
    try:
        yield
    finally:
        _GIVEN.reset(token)


def latents(seed: int, indices: Sequence[int], shape: Sequence[int]) -> Tensor:
    """Return the first draw of each image's stream, N(0, 1): [len(indices), *shape] float32 on the CPU.

    This is z of a one-shot generator (shape = its latent_shape) and x_T of a diffusion model.
    """
    return NoiseStreams(seed, indices).normal(shape)


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
    """Draw the images of a run with the given indices from a one-shot generator.

    An image depends only on seed, index and label, see `in_chunks`.

    Args:
        generator: a family's `draw(z, labels)`, with the network in eval mode.
        latent_shape: shape of z, which is standard normal.
        indices: n image indices.
        labels: [n] int64 labels of those images, or None.

    Returns:
        [n, C, 32, 32] float32 on the CPU, nominally in [-1, 1].
    """

    def generate(streams: NoiseStreams, labels: Tensor | None) -> Tensor:
        return generator(streams.normal(latent_shape).to(device), labels)

    return in_chunks(generate, seed, indices, labels, device)


def chunk_numbers(indices: Sequence[int], device: torch.device) -> list[int]:
    """Return the numbers of the chunks that contain the images with these indices, ascending."""
    return np.unique(np.asarray(indices, np.int64) // CHUNK[device.type]).tolist()


def progress(sampler: str, steps: int, indices: Sequence[int], device: torch.device) -> tqdm:
    """Return a bar of a sampler's evaluations of the network, as `in_chunks` with these indices makes them in this process."""
    calls = len(processes.share(chunk_numbers(indices, device))) * evaluations(sampler, steps)
    name = f"{sampler}, {steps} steps"
    return tqdm(total=calls, desc=name, unit="batch", mininterval=1.0, disable=not processes.first())


def in_chunks(
    compute: Callable[[NoiseStreams, Tensor | None], Tensor],
    seed: int,
    indices: Sequence[int],
    labels: Tensor | None,
    device: torch.device,
) -> Tensor:
    """Compute the images with these indices, [n, C, H, W] on the CPU, in chunks of fixed composition.

    The network always receives image i at the same position of the same chunk, because convolutions and matrix products
    round differently for other batch sizes. A chunk is computed in full even if only some of its images are requested.
    Several processes compute different chunks, and each returns all images.

    Args:
        compute: computes a chunk of images from their noise streams and labels.
    """
    if (fixed := _GIVEN.get()) is not None:
        return compute(fixed, labels).float()
    chunk = CHUNK[device.type]
    numbers, slots = (torch.from_numpy(part) for part in np.divmod(np.asarray(indices, np.int64), chunk))
    chunks, parts = chunk_numbers(indices, device), []
    if not chunks:
        raise ParamsError("sampling.images: 0; expected at least 1")
    for number in processes.share(chunks):
        requested = (numbers == number).nonzero()[:, 0]
        chunk_labels = None
        if labels is not None:
            padded = torch.zeros(chunk, dtype=torch.int64).index_copy(0, slots[requested], labels[requested].cpu())
            chunk_labels = padded.to(device)
        streams = NoiseStreams(seed, range(number * chunk, (number + 1) * chunk))
        parts.append(compute(streams, chunk_labels).float().cpu()[slots[requested]])
    parts = processes.gather(parts)
    images = parts[0].new_empty((len(indices), *parts[0].shape[1:]))
    for number, part in zip(chunks, parts, strict=True):
        images[numbers == number] = part
    return images
