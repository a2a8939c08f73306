"""The residual UNet of Ho et al. 2020 (appendix B), with options of later work.

With width 128, multipliers 1, 2, 2, 2, two blocks, attention at 16, additive time embedding and patch 1 it is the
CIFAR-10 network of that paper, 35.7 M parameters. On a CPU, `patch` reduces the cost: the network
rearranges patches of pixels to channels and works at a resolution lower by that factor.
"""

import math
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["UNet", "build"]


class UNet(nn.Module):
    """Predict the training target (noise, v or image) from a noisy image and its timestep.

    Args:
        channels: channels of the image.
        resolution: side of the image, a multiple of patch * 2^(levels - 1).
        patch: patch x patch pixels become channels at the input and pixels again at the output; 1: none.
        width: channels at the first level, a multiple of 4.
        width_multipliers: channels of each level divided by `width`; each further level halves the resolution.
        blocks: residual blocks per level of the encoder; the decoder has one more per level.
        attention_resolutions: sides of the feature maps at which each block is followed by self-attention.
            The middle block always has attention.
        heads: attention heads.
        dropout: dropout rate in the residual blocks; it uses torch's global generator.
        time_conditioning: "additive" (Ho et al. 2020) or "scale_shift" (Nichol & Dhariwal 2021, section 3).
        classes: number of classes of a conditional model; 0: unconditional. The label `classes` is the null class
            of classifier-free guidance (Ho & Salimans 2022).
        interval: whether the network has a second time input, as mean velocities over an interval need.
    """

    def __init__(
        self,
        *,
        channels: int,
        resolution: int,
        patch: int,
        width: int,
        width_multipliers: list[int],
        blocks: int,
        attention_resolutions: list[int],
        heads: int,
        dropout: float,
        time_conditioning: str,
        classes: int,
        interval: bool = False,
    ):
        super().__init__()
        widths = [width * multiplier for multiplier in width_multipliers]
        sides = [resolution // patch // 2**level for level in range(len(widths))]
        if resolution % (patch * 2 ** (len(widths) - 1)):
            raise ValueError(f"{resolution} pixels do not divide into patches of {patch} on {len(widths)} levels")
        self.patch, embedding = patch, 4 * width

        def block(inputs: int, outputs: int, side: int) -> nn.Module:
            attention = SelfAttention(outputs, heads) if side in attention_resolutions else nn.Identity()
            return Block(ResidualBlock(inputs, outputs, embedding, dropout, time_conditioning), attention)

        self.time = TimeEmbedding(width, embedding)
        self.label = nn.Embedding(classes + 1, embedding) if classes else None
        self.interval = TimeEmbedding(width, embedding) if interval else None

        self.stem = nn.Conv2d(channels * patch**2, width, 3, padding=1)
        self.down = nn.ModuleList()
        skips = [here := width]
        for level, (outputs, side) in enumerate(zip(widths, sides, strict=True)):
            for _ in range(blocks):
                self.down.append(block(here, outputs, side))
                skips.append(here := outputs)
            if level < len(widths) - 1:
                self.down.append(Downsample(here))
                skips.append(here)

        self.middle = nn.ModuleList(
            [
                Block(ResidualBlock(here, here, embedding, dropout, time_conditioning), SelfAttention(here, heads)),
                Block(ResidualBlock(here, here, embedding, dropout, time_conditioning), nn.Identity()),
            ]
        )

        self.up = nn.ModuleList()
        for level, (outputs, side) in reversed(list(enumerate(zip(widths, sides, strict=True)))):
            for _ in range(blocks + 1):
                self.up.append(block(here + skips.pop(), outputs, side))
                here = outputs
            if level > 0:
                self.up.append(Upsample(here))

        self.out_norm = norm(here)
        self.out = zero(nn.Conv2d(here, channels * patch**2, 3, padding=1))
        self.to(memory_format=torch.channels_last)  # faster convolutions on CPUs and on CUDA

    def forward(self, x: Tensor, t: Tensor, labels: Tensor | None, interval: Tensor | None = None) -> Tensor:
        """Return the prediction for `x` at timestep `t`.

        Args:
            x: [B, C, resolution, resolution] noisy images.
            t: [B] timesteps.
            labels: [B] int64 if the model has classes, else None.
            interval: [B] length of the interval that ends at `t`, in the unit of `t`, if the network takes one.
        """
        if (labels is None) != (self.label is None):
            raise ValueError("labels are given exactly when the network has classes")
        embedding = self.time(t)
        if self.interval is not None:
            embedding = embedding + self.interval(interval)
        if self.label is not None:
            embedding = embedding + self.label(labels)
        embedding = F.silu(embedding)

        h = F.pixel_unshuffle(x, self.patch).contiguous(memory_format=torch.channels_last)
        skips = [h := self.stem(h)]
        for module in self.down:
            skips.append(h := module(h, embedding))
        for module in self.middle:
            h = module(h, embedding)
        for module in self.up:
            if isinstance(module, Block):
                h = torch.cat([h, skips.pop()], dim=1)
            h = module(h, embedding)
        return F.pixel_shuffle(self.out(F.silu(self.out_norm(h))), self.patch)


class Block(nn.Module):
    """A residual block, optionally followed by attention."""

    def __init__(self, residual: nn.Module, attention: nn.Module):
        super().__init__()
        self.residual, self.attention = residual, attention

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        return self.attention(self.residual(x, embedding))


class ResidualBlock(nn.Module):
    """Two times normalisation, SiLU and convolution, conditioned in between; the second convolution starts at zero."""

    def __init__(self, inputs: int, outputs: int, embedding: int, dropout: float, time_conditioning: str):
        super().__init__()
        self.scale_shift = time_conditioning == "scale_shift"
        self.norm1 = norm(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.embed = nn.Linear(embedding, 2 * outputs if self.scale_shift else outputs)
        self.norm2 = norm(outputs)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = zero(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        condition = self.embed(embedding)[:, :, None, None]
        if self.scale_shift:
            scale, shift = condition.chunk(2, dim=1)
            h = torch.addcmul(shift, self.norm2(h), 1 + scale)
        else:
            h = self.norm2(h + condition)
        return self.shortcut(x) + self.conv2(self.dropout(F.silu(h)))


class SelfAttention(nn.Module):
    """Residual scaled dot-product attention over the positions of a feature map, initially the identity."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = norm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.project = zero(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        B, C, H, W = x.shape
        # [B, 3C, H, W] to q, k, v [B, heads, HW, C / heads]: a view, not a copy, with channels_last.
        q, k, v = self.qkv(self.norm(x)).permute(0, 2, 3, 1).reshape(B, H * W, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        h = F.scaled_dot_product_attention(q, k, v)
        return x + self.project(h.transpose(1, 2).reshape(B, H, W, C).permute(0, 3, 1, 2))


class Downsample(nn.Module):
    """Halve the side by a strided convolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        return self.conv(x)


class Upsample(nn.Module):
    """Double the side by nearest-neighbour upsampling, then convolve."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


class TimeEmbedding(nn.Module):
    """Sines and cosines of the timestep (Vaswani et al. 2017, section 3.5), then two linear layers."""

    def __init__(self, width: int, outputs: int):
        super().__init__()
        self.waves = width // 2
        self.mlp = nn.Sequential(nn.Linear(width, outputs), nn.SiLU(), nn.Linear(outputs, outputs))

    def forward(self, t: Tensor) -> Tensor:
        ranks = torch.arange(self.waves, device=t.device, dtype=torch.float32)
        times = t.to(torch.promote_types(t.dtype, torch.float32))  # whole numbers, or a time that is differentiated
        angles = times[:, None] * torch.exp(-math.log(10000) * ranks / (self.waves - 1))
        sinusoids = torch.cat([angles.sin(), angles.cos()], dim=1)
        return self.mlp(sinusoids.to(next(self.mlp.parameters()).dtype))


def norm(channels: int) -> nn.GroupNorm:
    """Return group normalisation with up to 32 groups of at least four channels."""
    return nn.GroupNorm(math.gcd(32, channels // 4), channels)


def zero(conv: nn.Conv2d) -> nn.Conv2d:
    """Set all parameters of `conv` to zero, so that initially only the skip path contributes."""
    for parameter in conv.parameters():
        nn.init.zeros_(parameter)
    return conv


class Shape(Protocol):
    """The settings that `build` uses."""

    patch: int
    width: int
    width_multipliers: list[int]
    blocks: int
    attention_resolutions: list[int]
    heads: int
    dropout: float
    time_conditioning: str


def build(shape: Shape, channels: int, resolution: int, classes: int, interval: bool = False) -> UNet:
    """Build the network from a block of settings; every module of a denoiser has this function.

    Only this one can take the length of an interval.
    """
    return UNet(
        channels=channels,
        resolution=resolution,
        patch=shape.patch,
        width=shape.width,
        width_multipliers=shape.width_multipliers,
        blocks=shape.blocks,
        attention_resolutions=shape.attention_resolutions,
        heads=shape.heads,
        dropout=shape.dropout,
        time_conditioning=shape.time_conditioning,
        classes=classes,
        interval=interval,
    )
