"""Encoder and decoder of a class-conditional autoencoder with a spatial code, 32x32 images.

The code is a feature map of `latent_dim` channels at 4x4, after three downsamplings. It is small but spatial, so that a
UNet with as many input channels can model it (latent diffusion, CMPUT 328 assignment 5). As in the assignment, the
encoder sees only the image, and the decoder is conditioned on the label: every hidden layer adds an embedding to its
channels, and the first layer adds a 4x4 map per class, which determines the class before the code varies it.
"""

import math

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CONDITIONAL", "Decoder", "Encoder", "latent_shape"]

CONDITIONAL = True  # the decoder takes labels


def latent_shape(latent_dim: int) -> tuple[int, ...]:
    """Return the shape of a code: channels, height, width."""
    return (latent_dim, 4, 4)


class Encoder(nn.Sequential):
    """Images [B, C, 32, 32] to `outputs` channels: [B, outputs, 4, 4]."""

    def __init__(self, channels: int, width: int, outputs: int) -> None:
        super().__init__(
            *(nn.Conv2d(channels, width, 4, stride=2, padding=1), norm(width), nn.SiLU()),  # [B, w, 16, 16]
            *(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1), norm(2 * width), nn.SiLU()),  # [B, 2w, 8, 8]
            *(nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1), norm(4 * width), nn.SiLU()),  # [B, 4w, 4, 4]
            *(nn.Conv2d(4 * width, 4 * width, 3, padding=1), norm(4 * width), nn.SiLU()),
            nn.Conv2d(4 * width, outputs, 3, padding=1),
        )


class Layer(nn.Module):
    """A convolution, normalisation, addition of the label's side x side embedding, and SiLU.

    The embedding is initially as large as the normalised features. With a small embedding, the codes would learn to
    encode the class before the decoder uses the label, and codes from the prior would then contradict the label.
    """

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d, classes: int, side: int = 1) -> None:
        super().__init__()
        self.conv = conv
        self.norm = norm(conv.out_channels)
        self.label = nn.Embedding(classes, conv.out_channels * side * side)
        self.side = side

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return F.silu(self.norm(self.conv(x)) + self.label(labels).unflatten(1, (-1, self.side, self.side)))


class Decoder(nn.Module):
    """Codes [B, latent_dim, 4, 4] and labels [B] to images [B, C, 32, 32]; no output activation."""

    def __init__(self, channels: int, width: int, latent_dim: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                Layer(nn.Conv2d(latent_dim, 4 * width, 3, padding=1), classes, side=4),  # [B, 4w, 4, 4]
                Layer(nn.Conv2d(4 * width, 4 * width, 3, padding=1), classes),
                Layer(nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1), classes),  # [B, 2w, 8, 8]
                Layer(nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1), classes),  # [B, w, 16, 16]
                Layer(nn.ConvTranspose2d(width, width, 4, stride=2, padding=1), classes),  # [B, w, 32, 32]
            ]
        )
        self.conv = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        for layer in self.layers:
            z = layer(z, labels)
        return self.conv(z)


def norm(channels: int) -> nn.GroupNorm:
    """Return group normalisation with 8 groups, or fewer if 8 does not divide the channels."""
    return nn.GroupNorm(math.gcd(8, channels), channels)
