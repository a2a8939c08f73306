"""DCGAN with nearest-neighbour upsampling and 3x3 convolutions in the generator (Odena et al. 2016); 32x32 images.

Transposed convolutions draw a checkerboard until training has removed it, which takes more steps than a minute allows.
"""

from torch import Tensor, nn

__all__ = ["Discriminator", "Generator"]

_SLOPES = {"relu": 0.0, "leaky_relu": 0.2}  # for negative inputs


class Generator(nn.Module):
    """z [B, latent_dim] to images [B, channels, 32, 32] in [-1, 1]."""

    def __init__(self, channels: int, width: int, multipliers: list[int], latent_dim: int, batch_norm: bool) -> None:
        super().__init__()
        a, b, c = (width * multiplier for multiplier in multipliers)

        def normalise(outputs: int) -> nn.Module:
            return nn.BatchNorm2d(outputs) if batch_norm else nn.Identity()

        def up(inputs: int, outputs: int) -> nn.Sequential:
            conv = nn.Conv2d(inputs, outputs, 3, padding=1)
            return nn.Sequential(nn.Upsample(scale_factor=2), conv, normalise(outputs), nn.ReLU())

        self.layers = nn.Sequential(
            nn.Linear(latent_dim, a * 4 * 4),
            nn.Unflatten(1, (a, 4, 4)),  # [B, a, 4, 4]
            normalise(a),
            nn.ReLU(),
            up(a, b),  # [B, b, 8, 8]
            up(b, c),  # [B, c, 16, 16]
            nn.Upsample(scale_factor=2),
            nn.Conv2d(c, channels, 3, padding=1),  # [B, C, 32, 32]
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class Discriminator(nn.Module):
    """Images [B, channels, 32, 32] to scores [B]; strided convolutions of width, 2 width and 4 width.

    It has no normalisation, because the gradient penalty is per image; `batch_norm` applies only to the generator.
    """

    def __init__(self, channels: int, width: int, batch_norm: bool, activation: str) -> None:
        super().__init__()

        def down(inputs: int, outputs: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(inputs, outputs, 4, 2, 1), nn.LeakyReLU(_SLOPES[activation]))

        self.layers = nn.Sequential(
            down(channels, width),  # [B, w, 16, 16]
            down(width, 2 * width),  # [B, 2w, 8, 8]
            down(2 * width, 4 * width),  # [B, 4w, 4, 4]
            nn.Conv2d(4 * width, 1, 4, 1, 0),  # [B, 1, 1, 1]
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten()
