"""Generative adversarial networks with minimax, non-saturating, least-squares, WGAN-GP and relativistic losses."""

import math
from collections.abc import Callable
from types import ModuleType
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from thirtytwo.models.contract import Batch, Phase
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.settings.gan import GANLoss, GANSettings

__all__ = [
    "GAN", "LabelChannels", "build", "discriminator_loss", "generator_loss", "gradient_penalty", "zero_centred_penalty",
]  # fmt: skip


_OF_ONE_IMAGE = ("wgan_gp", "relativistic")  # losses that penalise the gradient with respect to each image


def discriminator_loss(
    loss: GANLoss, real: Tensor, fake: Tensor, real_target: float = 1.0, fake_target: float = 0.0
) -> Tensor:
    """Return the discriminator's loss, averaged over the batch.

    Minimax and non-saturating: the negative of Goodfellow et al. 2014, eq. 1, a cross-entropy with targets 1 and 0, or
    with smoothed targets (Salimans et al. 2016, section 3.4). LSGAN: Mao et al. 2017, eq. 2 with a = fake_target and
    b = real_target. WGAN-GP: Gulrajani et al. 2017, Algorithm 1, without the penalty. Relativistic: the pairing
    loss E[-log sigmoid(D(x) - D(G(z)))] of the pairs (real[i], fake[i]) (Jolicoeur-Martineau 2019; Huang et al. 2024,
    section 2), without the penalties. The last two ignore the targets.

    Args:
        real, fake: [B] outputs of the discriminator before any sigmoid.
    """
    if loss == "lsgan":
        return 0.5 * (real - real_target).square().mean() + 0.5 * (fake - fake_target).square().mean()
    if loss == "wgan_gp":
        return fake.mean() - real.mean()
    if loss == "relativistic":
        return F.softplus(fake - real).mean()
    return _cross_entropy(real, real_target) + _cross_entropy(fake, fake_target)


def _cross_entropy(logits: Tensor, target: float) -> Tensor:
    """Return -t log D - (1 - t) log(1 - D), where -log D = softplus(-logit) and -log(1 - D) = softplus(logit)."""
    return (target * F.softplus(-logits) + (1 - target) * F.softplus(logits)).mean()


def generator_loss(loss: GANLoss, real: Tensor, fake: Tensor) -> Tensor:
    """Return the generator's loss, averaged over the batch; `real` and `fake` [B] as in `discriminator_loss`.

    Minimax is E[log(1 - D(G(z)))]; non-saturating is -E[log D(G(z))] (Goodfellow et al. 2014, section 3).
    LSGAN: Mao et al. 2017, eq. 2 with c = 1. WGAN: -E[D(G(z))]. Relativistic: the
    discriminator's loss with the roles exchanged, the only one that depends on `real`.
    """
    if loss == "lsgan":
        return 0.5 * (fake - 1).square().mean()
    if loss == "wgan_gp":
        return -fake.mean()
    if loss == "relativistic":
        return F.softplus(real - fake).mean()
    return -F.softplus(fake).mean() if loss == "minimax" else F.softplus(-fake).mean()


