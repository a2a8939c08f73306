"""DCGAN for 32x32 images (Radford et al. 2016; layer table of the Tsinghua DCGAN course)."""

from torch import Tensor, nn

__all__ = ["Discriminator", "Generator"]

_SLOPES = {"relu": 0.0, "leaky_relu": 0.2}  # for negative inputs


class Generator(nn.Module):
    """z [B, latent_dim] to images [B, channels, 32, 32] in [-1, 1]; 57 937 parameters at 16/16 with one channel."""

    def __init__(self, channels: int, width: int, multipliers: list[int], latent_dim: int, batch_norm: bool) -> None:
        super().__init__()
        a, b, c = (width * multiplier for multiplier in multipliers)  # 4, 2, 1 in the course's table

        def up(inputs: int, outputs: int, stride: int, padding: int) -> nn.Sequential:
            norm = nn.BatchNorm2d(outputs) if batch_norm else nn.Identity()
            return nn.Sequential(nn.ConvTranspose2d(inputs, outputs, 4, stride, padding), norm, nn.ReLU())

        self.layers = nn.Sequential(
            up(latent_dim, a, 1, 0),  # [B, a, 4, 4]
            up(a, b, 2, 1),  # [B, b, 8, 8]
            up(b, c, 2, 1),  # [B, c, 16, 16]
            nn.ConvTranspose2d(c, channels, 4, 2, 1),  # [B, C, 32, 32]
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z[:, :, None, None])


class Discriminator(nn.Module):
    """Images [B, channels, 32, 32] to logits [B]; strided convolutions of width, 2 width and 4 width."""

    def __init__(self, channels: int, width: int, batch_norm: bool, activation: str) -> None:
        super().__init__()

        def down(inputs: int, outputs: int, norm: bool) -> nn.Sequential:
            normalise = nn.BatchNorm2d(outputs) if norm else nn.Identity()
            return nn.Sequential(nn.Conv2d(inputs, outputs, 4, 2, 1), normalise, nn.LeakyReLU(_SLOPES[activation]))

        self.layers = nn.Sequential(
            down(channels, width, norm=False),  # [B, w, 16, 16]; no normalisation of the first layer, as in the paper
            down(width, 2 * width, norm=batch_norm),  # [B, 2w, 8, 8]
            down(2 * width, 4 * width, norm=batch_norm),  # [B, 4w, 4, 4]
            nn.Conv2d(4 * width, 1, 4, 1, 0),  # [B, 1, 1, 1]
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten()
