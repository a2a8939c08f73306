"""ResNet generator and discriminator of CMU 16-824 HW2 (after Berkeley CS294-158), 32x32 images."""

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Discriminator", "Generator", "downsample", "upsample"]

_ACTIVATIONS = {"relu": F.relu, "leaky_relu": lambda x: F.leaky_relu(x, 0.2)}


def upsample(x: Tensor) -> Tensor:
    """Upsample [B, C, H, W] to [B, C, 2H, 2W] by nearest neighbour, as depth-to-space of four copies of each channel.

    PixelShuffle fills the 2x2 block of output channel c from input channels 4c to 4c + 3, so the copies of a channel
    must be adjacent (`repeat_interleave`); `repeat` would mix the channels.
    """
    return F.pixel_shuffle(x.repeat_interleave(4, dim=1), 2)


def downsample(x: Tensor) -> Tensor:
    """Average each 2x2 block: [B, C, H, W] to [B, C, H/2, W/2]."""
    return F.avg_pool2d(x, 2)


class ResBlockUp(nn.Module):
    """Residual block with upsampling, [B, c, H, W] to [B, w, 2H, 2W]."""

    def __init__(self, channels: int, width: int, batch_norm: bool) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels) if batch_norm else nn.Identity()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width) if batch_norm else nn.Identity()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.shortcut = nn.Conv2d(channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.relu(self.norm1(x)))
        h = self.conv2(upsample(F.relu(self.norm2(h))))
        return h + self.shortcut(upsample(x))


class ResBlockDown(nn.Module):
    """Residual block with downsampling, [B, c, H, W] to [B, w, H/2, W/2]."""

    def __init__(self, channels: int, width: int, activation: str) -> None:
        super().__init__()
        self.activation = _ACTIVATIONS[activation]
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.shortcut = nn.Conv2d(channels, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.activation(self.conv1(self.activation(x)))
        return self.conv2(downsample(h)) + self.shortcut(downsample(x))


class ResBlock(nn.Module):
    """Residual block that keeps the shape [B, w, H, W]."""

    def __init__(self, width: int, activation: str) -> None:
        super().__init__()
        self.activation = _ACTIVATIONS[activation]
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.activation(self.conv1(self.activation(x))))


class Generator(nn.Module):
    """z [B, latent_dim] to images [B, channels, 32, 32] in [-1, 1]; 1.20 M parameters at width 128, latent 128."""

    def __init__(self, channels: int, width: int, multipliers: list[int], latent_dim: int, batch_norm: bool) -> None:
        super().__init__()
        a, b, c = (width * multiplier for multiplier in multipliers)  # 1, 1, 1 in the course's network
        self.fc = nn.Linear(latent_dim, a * 4 * 4)
        self.blocks = nn.Sequential(
            ResBlockUp(a, a, batch_norm),  # [B, a, 8, 8]
            ResBlockUp(a, b, batch_norm),  # [B, b, 16, 16]
            ResBlockUp(b, c, batch_norm),  # [B, c, 32, 32]
        )
        self.norm = nn.BatchNorm2d(c) if batch_norm else nn.Identity()
        self.conv = nn.Conv2d(c, channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = self.fc(z).unflatten(1, (-1, 4, 4))  # [B, a, 4, 4]
        x = self.blocks(x)
        return self.conv(F.relu(self.norm(x))).tanh()


class Discriminator(nn.Module):
    """Images [B, channels, 32, 32] to scores [B]; 1.05 M parameters at width 128.

    It has no normalisation, because the gradient penalty is per image; `batch_norm` applies only to the generator.
    """

    def __init__(self, channels: int, width: int, batch_norm: bool, activation: str) -> None:
        super().__init__()
        self.activation = _ACTIVATIONS[activation]
        self.blocks = nn.Sequential(
            ResBlockDown(channels, width, activation),  # [B, w, 16, 16]
            ResBlockDown(width, width, activation),  # [B, w, 8, 8]
            ResBlock(width, activation),
            ResBlock(width, activation),
        )
        self.fc = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.activation(self.blocks(x)).sum((2, 3))).flatten()  # spatial sum
