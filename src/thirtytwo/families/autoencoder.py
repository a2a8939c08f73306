"""Variational autoencoder (Kingma & Welling 2014; beta: Higgins et al. 2017)."""

from types import ModuleType
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from thirtytwo.families import Batch, Phase, TrainSettings

__all__ = ["Autoencoder", "Settings", "build", "kl_to_standard_normal", "squared_error"]


class Settings(TrainSettings):
    """Block of params.yaml for this family."""

    beta: float = Field(ge=0, description="weight of the KL term")
    beta_schedule: Literal["constant", "linear"] = Field(description="linear: from 0 at epoch 0 to beta after the last")
    latent_dim: int = Field(ge=1)
    width: int = Field(ge=1, description="channels of the first convolution; doubled at each of three downsamplings")


def kl_to_standard_normal(mu: Tensor, log_sigma: Tensor) -> Tensor:
    """KL(N(mu, sigma^2) || N(0, I)) in nats, summed over [B, D] to [B]; Kingma & Welling 2014, appendix B."""
    return 0.5 * (mu.square() + (2 * log_sigma).exp() - 1 - 2 * log_sigma).sum(1)


def squared_error(x: Tensor, x_hat: Tensor) -> Tensor:
    """Squared error of [B, C, H, W] images summed over each image's pixels and channels: [B]."""
    return (x - x_hat).square().flatten(1).sum(1)


class Autoencoder:
    """q(z|x) = N(mu(x), sigma(x)^2 I), p(z) = N(0, I), p(x|z) a Gaussian with mean x_hat(z)."""

    conditional = False
    averaged: tuple[str, ...] = ("decoder",)

    def __init__(self, settings: Settings, net: ModuleType, channels: int) -> None:
        self.settings = settings
        self.latent_shape = (settings.latent_dim,)
        self.encoder = net.Encoder(channels, settings.width, outputs=2 * settings.latent_dim)
        self.decoder = net.Decoder(channels, settings.width, settings.latent_dim)
        self.modules = nn.ModuleDict({"encoder": self.encoder, "decoder": self.decoder})

    def phases(self) -> list[Phase]:
        s = self.settings
        adam = torch.optim.Adam(self.modules.parameters(), lr=s.lr, betas=(s.betas[0], s.betas[1]), fused=True)
        return [Phase("autoencoder", self.modules, adam, self._loss)]

    def beta(self, batch: Batch) -> float:
        """Weight of the KL term at this batch, constant within an epoch."""
        if self.settings.beta_schedule == "constant":
            return self.settings.beta
        return self.settings.beta * batch.epoch / batch.epochs

    def _loss(self, batch: Batch, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        terms = self._terms(batch.images, rng)
        loss = terms["reconstruction"] + self.beta(batch) * terms["kl"]
        return loss, {"loss": loss} | terms

    def _terms(self, x: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """The two terms of the negative ELBO, per image and averaged over the batch only."""
        mu, log_sigma = self.encoder(x).chunk(2, dim=1)
        epsilon = torch.randn(mu.shape, generator=rng, device=mu.device)
        z = mu + log_sigma.exp() * epsilon  # reparameterisation, Kingma & Welling 2014, section 2.4
        return {
            "reconstruction": squared_error(x, self.decoder(z)).mean(),
            "kl": kl_to_standard_normal(mu, log_sigma).mean(),
        }

    def validate(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        return self._terms(batch.images, rng)

    def draw(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Images [B, C, 32, 32] for z [B, latent_dim] standard normal; `labels` is None."""
        return self.decoder(z)


def build(settings: Settings, net: ModuleType, channels: int, classes: int) -> Autoencoder:
    """An untrained autoencoder; `net` has Encoder and Decoder (see nets/conv_vae.py)."""
    return Autoencoder(settings, net, channels)
