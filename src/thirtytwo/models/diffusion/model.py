"""Denoising diffusion (Ho et al. 2020): forward process, predictions, training losses, classifier-free guidance.

With an autoencoder it models codes instead of pixels: latent diffusion (Rombach et al. 2022).

Timesteps are counted from 1 to T as in the paper; the network receives t - 1, as in all public code, so that published
weights can be used. The schedule is a constant, neither parameter nor buffer, so that averaging and checkpoints do not
affect it.
"""

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from thirtytwo.models.contract import Batch, Phase, even_fractions, warm_up
from thirtytwo.models.diffusion import bound, schedules
from thirtytwo.models.diffusion.latent import Autoencoder, LatentSpace
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.settings.diffusion import DiffusionSettings

__all__ = ["Diffusion", "build"]


class Diffusion:
    """A denoiser, its forward process and its loss.

    Args:
        net: maps x_t [B, *shape], t - 1 [B] and labels [B] or None to the prediction, shaped as x_t.
        schedule: variances of the forward process.
        settings: settings of the family block.
        classes: number of classes; the label `classes` is the null class.
        shape: shape of x_0, an image or a code.
        latent_space: encodes images to x_0; None: x_0 is the image.
    """

    averaged: tuple[str, ...] = ("denoiser",)
    twice_differentiated: tuple[str, ...] = ()

    def __init__(
        self, net: nn.Module, schedule: schedules.Schedule, settings: DiffusionSettings, classes: int,
        shape: tuple[int, ...], latent_space: LatentSpace | None,
    ):  # fmt: skip
        self.shape, self.latent_space = shape, latent_space
        first_stage = {} if latent_space is None else {"first_stage": latent_space}
        self.modules = nn.ModuleDict({"denoiser": net} | first_stage)
        self.schedule, self.settings = schedule, settings
        self.conditional, self.classes = settings.conditional, classes
        self.step_weights = torch.from_numpy(bound.step_weights(schedule)).float()
        self.tables: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def adopt(self, weights: dict[str, Any], images: Tensor) -> None:
        """Load the weights of a trained autoencoder and compute the statistics of its codes of training images."""
        assert self.latent_space is not None
        self.latent_space.networks.load_state_dict(weights)
        self.latent_space.eval()
        self.latent_space.fit(images)

    def phases(self) -> list[Phase]:
        """Return the single objective, optimised by Adam with warm-up (Ho et al. 2020, appendix B: 5000 steps)."""
        settings, net = self.settings, self.modules["denoiser"]
        betas = (settings.betas[0], settings.betas[1])
        optimiser = torch.optim.Adam(net.parameters(), lr=settings.lr, betas=betas, fused=True)
        return [Phase("denoiser", net, optimiser, self.loss, lr_scale=warm_up(settings.warmup))]

    def loss(self, batch: Batch, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss at a random timestep per image: t uniform on 1 ... T, epsilon ~ N(0, I).

        It is L_simple (Ho et al. eq. 14), or the bound (eq. 5) in bits per dimension without its constant L_T.
        """
        T, x0 = self.schedule.timesteps, self._data(batch, rng)
        t = batch.random(lambda n: torch.randint(1, T + 1, (n,), generator=rng, device=x0.device))
        labels = batch.drop_labels(self.settings.label_dropout, self.classes, rng)
        loss = self._error(x0, t, batch.normal_like(x0, rng), labels).mean()
        return loss, {"loss": loss.detach()}

    @torch.no_grad()
    def validate(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Return the mean loss over timesteps spread evenly over 1 ... T, the same at every call for a smooth curve."""
        T, B = self.schedule.timesteps, len(batch.images)
        t = even_fractions(B).mul(T).long().add(1).to(batch.images.device)
        net = self.modules["denoiser"]
        training = net.training
        net.eval()
        x0 = self._data(batch, rng)
        loss = self._error(x0, t, batch.normal_like(x0, rng), batch.labels).mean()
        net.train(training)
        return {"loss": loss}

    def denoise(self, x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        """Estimate x_0, unclipped, from x_t [B, *shape], t [B] in 1 ... T and labels [B] or None.

        Samplers derive epsilon from it by `x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) epsilon`: this direction
        is well conditioned at all noise levels and remains valid after x_0 is clipped.
        """
        prediction = self.modules["denoiser"](x, t - 1, labels if self.conditional else None).to(x.dtype)
        return self.to_x0(prediction, x, t)

    def classifier_free_guidance(self, weight: float) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
        """Return `denoise` with classifier-free guidance of the given weight (Ho & Salimans 2022, eq. 6).

        The equation is stated for epsilon. At a given x_t the estimate of x_0 is affine in epsilon, so it holds for x_0
        as well. Weight 0 returns `denoise` itself, which evaluates the network once instead of twice.
        """
        if weight == 0:
            return self.denoise

        def denoise(x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
            assert labels is not None
            null_class = torch.full_like(labels, self.classes)
            return (1 + weight) * self.denoise(x, t, labels) - weight * self.denoise(x, t, null_class)

        return denoise

    def images(self, x0: Tensor, labels: Tensor | None) -> Tensor:
        """Return the images [B, C, 32, 32] of x_0 [B, *shape]: x_0 itself, or decoded codes."""
        return x0 if self.latent_space is None else self.latent_space.decode(x0, labels)

    def noised(self, x0: Tensor, t: Tensor, epsilon: Tensor) -> Tensor:
        """Return x_t ~ q(x_t | x_0) for t [B] in 0 ... T (Ho et al. eq. 4)."""
        signal, noise = self._scales(t, x0)
        return signal * x0 + noise * epsilon

    def target(self, x0: Tensor, t: Tensor, epsilon: Tensor) -> Tensor:
        """Return the regression target of the network: epsilon, x_0 or v.

        v = sqrt(alpha_bar_t) epsilon - sqrt(1 - alpha_bar_t) x_0 (Salimans & Ho 2022, section 4).
        """
        if self.settings.prediction == "v":
            signal, noise = self._scales(t, x0)
            return signal * epsilon - noise * x0
        return epsilon if self.settings.prediction == "epsilon" else x0

    def to_x0(self, prediction: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """Convert a prediction at x_t to an estimate of x_0, the inverse of `target`."""
        signal, noise = self._scales(t, x)
        if self.settings.prediction == "v":
            return signal * x - noise * prediction
        return (x - noise * prediction) / signal if self.settings.prediction == "epsilon" else prediction

    def _data(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """Return x_0 of a batch: its images or their codes."""
        return batch.images if self.latent_space is None else self.latent_space.encode(batch, rng)

    def _error(self, x0: Tensor, t: Tensor, epsilon: Tensor, labels: Tensor) -> Tensor:
        """Return the error of every value of x_0 at timesteps `t` [B] with noise `epsilon`."""
        x = self.noised(x0, t, epsilon)
        prediction = self.modules["denoiser"](x, t - 1, labels if self.conditional else None).float()
        if self.settings.weighting == "variational":
            return self.schedule.timesteps * self._bits(x0, self.to_x0(prediction, x, t), t)
        measure = F.mse_loss if self.settings.loss == "l2" else F.l1_loss
        return measure(prediction, self.target(x0, t, epsilon), reduction="none")

    def _bits(self, x0: Tensor, x0_hat: Tensor, t: Tensor) -> Tensor:
        """Return L_{t-1} of Ho et al. eq. 5 in bits, per element: a KL divergence, or for t = 1 the decoder's term."""
        weights = self.step_weights.to(x0.device)[t].view(-1, 1, 1, 1)
        steps = weights / math.log(2) * (x0 - x0_hat).square()
        decoder = bound.decoder_bits(x0, x0_hat, bound.decoder_sigma(self.schedule))
        return torch.where((t == 1).view(-1, 1, 1, 1), decoder, steps)

    def _scales(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return sqrt(alpha_bar_t) and sqrt(1 - alpha_bar_t), each [B, 1, 1, 1], with dtype and device of `like`."""
        key = like.device, like.dtype
        if key not in self.tables:
            alpha_bars = self.schedule.alpha_bars
            self.tables[key] = torch.from_numpy(np.sqrt([alpha_bars, 1 - alpha_bars])).to(like.dtype).to(like.device)
        signal, noise = self.tables[key][:, t]
        return signal.view(-1, 1, 1, 1), noise.view(-1, 1, 1, 1)


def build(
    settings: DiffusionSettings, net: ModuleType, channels: int, classes: int, autoencoder: Autoencoder | None = None
) -> Diffusion:
    """Build an untrained model of images, or of the codes of `autoencoder`; `net` has `build` (see nets/unet.py).

    Raises:
        ParamsError: the codes are not square feature maps, or the settings do not fit them.
    """
    schedule = schedules.make(settings.schedule, settings.timesteps, settings.beta_start, settings.beta_end)
    shape = (channels, 32, 32) if autoencoder is None else autoencoder.latent_shape
    if len(shape) != 3 or shape[1] != shape[2]:
        raise ParamsError(
            f"parent: codes have shape {list(shape)}; expected feature maps [C, side, side], such as those of cond_vae"
        )
    if autoencoder is not None and settings.weighting == "variational":
        raise ParamsError("weighting: 'variational' needs pixels, but this run models codes; set weighting: simple")
    if autoencoder is not None and autoencoder.conditional and not settings.conditional:
        raise ParamsError("conditional: false, but the decoder of the parent run takes labels; set conditional: true")
    try:
        denoiser = net.build(settings, shape[0], shape[1], classes if settings.conditional else 0)
    except ValueError as error:
        raise ParamsError(f"width_multipliers, patch: {error}") from None
    latent_space = None if autoencoder is None else LatentSpace(autoencoder)
    return Diffusion(denoiser, schedule, settings, classes, shape, latent_space)
