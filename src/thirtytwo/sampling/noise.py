"""Standard normal noise of generated images: each image has its own stream, named by the run's seed and its index.

Image i therefore starts from the same noise, and meets the same noise on its way, whatever the number of images
asked for, their order, their batches and the device. A stream is Philox-4x64 (Salmon et al. 2011, "Parallel random
numbers: as easy as 1, 2, 3") keyed by the pair (seed, index): different pairs are different keys, so that no two
images of a run can coincide. Torch's CPU generator would keep just 32 bits of a seed, which among 50 000 images
makes a duplicate likely.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

__all__ = ["NoiseStreams", "latents"]


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