def gradient_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, u: Tensor) -> Tensor:
    """Return E[(||grad D(x_hat)||_2 - 1)^2] at x_hat = u x + (1 - u) G(z) (Gulrajani et al. 2017, Algorithm 1, l. 6-7).

    Args:
        real, fake: [B, C, H, W].
        u: [B] uniform in [0, 1], one per pair.
    """
    u = u[:, None, None, None]
    x_hat = (u * real + (1 - u) * fake).requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(x_hat).sum(), x_hat, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def zero_centred_penalty(discriminator: Callable[[Tensor], Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
    """Return D(x) [B] and E[||grad D(x)||^2] / 2: R1 on real images, R2 on samples (Mescheder et al. 2018, section 4.1).

    Args:
        images: [B, C, H, W].
    """
    x = images.detach().requires_grad_(True)
    outputs = discriminator(x)
    (gradient,) = torch.autograd.grad(outputs.sum(), x, create_graph=True)
    return outputs, gradient.square().sum(dim=(1, 2, 3)).mean() / 2


class LabelChannels(nn.Module):
    """A network conditioned on the label by an embedding that is tiled to extra channels of its input."""

    def __init__(self, net: nn.Module, classes: int, label_channels: int) -> None:
        super().__init__()
        self.net = net
        self.embedding = nn.Embedding(classes, label_channels)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """Apply the network to x [B, C, H, W] or [B, D] with labels [B] int64."""
        e = self.embedding(labels)  # [B, E]
        e = e[(...,) + (None,) * (x.ndim - 2)].expand(-1, -1, *x.shape[2:])  # [B, E, H, W]
        return self.net(torch.cat([x, e], dim=1))


class GAN:
    """A generator and a discriminator, trained in one phase each."""

    averaged: tuple[str, ...] = ("generator",)
    twice_differentiated: tuple[str, ...] = (
        "discriminator",
    )  # torch.compile does not support the penalties' double backward

    def __init__(self, settings: GANSettings, net: ModuleType, channels: int, classes: int) -> None:
        s = self.settings = settings
        self.latent_shape = (s.latent_dim,)
        self.conditional = s.conditional
        extra = s.label_channels if s.conditional else 0
        generator = net.Generator(channels, s.width, s.multipliers, s.latent_dim + extra, s.batch_norm)
        width = s.discriminator_width or s.width
        discriminator = net.Discriminator(channels + extra, width, s.batch_norm, s.activation)
        if s.loss in _OF_ONE_IMAGE and any(
            isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in discriminator.modules()
        ):
            raise ParamsError(
                f"batch_norm: true, but the gradient penalty of loss '{s.loss}' is of single images, and this network's "
                "discriminator would mix those of a batch; set batch_norm: false or choose another net"
            )
        self.modules = nn.ModuleDict({"generator": generator, "discriminator": discriminator})
        if s.init_std:
            self.modules.apply(self._initialise)
        if s.init_mean:
            layers = [m for m in generator.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
            nn.init.constant_(cast(Tensor, layers[-1].bias), math.atanh(s.init_mean))
        if s.conditional:
            for name, module in list(self.modules.items()):
                self.modules[name] = LabelChannels(module, classes, s.label_channels)

    def _initialise(self, module: nn.Module) -> None:
        """Draw weights from N(0, init_std), gains of BatchNorm around 1 (Radford et al. 2016, section 4)."""
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, self.settings.init_std)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, self.settings.init_std)

    def phases(self) -> list[Phase]:
        s = self.settings
        betas = (s.betas[0], s.betas[1])
        adams = {n: torch.optim.Adam(m.parameters(), lr=s.lr, betas=betas, fused=True) for n, m in self.modules.items()}

        def decay(update: int, updates: int) -> float:
            return 1.0 if s.lr_decay == "none" else max(0.0, 1 - update / updates)

        return [
            Phase(
                "discriminator", self.modules["discriminator"], adams["discriminator"], self._discriminator_loss,
                lr_scale=lambda step: decay(step, s.decay_steps.discriminator),
            ),
            Phase(
                "generator", self.modules["generator"], adams["generator"], self._generator_loss,
                every=s.generator_every,
                lr_scale=lambda step: decay(step // s.generator_every, s.decay_steps.generator),
            ),
        ]  # fmt: skip

    @property
    def gives_probability(self) -> bool:
        """Whether `score` estimates D* = p / (p + q): true of the cross-entropy and LSGAN losses alone."""
        return self.settings.loss in ("minimax", "non_saturating", "lsgan")

    def score(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """Return D(x) [B] of images [B, C, 32, 32]: a probability for cross-entropy losses, else the raw output."""
        return self._to_score(self.discriminate(images, labels))

    def _to_score(self, outputs: Tensor) -> Tensor:
        """Convert the discriminator's outputs before any sigmoid to D."""
        return outputs.sigmoid() if self.settings.loss in ("minimax", "non_saturating") else outputs

    def _generate(self, batch: Batch, rng: torch.Generator) -> Tensor:
        device = batch.images.device
        z = batch.random(lambda n: torch.randn((n, *self.latent_shape), generator=rng, device=device))
        return self.draw(z, batch.labels)

    def discriminate(self, images: Tensor, labels: Tensor | None) -> Tensor:
        """Return the discriminator's outputs [B] before any sigmoid."""
        discriminator = self.modules["discriminator"]
        return discriminator(images, labels) if self.conditional else discriminator(images)

    def _add_instance_noise(self, images: Tensor, batch: Batch, rng: torch.Generator) -> Tensor:
        """Add instance noise (Soenderby et al. 2017), which decreases linearly to 0 during training."""
        if not self.settings.input_noise:
            return images
        noise = batch.random(lambda n: torch.randn((n, *images.shape[1:]), generator=rng, device=images.device))
        return images + self.settings.input_noise * (1 - batch.progress) * noise

    def _discriminator_loss(self, batch: Batch, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        s = self.settings
        with torch.no_grad():
            x_fake = self._generate(batch, rng)
        x_real, x_fake = (self._add_instance_noise(x, batch, rng) for x in (batch.images, x_fake))

        def discriminator(x: Tensor) -> Tensor:
            return self.discriminate(x, batch.labels)

        penalised = s.loss in _OF_ONE_IMAGE and batch.step % s.penalty_every == 0
        if penalised and s.loss == "relativistic":
            (real, r1), (fake, r2) = (
                zero_centred_penalty(discriminator, x_real),
                zero_centred_penalty(discriminator, x_fake),
            )
            penalty = r1 + r2
        else:
            real, fake = discriminator(x_real), discriminator(x_fake)
        loss = discriminator_loss(s.loss, real, fake, s.real_target, s.fake_target)
        d_real, d_fake = self._to_score(real).mean(), self._to_score(fake).mean()
        terms = {"discriminator_loss": loss, "d_real": d_real, "d_fake_before": d_fake}
        if penalised and s.loss == "wgan_gp":
            u = batch.random(lambda n: torch.rand(n, generator=rng, device=real.device))
            penalty = gradient_penalty(discriminator, x_real, x_fake, u)
        if penalised:
            loss, terms = loss + s.penalty_every * s.penalty * penalty, terms | {"gradient_penalty": penalty}
        return loss, terms

    def _generator_loss(self, batch: Batch, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        x_fake = self._add_instance_noise(self._generate(batch, rng), batch, rng)
        real = fake = self.discriminate(x_fake, batch.labels)
        if self.settings.loss == "relativistic":
            real = self.discriminate(self._add_instance_noise(batch.images, batch, rng), batch.labels)
        loss = generator_loss(self.settings.loss, real, fake)
        return loss, {"generator_loss": loss, "d_fake_after": self._to_score(fake).mean()}

    def validate(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Return the mean D of held-out images and of samples; memorisation shows as a low D of held-out images."""
        real, fake = batch.images, self._generate(batch, rng)
        return {"d_real": self.score(real, batch.labels).mean(), "d_fake": self.score(fake, batch.labels).mean()}

    def run_averaged(self, averaged: nn.ModuleDict, labels: Tensor, rng: torch.Generator) -> None:
        """Generate images with the averaged generator, see `contract.NormalisedFamily`."""
        z = torch.randn((len(labels), *self.latent_shape), generator=rng, device=labels.device)
        averaged["generator"](z, labels) if self.conditional else averaged["generator"](z)

    def draw(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """Generate images [B, C, 32, 32] in [-1, 1] from z [B, latent_dim], with labels [B] if conditional."""
        generator = self.modules["generator"]
        return generator(z, labels) if self.conditional else generator(z)


def build(settings: GANSettings, net: ModuleType, channels: int, classes: int) -> GAN:
    """Build an untrained GAN; `net` has Generator and Discriminator (see nets/dcgan.py)."""
    return GAN(settings, net, channels, classes)
