"""The UNet of the CIFAR-10 diffusion report, with attention at each level (repository Diffusion-Models-pytorch).

With width 64, multipliers 1, 2, 4, 4 and three middle blocks it has the report's 23.3 M parameters. With multipliers
1, 2, 4 and two blocks it is the report's "2xUD" (12.0 M); with width 32 as well, its network of half the channels has
3.05 M parameters instead of the report's 3.06 M. The report publishes no details of the smaller networks except these
counts. Each upsampling halves the channels, but not below those of the first level.
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
    """Predict the training target (noise, v or image) from a noisy image and its timestep.

    Args:
        channels: channels of the image.
        width: channels of the first level.
        width_multipliers: channels of each level divided by `width`; each further level halves the resolution.
        middle: convolution blocks at the lowest resolution; the layers between the blocks have twice its width.
        heads: attention heads.
        classes: number of classes of a conditional model; 0: unconditional. The label `classes` is the null class.
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
        """Return the prediction for `x` [B, C, H, W] at timesteps `t` [B]; `labels` [B] if the model has classes."""
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
    """Return sines and cosines of the timesteps [B]: [B, 256] (Vaswani et al. 2017, section 3.5)."""
    ranks = torch.arange(0, _EMBEDDING, 2, device=t.device, dtype=torch.float32) / _EMBEDDING
    angles = t.float()[:, None] * torch.exp(-math.log(10000) * ranks)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class DoubleConv(nn.Module):
    """Two 3x3 convolutions, each normalised over the whole image (one group), GELU between; optionally residual."""

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
    """Halve the side by max pooling, convolve, add the embedding, apply attention."""

    def __init__(self, inputs: int, outputs: int, heads: int):
        super().__init__()
        self.convs = nn.Sequential(DoubleConv(inputs, inputs, residual=True), DoubleConv(inputs, outputs))
        self.embed = nn.Linear(_EMBEDDING, outputs)
        self.attention = SelfAttention(outputs, heads)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.convs(F.max_pool2d(x, 2))
        return self.attention(h + self.embed(F.silu(embedding))[:, :, None, None])


class Up(nn.Module):
    """Double the side bilinearly, concatenate the skip, convolve, add the embedding, apply attention."""

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
    """A transformer block over the positions of a feature map: attention, then two linear layers, each residual."""

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
    """The settings that `build` uses."""

    width: int
    width_multipliers: list[int]
    blocks: int
    heads: int


def build(shape: Shape, channels: int, resolution: int, classes: int) -> AttentionUNet:
    """Build the network for any side that its levels divide; `blocks` is the number of middle blocks."""
    if resolution % 2 ** (len(shape.width_multipliers) - 1):
        raise ValueError(f"{resolution} pixels do not divide into {len(shape.width_multipliers)} levels")
    return AttentionUNet(
        channels=channels, width=shape.width, width_multipliers=shape.width_multipliers, middle=shape.blocks,
        heads=shape.heads, classes=classes,
    )  # fmt: skip
