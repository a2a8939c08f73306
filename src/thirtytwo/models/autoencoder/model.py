"""Autoencoders: plain, variational (Kingma & Welling 2014; beta: Higgins et al. 2017) and class-conditional.

A plain autoencoder is a variational one without noise and KL term: its code is deterministic and has no prior. A
decoder that takes labels (nets/cond_vae.py) makes the model conditional: q(z|x), p(x|z, y), p(z) = N(0, I) (Sohn et
al. 2015, except that the encoder sees only the image).
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
    """Return KL(N(mu, sigma^2) || N(0, I)) in nats, [B, ...] summed to [B] (Kingma & Welling 2014, appendix B)."""
    return 0.5 * (mu.square() + (2 * log_sigma).exp() - 1 - 2 * log_sigma).flatten(1).sum(1)


def squared_error(x: Tensor, x_hat: Tensor) -> Tensor:
    """Return the squared error of images [B, C, H, W], summed over the pixels and channels of each image: [B]."""
    return (x - x_hat).square().flatten(1).sum(1)


def image(likelihood: Likelihood, outputs: Tensor) -> Tensor:
    """Return E[x|z], nominally in [-1, 1]: the decoder's `outputs`; for bernoulli these are logits of [0, 1]."""
    return 2 * outputs.sigmoid() - 1 if likelihood == "bernoulli" else outputs


def reconstruction(
    likelihood: Likelihood, x: Tensor, outputs: Tensor, mean: Callable[[Tensor], Tensor] = torch.mean
) -> Tensor:
    """Return the reconstruction loss -log p(x|z) of each image x [B, C, H, W] in [-1, 1]: [B].

    gaussian: |x - x_hat|^2, which is -log N(x; x_hat, I/2) without its constant D/2 log pi, D = C H W.
    sigma_vae: |x - x_hat|^2 / (2 sigma^2) + D/2 log(2 pi sigma^2) at the optimal sigma^2, the mean squared error of the
        batch (Rybkin et al. 2021, "optimal sigma-VAE"). At this minimum the gradient with respect to sigma is 0.
    bernoulli: -sum_i y_i log p_i + (1 - y_i) log(1 - p_i) of grey levels y = (x + 1) / 2 (Kingma & Welling 2014,
        appendix C.1). For y strictly between 0 and 1 this is not normalised; `log_density` adds the normaliser.

    Args:
        mean: the mean over the batch.
    """
    if likelihood == "bernoulli":
        return F.binary_cross_entropy_with_logits(outputs, (x + 1) / 2, reduction="none").flatten(1).sum(1)
    if likelihood == "sigma_vae":
        error = squared_error(x, outputs)
        variance = mean(error.detach()) / x[0].numel()
        return error / (2 * variance) + 0.5 * x[0].numel() * (2 * math.pi * variance).log()
    return squared_error(x, outputs)


def log_density(likelihood: Likelihood, x: Tensor, outputs: Tensor, variance: float) -> Tensor:
    """Return log p(x|z) of each image in nats, normalised over x in R^D, or in [-1, 1]^D for bernoulli: [B].

    bernoulli is normalised by the constant of the continuous Bernoulli (Loaiza-Ganem & Cunningham 2019, eq. 5).

    Args:
        variance: variance of the Gaussian of each value, 1/2 for the likelihood gaussian; bernoulli ignores it.
    """
    if likelihood == "bernoulli":
        y = (x + 1) / 2  # dy/dx = 1/2
        return (ContinuousBernoulli(logits=outputs).log_prob(y) - math.log(2)).flatten(1).sum(1)
    return -squared_error(x, outputs) / (2 * variance) - 0.5 * x[0].numel() * math.log(2 * math.pi * variance)


class Autoencoder:
    """An autoencoder: q(z|x) = N(mu(x), sigma(x)^2 I), p(z) = N(0, I), and p(x|z), or p(x|z, y) if conditional.

    A plain autoencoder has z = mu(x) and no p(z).
    """

    averaged: tuple[str, ...] = ("encoder", "decoder")
    twice_differentiated: tuple[str, ...] = ()

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
        """Return the weight of the KL term for this batch; it is constant within an epoch."""
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
        """Return the terms of the negative ELBO (a plain autoencoder has only the first), averaged over the batch."""
        x, s = batch.images, self.settings
        mu, log_sigma = self.encode(x)
        if log_sigma is None:
            outputs = self.decode(mu, batch.labels)
            return {"reconstruction": reconstruction(s.likelihood, x, outputs, batch.mean).mean()}
        epsilon = batch.random(lambda n: torch.randn((n, *mu.shape[1:]), generator=rng, device=mu.device))
        z = mu + log_sigma.exp() * epsilon  # reparameterisation, Kingma & Welling 2014, section 2.4
        outputs = self.decode(z, batch.labels)
        return {
            "reconstruction": reconstruction(s.likelihood, x, outputs, batch.mean).mean(),
            "kl": kl_to_standard_normal(mu, log_sigma).mean(),
        }

    def validate(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        return self._terms(batch, rng)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return mu and log sigma of q(z|x), each [B, *latent_shape]; for a plain autoencoder the code and None."""
        outputs = self.encoder(x)
        if not self.settings.variational:
            return outputs, None
        mu, log_sigma = outputs.chunk(2, dim=1)
        return mu, log_sigma

    def decode(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Return the decoder's outputs [B, C, 32, 32] for z [B, *latent_shape]; `draw` converts them to images."""
        return self.decoder(z, labels) if self.conditional else self.decoder(z)

    def draw(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Decode z [B, *latent_shape] and labels [B], if conditional, to images [B, C, 32, 32] in about [-1, 1]."""
        return image(self.settings.likelihood, self.decode(z, labels))


def build(settings: AutoencoderSettings, net: ModuleType, channels: int, classes: int) -> Autoencoder:
    """Build an untrained autoencoder; `net` has the names exported by nets/conv_vae.py."""
    return Autoencoder(settings, net, channels, classes)
