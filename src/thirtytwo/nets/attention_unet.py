"""The UNet of the CIFAR-10 diffusion report, after the public repository Diffusion-Models-pytorch: attention at each level.

With width 64, multipliers 1, 2, 4, 4 and three blocks in the middle it has that report's 23.3 M parameters; with
multipliers 1, 2, 4 and two blocks it is its "2xUD" (12.0 M), and with width 32 besides the one of half the channels,
3.05 M of the 3.06 M that the report names. How the report shrank it is not published beyond these counts. Channels
halve on each way up, to no fewer than the first level has.
"""

import math
from itertools import pairwise
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["AttentionUNet", "build"]

_EMBEDDING = 256  # of the timestep and the label, as published


class AttentionUNet(nn.Module):
    """Predicts, from a noisy image and its timestep, what it is trained to.

    Args:
        channels: of the image.
        width: channels of the first level.
        width_multipliers: channels of each level over `width`, one more than there are halvings of the resolution.
        middle: convolution blocks at the lowest resolution; those between the first and the last have twice its width.
        heads: of the attention.
        classes: labels of a class-conditional model; 0: unconditional. The label `classes` is the null class.
    """

    def __init__(
        self, *, channels: int, width: int, width_multipliers: list[int], middle: int, heads: int, classes: int
    ):
        super().__init__()
        widths = [width * multiplier for multiplier in width_multipliers]
        self.label = nn.Embedding(classes + 1, _EMBEDDING) if classes else None
        self.stem = DoubleConv(channels, widths[0])
        self.down = nn.ModuleList(Down(*pair, heads) for pair in pairwise(widths))
        inside = [widths[-1], *[2 * widths[-1]] * (middle - 1), widths[-1]]
        self.middle = nn.Sequential(*(DoubleConv(*pair) for pair in pairwise(inside)))
        self.up = nn.ModuleList()
        here = widths[-1]
        for level in range(len(widths) - 1, 0, -1):
            outputs = max(here // 2, widths[0])
            self.up.append(Up(here + widths[level - 1], outputs, heads))
            here = outputs
        self.out = nn.Conv2d(here, channels, 1)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        """The prediction for `x` [B, C, H, W] at timesteps `t` [B]; labels [B] exactly when the model has classes."""
        if (labels is None) != (self.label is None):
            raise ValueError("labels are given exactly when the network has classes")
        embedding = sinusoids(t).to(x.dtype)
        if self.label is not None:
            embedding = embedding + self.label(labels)
        skips = [h := self.stem(x)]
        for down in self.down:
            skips.append(h := down(h, embedding))
        h = self.middle(skips.pop())
        for up in self.up:
            h = up(h, skips.pop(), embedding)
        return self.out(h)


def sinusoids(t: Tensor) -> Tensor:
    """Sines and cosines of the timestep, [B] to [B, 256] (Vaswani et al. 2017, section 3.5)."""
    ranks = torch.arange(0, _EMBEDDING, 2, device=t.device, dtype=torch.float32) / _EMBEDDING
    angles = t.float()[:, None] * torch.exp(-math.log(10000) * ranks)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class DoubleConv(nn.Module):
    """Two 3x3 convolutions, each normalised over the whole image (one group), GELU between; residual on request."""

    def __init__(self, inputs: int, outputs: int, between: int | None = None, residual: bool = False):
        super().__init__()
        self.residual, between = residual, between or outputs
        self.conv1 = nn.Conv2d(inputs, between, 3, padding=1, bias=False)
        self.norm1 = nn.GroupNorm(1, between)
        self.conv2 = nn.Conv2d(between, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(1, outputs)

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm2(self.conv2(F.gelu(self.norm1(self.conv1(x)))))
        return F.gelu(x + h) if self.residual else h


class Down(nn.Module):
    """Halves the side by max pooling; the embedding is added; then attention."""

    def __init__(self, inputs: int, outputs: int, heads: int):
        super().__init__()
        self.convs = nn.Sequential(DoubleConv(inputs, inputs, residual=True), DoubleConv(inputs, outputs))
        self.embed = nn.Linear(_EMBEDDING, outputs)
        self.attention = SelfAttention(outputs, heads)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.convs(F.max_pool2d(x, 2))
        return self.attention(h + self.embed(F.silu(embedding))[:, :, None, None])


class Up(nn.Module):
    """Doubles the side bilinearly, takes in the skip; the embedding is added; then attention."""

    def __init__(self, inputs: int, outputs: int, heads: int):
        super().__init__()
        self.convs = nn.Sequential(
            DoubleConv(inputs, inputs, residual=True), DoubleConv(inputs, outputs, between=inputs // 2)
        )
        self.embed = nn.Linear(_EMBEDDING, outputs)
        self.attention = SelfAttention(outputs, heads)

    def forward(self, x: Tensor, skip: Tensor, embedding: Tensor) -> Tensor:
        h = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        h = self.convs(torch.cat([skip, h], dim=1))
        return self.attention(h + self.embed(F.silu(embedding))[:, :, None, None])


class SelfAttention(nn.Module):
    """A transformer's block over the positions of a feature map: attention, then two linear layers, each residual."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.project = nn.Linear(channels, channels)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, channels), nn.GELU(), nn.Linear(channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        B, C, H, W = x.shape
        h = x.permute(0, 2, 3, 1).reshape(B, H * W, C)
        q, k, v = self.qkv(self.norm(h)).reshape(B, H * W, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        h = h + self.project(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, H * W, C))
        h = h + self.feed_forward(h)
        return h.reshape(B, H, W, C).permute(0, 3, 1, 2)


class Shape(Protocol):
    """What `build` reads of a block of settings."""

    width: int
    width_multipliers: list[int]
    blocks: int
    heads: int


def build(shape: Shape, channels: int, resolution: int, classes: int) -> AttentionUNet:
    """The network for images of any side that its levels divide; `blocks` are those at the lowest resolution."""
    if resolution % 2 ** (len(shape.width_multipliers) - 1):
        raise ValueError(f"{resolution} pixels do not divide into {len(shape.width_multipliers)} levels")
    return AttentionUNet(
        channels=channels, width=shape.width, width_multipliers=shape.width_multipliers, middle=shape.blocks,
        heads=shape.heads, classes=classes,
    )  # fmt: skip
