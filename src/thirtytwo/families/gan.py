"""Generative adversarial networks: minimax and non-saturating, least squares, Wasserstein with gradient penalty."""

from types import ModuleType
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from thirtytwo.families import Batch, Phase, TrainSettings
from thirtytwo.strict import Strict

__all__ = ["GAN", "SampleSettings", "Settings", "build", "discriminator_loss", "generator_loss", "gradient_penalty"]

Loss = Literal["non_saturating", "minimax", "lsgan", "wgan_gp"]


class DecaySteps(Strict):
    """Optimiser steps after which a linearly decaying learning rate reaches 0."""

    discriminator: int = Field(ge=1)
    generator: int = Field(ge=1)


class Settings(TrainSettings):
    """Block of params.yaml for this family."""

    loss: Loss
    latent_dim: int = Field(ge=1)
    width: int = Field(ge=1)
    activation: Literal["relu", "leaky_relu"] = Field(description="of the discriminator; leaky: slope 0.2")
    batch_norm: bool
    init_std: float = Field(ge=0, description="weights drawn from N(0, std); 0: PyTorch's default")
    penalty: float = Field(ge=0, description="lambda of WGAN-GP")
    generator_every: Annotated[int, Field(ge=1)] = Field(description="discriminator steps per generator step")
    lr_decay: Literal["none", "linear"]
    decay_steps: DecaySteps


class SampleSettings(Strict):
    """What drawing images takes beyond training."""

    weights: Literal["ema", "raw"]


def discriminator_loss(loss: Loss, real: Tensor, fake: Tensor) -> Tensor:
    """Mean over the batch, to be minimised; `real` and `fake` are the discriminator's outputs before any sigmoid, [B].

    Minimax: Goodfellow et al. 2014, eq. 1 (its negative). LSGAN: Mao et al. 2017, eq. 2 with a = 0, b = 1.
    WGAN-GP: Gulrajani et al. 2017, Algorithm 1, without the penalty.
    """
    if loss == "lsgan":
        return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()
    if loss == "wgan_gp":
        return fake.mean() - real.mean()
    # -log D(x) = softplus(-logit), -log(1 - D(x)) = softplus(logit)
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(loss: Loss, fake: Tensor) -> Tensor:
    """Mean over the batch, to be minimised.

    Minimax is E[log(1 - D(G(z)))] itself; non-saturating is -E[log D(G(z))] (Goodfellow et al. 2014, section 3).
    LSGAN: Mao et al. 2017, eq. 2 with c = 1. WGAN: -E[D(G(z))].
    """
    if loss == "lsgan":
        return 0.5 * (fake - 1).square().mean()
    if loss == "wgan_gp":
        return -fake.mean()
    return -F.softplus(fake).mean() if loss == "minimax" else F.softplus(-fake).mean()


def gradient_penalty(discriminator: nn.Module, real: Tensor, fake: Tensor, u: Tensor) -> Tensor:
    """E[(||grad D(x_hat)||_2 - 1)^2] at x_hat = u x + (1 - u) G(z); Gulrajani et al. 2017, Algorithm 1, lines 6-7.

    Args:
        real, fake: [B, C, H, W].
        u: [B] uniform in [0, 1], one a pair.
    """
    u = u[:, None, None, None]
    x_hat = (u * real + (1 - u) * fake).requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(x_hat).sum(), x_hat, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


class GAN:
    """Generator and discriminator, one phase each."""

    conditional = False
    averaged = ("generator",)
    twice_differentiated = ("discriminator",)  # torch.compile does not support the penalty's double backward

    def __init__(self, settings: Settings, net: ModuleType, channels: int) -> None:
        s = self.settings = settings
        self.latent_shape = (s.latent_dim,)
        self.generator = net.Generator(channels, s.width, s.latent_dim, s.batch_norm)
        self.discriminator = net.Discriminator(channels, s.width, s.batch_norm, s.activation)
        self.modules = nn.ModuleDict({"generator": self.generator, "discriminator": self.discriminator})
        if s.init_std:
            self.modules.apply(self._initialise)

    def _initialise(self, module: nn.Module) -> None:
        """Radford et al. 2016, section 4: all weights from N(0, 0.02); BatchNorm's gain around 1."""
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, self.settings.init_std)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, self.settings.init_std)

    def phases(self) -> list[Phase]:
        s = self.settings
        betas = (s.betas[0], s.betas[1])
        adams = {n: torch.optim.Adam(m.parameters(), lr=s.lr, betas=betas, fused=True) for n, m in self.modules.items()}

        def decay(update: int, updates: int) -> float:
            return 1.0 if s.lr_decay == "none" else max(0.0, 1 - update / updates)

        return [
            Phase(
                "discriminator", self.discriminator, adams["discriminator"], self._discriminator_loss,
                lr_scale=lambda step: decay(step, s.decay_steps.discriminator),
            ),
            Phase(
                "generator", self.generator, adams["generator"], self._generator_loss, every=s.generator_every,
                lr_scale=lambda step: decay(step // s.generator_every, s.decay_steps.generator),
            ),
        ]  # fmt: skip

    def _shown(self, outputs: Tensor) -> Tensor:
        """Mean D for the curves: a probability for the cross-entropy losses, the raw score for the others."""
        return (outputs if self.settings.loss in ("lsgan", "wgan_gp") else outputs.sigmoid()).mean()

    def _noise(self, batch: Batch, rng: torch.Generator) -> Tensor:
        shape = (len(batch.images), *self.latent_shape)
        return torch.randn(shape, generator=rng, device=batch.images.device)

    def _discriminator_loss(self, batch: Batch, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.no_grad():
            x_fake = self.generator(self._noise(batch, rng))
        real, fake = self.discriminator(batch.images), self.discriminator(x_fake)
        loss = discriminator_loss(self.settings.loss, real, fake)
        terms = {"discriminator_loss": loss, "d_real": self._shown(real), "d_fake_before": self._shown(fake)}
        if self.settings.loss == "wgan_gp":
            u = torch.rand(len(real), generator=rng, device=real.device)
            penalty = gradient_penalty(self.discriminator, batch.images, x_fake, u)
            loss, terms = loss + self.settings.penalty * penalty, terms | {"gradient_penalty": penalty}
        return loss, terms

    def _generator_loss(self, batch: Batch, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        fake = self.discriminator(self.generator(self._noise(batch, rng)))
        loss = generator_loss(self.settings.loss, fake)
        return loss, {"generator_loss": loss, "d_fake_after": self._shown(fake)}

    def validate(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """D on held-out images beside D on samples: a discriminator that memorises scores the former low."""
        fake = self.discriminator(self.generator(self._noise(batch, rng)))
        return {"d_real": self._shown(self.discriminator(batch.images)), "d_fake": self._shown(fake)}

    def draw(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Images [B, C, 32, 32] in [-1, 1] for z [B, latent_dim] standard normal; `labels` is None."""
        return self.generator(z)


def build(settings: Settings, net: ModuleType, channels: int, classes: int) -> GAN:
    """An untrained GAN; `net` has Generator and Discriminator (see nets/dcgan.py)."""
    return GAN(settings, net, channels)
