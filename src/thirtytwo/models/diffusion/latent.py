"""The latent space of a trained autoencoder, for latent diffusion (Rombach et al. 2022, section 3)."""

from typing import Protocol

import torch
from torch import Tensor, nn

from thirtytwo.models.contract import Batch

__all__ = ["Autoencoder", "LatentSpace"]

_CHUNK = 500


class Autoencoder(Protocol):
    """The interface that latent diffusion requires of an autoencoder."""

    modules: nn.ModuleDict
    conditional: bool
    latent_shape: tuple[int, ...]

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return mean and log sigma (None: no noise) of the codes of images [B, C, 32, 32], each [B, *latent_shape]."""

    def draw(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Decode codes [B, *latent_shape] to images [B, C, 32, 32]; `labels` [B] are used only if it is conditional."""


class LatentSpace(nn.Module):
    """A frozen autoencoder whose codes are standardised to mean 0 and variance 1 in each channel.

    Mean and standard deviation are computed over the codes that diffusion is trained on (Rombach et al. 2022, appendix
    G, here per channel) and saved with the model as buffers.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, autoencoder: Autoencoder):
        super().__init__()
        self.autoencoder, self.networks = autoencoder, autoencoder.modules
        statistics = (1, autoencoder.latent_shape[0], 1, 1)
        self.register_buffer("mean", torch.zeros(statistics))
        self.register_buffer("std", torch.ones(statistics))

    def train(self, mode: bool = True) -> "LatentSpace":
        """Stay in eval mode, even when the surrounding model is set to training mode."""
        return super().train(False)

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Compute mean and std of the codes of images [N, C, 32, 32], with Var z = Var mu + E sigma^2."""
        total, squares = torch.zeros(2, self.mean.shape[1], dtype=torch.float64)  # on the CPU: MPS has no float64
        count = 0
        for x in images.split(_CHUNK):
            mu, log_sigma = (None if part is None else part.cpu().double() for part in self.autoencoder.encode(x))
            assert mu is not None
            second_moment = mu.square() if log_sigma is None else mu.square() + (2 * log_sigma).exp()
            total, squares = total + mu.sum((0, 2, 3)), squares + second_moment.sum((0, 2, 3))
            count += mu[:, 0].numel()
        mean = total / count
        variance = squares / count - mean.square()
        self.mean.copy_(mean.view(1, -1, 1, 1))
        self.std.copy_(variance.sqrt().view(1, -1, 1, 1))

    @torch.no_grad()
    def encode(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """Draw standardised codes [B, *latent_shape] of a batch's images from q(z|x)."""
        mu, log_sigma = self.autoencoder.encode(batch.images)
        noise = batch.normal_like(mu, rng)
        return ((mu if log_sigma is None else mu + log_sigma.exp() * noise) - self.mean) / self.std

    @torch.no_grad()
    def decode(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Decode standardised codes to images [B, C, 32, 32]."""
        return self.autoencoder.draw(z * self.std + self.mean, labels)
