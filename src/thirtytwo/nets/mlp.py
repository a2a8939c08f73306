"""Fully connected generator and discriminator after Goodfellow et al. 2014; 32x32 images."""

from torch import Tensor, nn

__all__ = ["Discriminator", "Generator"]

_SLOPES = {"relu": 0.0, "leaky_relu": 0.2}  # for negative inputs


class Generator(nn.Module):
    """z [B, latent_dim] to images [B, channels, 32, 32] in [-1, 1] through three hidden layers."""

    def __init__(self, channels: int, width: int, multipliers: list[int], latent_dim: int, batch_norm: bool) -> None:
        super().__init__()

        def layer(inputs: int, outputs: int) -> nn.Sequential:
            norm = nn.BatchNorm1d(outputs) if batch_norm else nn.Identity()
            return nn.Sequential(nn.Linear(inputs, outputs), norm, nn.ReLU())

        a, b, c = (width * multiplier for multiplier in multipliers)
        self.layers = nn.Sequential(
            layer(latent_dim, a),
            layer(a, b),
            layer(b, c),
            nn.Linear(c, channels * 32 * 32),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).unflatten(1, (-1, 32, 32))


class Discriminator(nn.Module):
    """Images [B, channels, 32, 32] to logits [B] through hidden layers of 4, 2 and 1 times `width`.

    It has no normalisation, as in the paper; `batch_norm` applies only to the generator.
    """

    def __init__(self, channels: int, width: int, batch_norm: bool, activation: str) -> None:
        super().__init__()

        def layer(inputs: int, outputs: int) -> nn.Sequential:
            return nn.Sequential(nn.Linear(inputs, outputs), nn.LeakyReLU(_SLOPES[activation]))

        self.layers = nn.Sequential(
            nn.Flatten(),
            layer(channels * 32 * 32, 4 * width),
            layer(4 * width, 2 * width),
            layer(2 * width, width),
            nn.Linear(width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten()
