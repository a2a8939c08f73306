"""The UNet of the package denoising-diffusion-pytorch (2022), used by the published checkpoint of CMU 16-824 HW2.

With width 64 and multipliers 1, 2, 4, 8 it has 36.25 M parameters. Its parameters have the names and shapes of the
package (version 0.27), so that published weights load, and its outputs are equal to those of the package.
"""

import math
from itertools import pairwise
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["LucidUNet", "build"]

_HEADS, _HEAD_WIDTH, _GROUPS = 4, 32, 8  # as published


class LucidUNet(nn.Module):
    """Predict the training target (noise, v or image) from a noisy image and its timestep, without labels.

    Args:
        channels: channels of the image.
        width: channels of the first level, a multiple of 8.
        width_multipliers: channels of each level divided by `width`; all levels except the last halve the resolution.
    """

    def __init__(self, *, channels: int, width: int, width_multipliers: list[int]):
        super().__init__()
        widths = [width, *(width * multiplier for multiplier in width_multipliers)]
        pairs, embedding = list(pairwise(widths)), 4 * width
        deepest = len(pairs) - 1
        self.width = width
        self.init_conv = nn.Conv2d(channels, width, 7, padding=3)
        # The first entry replaces the package's parameter-free sinusoids, so that the parameter names agree.
        self.time_mlp = nn.Sequential(
            nn.Identity(), nn.Linear(width, embedding), nn.GELU(), nn.Linear(embedding, embedding)
        )
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for level, (inner, outer) in enumerate(pairs):
            smaller = nn.Conv2d(inner, outer, 4, stride=2, padding=1)
            self.downs.append(
                nn.ModuleList(
                    [
                        ResidualBlock(inner, inner, embedding),
                        ResidualBlock(inner, inner, embedding),
                        Residual(PreNorm(inner, LinearAttention(inner))),
                        smaller if level < deepest else nn.Conv2d(inner, outer, 3, padding=1),
                    ]
                )
            )
        self.mid_block1 = ResidualBlock(widths[-1], widths[-1], embedding)
        self.mid_attn = Residual(PreNorm(widths[-1], CosineAttention(widths[-1])))
        self.mid_block2 = ResidualBlock(widths[-1], widths[-1], embedding)
        for level, (inner, outer) in reversed(list(enumerate(pairs))):
            conv = nn.Conv2d(outer, inner, 3, padding=1)
            self.ups.append(
                nn.ModuleList(
                    [
                        ResidualBlock(outer + inner, outer, embedding),
                        ResidualBlock(outer + inner, outer, embedding),
                        Residual(PreNorm(outer, LinearAttention(outer))),
                        nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), conv) if level > 0 else conv,
                    ]
                )
            )
        self.final_res_block = ResidualBlock(2 * width, width, embedding)
        self.final_conv = nn.Conv2d(width, channels, 1)

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        """Return the prediction for `x` [B, C, H, W] at timesteps `t` [B], counted from 0; `labels` must be None."""
        if labels is not None:
            raise ValueError("this network takes no labels")
        embedding = self.time_mlp(self._sinusoids(t).to(x.dtype))
        first = h = self.init_conv(x)
        skips = []
        for level in self.downs:
            block1, block2, attention, resize = level.children()
            skips.append(h := block1(h, embedding))
            skips.append(h := attention(block2(h, embedding)))
            h = resize(h)
        h = self.mid_block2(self.mid_attn(self.mid_block1(h, embedding)), embedding)
        for level in self.ups:
            block1, block2, attention, resize = level.children()
            h = block1(torch.cat([h, skips.pop()], dim=1), embedding)
            h = block2(torch.cat([h, skips.pop()], dim=1), embedding)
            h = resize(attention(h))
        return self.final_conv(self.final_res_block(torch.cat([h, first], dim=1), embedding))

    def _sinusoids(self, t: Tensor) -> Tensor:
        """Return sines and cosines of the timesteps [B]: [B, width] (Vaswani et al. 2017, section 3.5)."""
        waves = self.width // 2
        ranks = torch.arange(waves, device=t.device, dtype=torch.float32)
        angles = t.float()[:, None] * torch.exp(-math.log(10000) / (waves - 1) * ranks)
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class StandardisedConv(nn.Conv2d):
    """A convolution whose weights have mean 0 and variance 1 for each output channel (Qiao et al. 2019)."""

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), unbiased=False, keepdim=True)
        return self._conv_forward(x, (self.weight - mean) * (variance + 1e-5).rsqrt(), self.bias)


