"""Noise and batches of generated images: each image has a noise stream of its own, keyed by the run's seed and its index.

Image i therefore starts from the same noise, and meets the same noise at each step, whatever the number of images
drawn, their order, their batches and the device. A stream is Philox-4x64 (Salmon et al. 2011, "Parallel random
numbers: as easy as 1, 2, 3") keyed by the pair (seed, index): different pairs are different keys, so that no two
images of a run can coincide. Torch's CPU generator would keep just 32 bits of a seed, which among 50 000 images
makes a duplicate likely.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from thirtytwo.core import processes
from thirtytwo.runtime.errors import ParamsError

__all__ = ["CHUNK", "NoiseStreams", "chunk_numbers", "draw", "in_chunks", "latents"]

CHUNK = {"cpu": 50, "cuda": 500, "mps": 100}  # images in one call of the network


class NoiseStreams:
    """The streams of several images; each call of `normal` goes on where the last one ended.

    Args:
        seed: of the run, 0 <= seed < 2^64.
        indices: of the images in the run, 0 <= index < 2^64.
    """

    def __init__(self, seed: int, indices: Sequence[int]):
        keys = (np.array([seed, index], np.uint64) for index in indices)
        self.streams = [np.random.Generator(np.random.Philox(key=key)) for key in keys]

    def normal(self, shape: Sequence[int]) -> Tensor:
        """The next draw of every image: [len(indices), *shape] float32 on the CPU, N(0, 1)."""
        noise = np.empty((len(self.streams), *shape), np.float32)
        for stream, out in zip(self.streams, noise, strict=True):
            stream.standard_normal(dtype=np.float32, out=out)
        return torch.from_numpy(noise)


def latents(seed: int, indices: Sequence[int], shape: Sequence[int]) -> Tensor:
    """The first draw of each image's stream: [len(indices), *shape] float32 on the CPU, N(0, 1).

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
    """Draw the images of a run that have the given indices from a one-shot generator.

    An image depends on seed, index and label alone, see `in_chunks`.

    Args:
        generator: a family's `draw(z, labels)`, its network in eval mode.
        latent_shape: of z, which is standard normal.
        indices: n image indices.
        labels: [n] int64 labels of those images, or None.

    Returns:
        [n, C, 32, 32] float32 on the CPU, nominally in [-1, 1].
    """

    def once(streams: NoiseStreams, labels: Tensor | None) -> Tensor:
        return generator(streams.normal(latent_shape).to(device), labels)

    return in_chunks(once, seed, indices, labels, device)


def chunk_numbers(indices: Sequence[int], device: torch.device) -> list[int]:
    """The chunks that hold the images with these indices, ascending."""
    return np.unique(np.asarray(indices, np.int64) // CHUNK[device.type]).tolist()


def in_chunks(
    compute: Callable[[NoiseStreams, Tensor | None], Tensor],
    seed: int,
    indices: Sequence[int],
    labels: Tensor | None,
    device: torch.device,
) -> Tensor:
    """The images with these indices, [n, C, H, W] on the CPU, each computed at its own place in its own chunk.

    A network always sees image i at the same place of a batch of the same size, because convolutions and matrix
    products round differently in batches of other sizes. A chunk of which only some images are wanted is computed in
    full. Several processes share the chunks between them, and each returns all images.

    Args:
        compute: one chunk of images from the noise streams and the labels of its images.
    """
    chunk = CHUNK[device.type]
    numbers, slots = (torch.from_numpy(part) for part in np.divmod(np.asarray(indices, np.int64), chunk))
    images: Tensor | None = None
    for number in processes.share(chunk_numbers(indices, device)):
        wanted = (numbers == number).nonzero()[:, 0]
        chunk_labels = None
        if labels is not None:
            placed = torch.zeros(chunk, dtype=torch.int64).index_copy(0, slots[wanted], labels[wanted].cpu())
            chunk_labels = placed.to(device)
        streams = NoiseStreams(seed, range(number * chunk, (number + 1) * chunk))
        computed = compute(streams, chunk_labels).float().cpu()
        if images is None:
            images = computed.new_zeros((len(indices), *computed.shape[1:]))
        images[wanted] = computed[slots[wanted]]
    shape = processes.shared(None if images is None else images.shape)  # the first process always has a chunk
    if shape is None:
        raise ParamsError("sampling.images: 0; expected at least 1")
    return torch.from_numpy(processes.merge((torch.zeros(shape) if images is None else images).numpy()))
