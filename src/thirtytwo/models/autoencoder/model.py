"""Autoencoders: plain, variational (Kingma & Welling 2014; beta: Higgins et al. 2017) and class-conditional.

A plain autoencoder is a variational one without the noise and the KL term: its code is deterministic, and it has no
prior. A decoder that takes labels (nets/cond_vae.py) makes the model conditional: q(z|x), p(x|z, y), p(z) = N(0, I)
(Sohn et al. 2015, with an encoder that sees the image alone).
"""

import math
from collections.abc import Callable
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import ContinuousBernoulli

from thirtytwo.models.contract import Batch, Phase
from thirtytwo.settings.autoencoder import AutoencoderSettings, Likelihood

__all__ = [
    "Autoencoder", "build", "image", "kl_to_standard_normal", "log_density", "reconstruction", "squared_error",
]  # fmt: skip


def kl_to_standard_normal(mu: Tensor, log_sigma: Tensor) -> Tensor:
    """KL(N(mu, sigma^2) || N(0, I)) in nats, summed over [B, ...] to [B]; Kingma & Welling 2014, appendix B."""
    return 0.5 * (mu.square() + (2 * log_sigma).exp() - 1 - 2 * log_sigma).flatten(1).sum(1)


def squared_error(x: Tensor, x_hat: Tensor) -> Tensor:
    """Squared error of [B, C, H, W] images summed over each image's pixels and channels: [B]."""
    return (x - x_hat).square().flatten(1).sum(1)


def image(likelihood: Likelihood, outputs: Tensor) -> Tensor:
    """E[x|z], nominally in [-1, 1]: what the decoder's `outputs` are, or for bernoulli are the logits of, in [0, 1]."""
    return 2 * outputs.sigmoid() - 1 if likelihood == "bernoulli" else outputs


def reconstruction(
    likelihood: Likelihood, x: Tensor, outputs: Tensor, mean: Callable[[Tensor], Tensor] = torch.mean
) -> Tensor:
    """-log p(x|z) of images x [B, C, H, W] in [-1, 1], per image, as training minimises it: [B].

    gaussian: |x - x_hat|^2, which is -log N(x; x_hat, I/2) less its constant D/2 log pi, D = C H W.
    sigma_vae: |x - x_hat|^2 / (2 sigma^2) + D/2 log(2 pi sigma^2) at the best sigma^2 for the batch, its mean squared
        error (Rybkin et al. 2021, "optimal sigma-VAE"). As that is the minimum, a gradient through sigma would be 0.
    bernoulli: -sum_i y_i log p_i + (1 - y_i) log(1 - p_i) of grey levels y = (x + 1) / 2 (Kingma & Welling 2014,
        appendix C.1). Where y is neither 0 nor 1 that is no log-probability; `log_density` has its normaliser.
    """
    if likelihood == "bernoulli":
        return F.binary_cross_entropy_with_logits(outputs, (x + 1) / 2, reduction="none").flatten(1).sum(1)
    if likelihood == "sigma_vae":
        error = squared_error(x, outputs)
        variance = mean(error.detach()) / x[0].numel()
        return error / (2 * variance) + 0.5 * x[0].numel() * (2 * math.pi * variance).log()
    return squared_error(x, outputs)


def log_density(likelihood: Likelihood, x: Tensor, outputs: Tensor, variance: float) -> Tensor:
    """log p(x|z) in nats, normalised over x in R^D, or for bernoulli in [-1, 1]^D, per image: [B].

    Args:
        variance: of the Gaussian of each value, 1/2 for the likelihood gaussian; bernoulli has none.

    bernoulli is normalised by the constant of the continuous Bernoulli (Loaiza-Ganem & Cunningham 2019, eq. 5).
    """
    if likelihood == "bernoulli":
        y = (x + 1) / 2  # dy/dx = 1/2
        return (ContinuousBernoulli(logits=outputs).log_prob(y) - math.log(2)).flatten(1).sum(1)
    return -squared_error(x, outputs) / (2 * variance) - 0.5 * x[0].numel() * math.log(2 * math.pi * variance)


class Autoencoder:
    """q(z|x) = N(mu(x), sigma(x)^2 I), p(z) = N(0, I), p(x|z) or where conditional p(x|z, y) as the likelihood says.

    A plain one has z = mu(x) and no p(z).
    """

    averaged: tuple[str, ...] = ("encoder", "decoder")

    def __init__(self, settings: AutoencoderSettings, net: ModuleType, channels: int, classes: int) -> None:
        s = self.settings = settings
        self.conditional: bool = net.CONDITIONAL
        self.latent_shape: tuple[int, ...] = net.latent_shape(s.latent_dim)
        self.encoder = net.Encoder(channels, s.width, (1 + s.variational) * s.latent_dim)
        self.decoder = net.Decoder(channels, s.width, s.latent_dim, *((classes,) if self.conditional else ()))
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
        terms = self._terms(batch, rng)
        loss = terms["reconstruction"]
        if self.settings.variational:
            loss = loss + self.beta(batch) * terms["kl"]
        return loss, {"loss": loss} | terms

    def _terms(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """The two terms of the negative ELBO, or a plain autoencoder's one, averaged over the batch only."""
        x, s = batch.images, self.settings
        mu, log_sigma = self.encode(x)
        if log_sigma is None:
            outputs = self.decode(mu, batch.labels)
            return {"reconstruction": reconstruction(s.likelihood, x, outputs, batch.mean).mean()}
        epsilon = batch.draw(lambda n: torch.randn((n, *mu.shape[1:]), generator=rng, device=mu.device))
        z = mu + log_sigma.exp() * epsilon  # reparameterisation, Kingma & Welling 2014, section 2.4
        outputs = self.decode(z, batch.labels)
        return {
            "reconstruction": reconstruction(s.likelihood, x, outputs, batch.mean).mean(),
            "kl": kl_to_standard_normal(mu, log_sigma).mean(),
        }

    def validate(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        return self._terms(batch, rng)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """mu and log sigma of q(z|x), each [B, *latent_shape]; a plain autoencoder's code and None."""
        outputs = self.encoder(x)
        if not self.settings.variational:
            return outputs, None
        mu, log_sigma = outputs.chunk(2, dim=1)
        return mu, log_sigma

    def decode(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """The decoder's outputs [B, C, 32, 32] for z [B, *latent_shape]; `draw` gives images."""
        return self.decoder(z, labels) if self.conditional else self.decoder(z)

    def draw(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Images [B, C, 32, 32], nominally in [-1, 1], for z [B, *latent_shape] and labels [B] where conditional."""
        return image(self.settings.likelihood, self.decode(z, labels))


def build(settings: AutoencoderSettings, net: ModuleType, channels: int, classes: int) -> Autoencoder:
    """An untrained autoencoder; `net` has CONDITIONAL, latent_shape, Encoder and Decoder (see nets/conv_vae.py)."""
    return Autoencoder(settings, net, channels, classes)