class Block(nn.Module):
    """Convolution, group normalisation, scale and shift by the embedding, SiLU."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.proj = StandardisedConv(inputs, outputs, 3, padding=1)
        self.norm = nn.GroupNorm(_GROUPS, outputs)

    def forward(self, x: Tensor, scale: Tensor | float, shift: Tensor | float) -> Tensor:
        return F.silu(self.norm(self.proj(x)) * (scale + 1) + shift)


class ResidualBlock(nn.Module):
    """Two blocks and a shortcut; the first block is conditioned on the embedding."""

    def __init__(self, inputs: int, outputs: int, embedding: int):
        super().__init__()
        self.mlp = nn.Sequential(nn.SiLU(), nn.Linear(embedding, 2 * outputs))
        self.block1, self.block2 = Block(inputs, outputs), Block(outputs, outputs)
        self.res_conv = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.mlp(embedding)[:, :, None, None].chunk(2, dim=1)
        return self.block2(self.block1(x, scale, shift), 0.0, 0.0) + self.res_conv(x)


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each position, with a gain and no bias."""

    def __init__(self, channels: int):
        super().__init__()
        self.g = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        variance, mean = torch.var_mean(x, dim=1, unbiased=False, keepdim=True)
        return (x - mean) * (variance + 1e-5).rsqrt() * self.g


class PreNorm(nn.Module):
    """Apply `fn` to the normalised input."""

    def __init__(self, channels: int, fn: nn.Module):
        super().__init__()
        self.fn, self.norm = fn, ChannelNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fn(self.norm(x))


class Residual(nn.Module):
    """Add the input to the output of `fn`."""

    def __init__(self, fn: nn.Module):
        super().__init__()
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        return self.fn(x) + x


def split_heads(qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Split [B, 3 heads d, H, W] into q, k and v, each [B, heads, d, HW]."""
    q, k, v = qkv.flatten(2).unflatten(1, (3, _HEADS, _HEAD_WIDTH)).unbind(1)
    return q, k, v


class LinearAttention(nn.Module):
    """Attention of linear cost: softmax over the features of q and over the positions of k (Shen et al. 2021)."""

    def __init__(self, channels: int):
        super().__init__()
        hidden = _HEADS * _HEAD_WIDTH
        self.to_qkv = nn.Conv2d(channels, 3 * hidden, 1, bias=False)
        self.to_out = nn.Sequential(nn.Conv2d(hidden, channels, 1), ChannelNorm(channels))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = split_heads(self.to_qkv(x))
        context = k.softmax(dim=3) @ (v / v.shape[3]).transpose(2, 3)  # [B, heads, d of k, d of v]
        out = context.transpose(2, 3) @ (q.softmax(dim=2) * _HEAD_WIDTH**-0.5)
        return self.to_out(out.flatten(1, 2).unflatten(2, x.shape[2:]))


class CosineAttention(nn.Module):
    """Full attention by cosine similarity, times 10, instead of a scaled product (Henry et al. 2020)."""

    def __init__(self, channels: int):
        super().__init__()
        hidden = _HEADS * _HEAD_WIDTH
        self.to_qkv = nn.Conv2d(channels, 3 * hidden, 1, bias=False)
        self.to_out = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = split_heads(self.to_qkv(x))
        # As in the package, q and k are normalised over positions, because the published weights expect this.
        weights = (10 * F.normalize(q, dim=-1).transpose(2, 3) @ F.normalize(k, dim=-1)).softmax(dim=3)
        out = weights @ v.transpose(2, 3)  # [B, heads, HW, d]
        return self.to_out(out.transpose(2, 3).flatten(1, 2).unflatten(2, x.shape[2:]))


class Shape(Protocol):
    """The settings that `build` uses."""

    width: int
    width_multipliers: list[int]


def build(shape: Shape, channels: int, resolution: int, classes: int) -> LucidUNet:
    """Build the network for images of any side that its levels divide."""
    if classes:
        raise ValueError("lucid_unet takes no labels; set conditional: false")
    if resolution % 2 ** (len(shape.width_multipliers) - 1):
        raise ValueError(f"{resolution} pixels do not divide into {len(shape.width_multipliers)} levels")
    return LucidUNet(channels=channels, width=shape.width, width_multipliers=shape.width_multipliers)
