"""A denoiser without skip connections: convolutions, then transposed convolutions, conditioned on t in each layer.

It is the simple counterpart of the UNets in the CIFAR-10 diffusion report ("a simpler Conv-ConvTranspose model that we
add time embedding to").
"""

import math
from itertools import pairwise
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ConvDenoiser", "build"]


class ConvDenoiser(nn.Module):
    """Predict the training target (noise, v or image) from a noisy image and its timestep.

    Args:
        channels: channels of the image.
        width: channels of the first level, a multiple of 4.
        width_multipliers: channels of each level divided by `width`; each further level halves the resolution.
        classes: number of classes of a conditional model; 0: unconditional. The label `classes` is the null class.
    """

    def __init__(self, *, channels: int, width: int, width_multipliers: list[int], classes: int):
        super().__init__()
        widths = [width * multiplier for multiplier in width_multipliers]
        embedding = 4 * width
        self.waves = width // 2
        self.time = nn.Sequential(nn.Linear(width, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.label = nn.Embedding(classes + 1, embedding) if classes else None
        self.stem = nn.Conv2d(channels, widths[0], 3, padding=1)
        pairs = list(pairwise(widths))
        self.layers = nn.ModuleList(
            [Layer(nn.Conv2d(a, b, 4, stride=2, padding=1), b, embedding) for a, b in pairs]
            + [Layer(nn.ConvTranspose2d(b, a, 4, stride=2, padding=1), a, embedding) for a, b in reversed(pairs)]
        )
        self.out = nn.Conv2d(widths[0], channels, 3, padding=1)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        """Return the prediction for `x` [B, C, H, W] at timesteps `t` [B]; `labels` [B] if the model has classes."""
        if (labels is None) != (self.label is None):
            raise ValueError("labels are given exactly when the network has classes")
        ranks = torch.arange(self.waves, device=t.device, dtype=torch.float32)
        angles = t.float()[:, None] * torch.exp(-math.log(10000) * ranks / (self.waves - 1))
        embedding = self.time(torch.cat([angles.sin(), angles.cos()], dim=1).to(x.dtype))
        if self.label is not None:
            embedding = embedding + self.label(labels)
        h = self.stem(x)
        for layer in self.layers:
            h = layer(h, embedding)
        return self.out(F.silu(h))


class Layer(nn.Module):
    """SiLU, a convolution that changes the side, addition of the embedding, group normalisation."""

    def __init__(self, conv: nn.Module, outputs: int, embedding: int):
        super().__init__()
        self.conv = conv
        self.embed = nn.Linear(embedding, outputs)
        self.norm = nn.GroupNorm(math.gcd(8, outputs // 4), outputs)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        return self.norm(self.conv(F.silu(x)) + self.embed(F.silu(embedding))[:, :, None, None])


class Shape(Protocol):
    """The settings that `build` uses."""

    width: int
    width_multipliers: list[int]


def build(shape: Shape, channels: int, resolution: int, classes: int) -> ConvDenoiser:
    """Build the network for images of any side that its levels divide."""
    if resolution % 2 ** (len(shape.width_multipliers) - 1):
        raise ValueError(f"{resolution} pixels do not divide into {len(shape.width_multipliers)} levels")
    return ConvDenoiser(
        channels=channels, width=shape.width, width_multipliers=shape.width_multipliers, classes=classes
    )
