"""Encoder and decoder of the CMU 16-824 HW2 autoencoders, 32x32 images."""

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["CONDITIONAL", "Decoder", "Encoder", "latent_shape"]

CONDITIONAL = False  # takes no labels


def latent_shape(latent_dim: int) -> tuple[int, ...]:
    """Return the shape of a code: a vector."""
    return (latent_dim,)


class Encoder(nn.Module):
    """Images [B, C, 32, 32] to vectors [B, outputs]."""

    def __init__(self, channels: int, width: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.conv3 = nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1)
        self.conv4 = nn.Conv2d(4 * width, 8 * width, 3, stride=2, padding=1)
        self.fc = nn.Linear(8 * width * 4 * 4, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1(x))  # [B, w, 32, 32]
        x = F.relu(self.conv2(x))  # [B, 2w, 16, 16]
        x = F.relu(self.conv3(x))  # [B, 4w, 8, 8]
        x = F.relu(self.conv4(x))  # [B, 8w, 4, 4]
        return self.fc(x.flatten(1))


class Decoder(nn.Module):
    """Latents [B, latent_dim] to images [B, C, 32, 32]; no output activation."""

    def __init__(self, channels: int, width: int, latent_dim: int) -> None:
        super().__init__()
        self.fc = nn.Linear(latent_dim, 8 * width * 4 * 4)
        self.up1 = nn.ConvTranspose2d(8 * width, 4 * width, 4, stride=2, padding=1)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1)
        self.up3 = nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1)
        self.conv = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = F.relu(self.fc(z).unflatten(1, (-1, 4, 4)))  # [B, 8w, 4, 4]
        x = F.relu(self.up1(x))  # [B, 4w, 8, 8]
        x = F.relu(self.up2(x))  # [B, 2w, 16, 16]
        x = F.relu(self.up3(x))  # [B, w, 32, 32]
        return self.conv(x)
