"""The latent space of a trained autoencoder, in which diffusion can work (Rombach et al. 2022, section 3)."""

from typing import Protocol

import torch
from torch import Tensor, nn

from thirtytwo.models.contract import Batch

__all__ = ["Autoencoder", "FirstStage"]

_CHUNK = 500


class Autoencoder(Protocol):
    """What is asked of the model of the first stage."""

    modules: nn.ModuleDict
    conditional: bool
    latent_shape: tuple[int, ...]

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Mean and log sigma (None: no noise) of the code of images [B, C, 32, 32]: each [B, *latent_shape]."""

    def draw(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Images [B, C, 32, 32] of codes [B, *latent_shape]; `labels` [B] matter where it is conditional."""


class FirstStage(nn.Module):
    """A frozen autoencoder, with its codes shifted and scaled to mean 0 and variance 1 in each channel.

    The statistics are buffers, so that they are saved with the model; they are of the codes that diffusion is trained
    on (Rombach et al. 2022, appendix G, by channel).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, autoencoder: Autoencoder):
        super().__init__()
        self.autoencoder, self.networks = autoencoder, autoencoder.modules
        statistics = (1, autoencoder.latent_shape[0], 1, 1)
        self.register_buffer("mean", torch.zeros(statistics))
        self.register_buffer("std", torch.ones(statistics))

    def train(self, mode: bool = True) -> "FirstStage":
        """Stays in eval mode, whatever is asked of the model around it."""
        return super().train(False)

    @torch.no_grad()
    def fit(self, images: Tensor) -> None:
        """Takes the statistics of the codes of images [N, C, 32, 32], with Var z = Var mu + E sigma^2."""
        total, squares = torch.zeros(2, self.mean.shape[1], dtype=torch.float64)  # on the CPU; MPS has no float64
        count = 0
        for x in images.split(_CHUNK):
            mu, log_sigma = (None if part is None else part.cpu().double() for part in self.autoencoder.encode(x))
            assert mu is not None
            second = mu.square() if log_sigma is None else mu.square() + (2 * log_sigma).exp()
            total, squares = total + mu.sum((0, 2, 3)), squares + second.sum((0, 2, 3))
            count += mu[:, 0].numel()
        mean = total / count
        variance = squares / count - mean.square()
        self.mean.copy_(mean.view(1, -1, 1, 1))
        self.std.copy_(variance.sqrt().view(1, -1, 1, 1))

    @torch.no_grad()
    def encode(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """Scaled codes [B, *latent_shape] of a batch's images, drawn from q(z|x)."""
        mu, log_sigma = self.autoencoder.encode(batch.images)
        noise = batch.normal_like(mu, rng)
        return ((mu if log_sigma is None else mu + log_sigma.exp() * noise) - self.mean) / self.std

    @torch.no_grad()
    def decode(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Images [B, C, 32, 32] of scaled codes."""
        return self.autoencoder.draw(z * self.std + self.mean, labels)
