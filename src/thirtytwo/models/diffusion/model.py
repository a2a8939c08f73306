"""Denoising diffusion (Ho et al. 2020): the forward process, the predictions, the training losses, guidance.

With a first stage it works on an autoencoder's codes instead of pixels: latent diffusion (Rombach et al. 2022).

Timesteps are counted from 1 to T as in the paper; the network is given t - 1, as in all public code, so that
published weights fit. The schedule is a constant of the family: it is no parameter and no buffer, so that neither
averaging nor a checkpoint can touch it.
"""

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from thirtytwo.models.contract import Batch, Phase
from thirtytwo.models.diffusion import bound, schedules
from thirtytwo.models.diffusion.latent import Autoencoder, FirstStage
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.settings.diffusion import DiffusionSettings

__all__ = ["Diffusion", "build"]


class Diffusion:
    """A denoiser, its forward process and its loss.

    Args:
        net: maps x_t [B, *shape], t - 1 [B] and labels [B] or None to the prediction, shaped as x_t.
        schedule: the variances.
        settings: of the block.
        classes: of the data set; as a label, `classes` is the null class.
        shape: of x_0: an image's, or a code's.
        first: whose codes x_0 are; None: x_0 are images.
    """

    averaged: tuple[str, ...] = ("denoiser",)

    def __init__(
        self, net: nn.Module, schedule: schedules.Schedule, settings: DiffusionSettings, classes: int, shape: tuple[int, ...],
        first: FirstStage | None,
    ):  # fmt: skip
        self.shape, self.first = shape, first
        self.modules = nn.ModuleDict({"denoiser": net} if first is None else {"denoiser": net, "first_stage": first})
        self.schedule, self.settings = schedule, settings
        self.conditional, self.classes = settings.conditional, classes
        self.step_weights = torch.from_numpy(bound.step_weights(schedule)).float()
        self.tables: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def adopt(self, weights: dict[str, Any], images: Tensor) -> None:
        """Take the weights of a trained autoencoder, and the statistics of its codes of training images."""
        assert self.first is not None
        self.first.networks.load_state_dict(weights)
        self.first.eval()
        self.first.fit(images)

    def phases(self) -> list[Phase]:
        """The one objective, by Adam with a warm-up (Ho et al. 2020, appendix B: 5000 steps)."""
        settings, net = self.settings, self.modules["denoiser"]
        betas = (settings.betas[0], settings.betas[1])
        optimiser = torch.optim.Adam(net.parameters(), lr=settings.lr, betas=betas, fused=True)
        return [Phase("denoiser", net, optimiser, self.loss, lr_scale=self._lr_scale)]

    def loss(self, batch: Batch, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """t uniform on 1 ... T for each image on its own, epsilon ~ N(0, I).

        L_simple (Ho et al. eq. 14), or the bound (eq. 5) in bits per dimension but for its constant L_T.
        """
        T, x0 = self.schedule.timesteps, self._data(batch, rng)
        t = batch.draw(lambda n: torch.randint(1, T + 1, (n,), generator=rng, device=x0.device))
        labels = self._dropped(batch, rng)
        loss = self._error(x0, t, batch.normal_like(x0, rng), labels).mean()
        return loss, {"loss": loss.detach()}

    @torch.no_grad()
    def validate(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """The mean loss at timesteps spread evenly over 1 ... T, the same at every call, hence a smooth curve."""
        T, B = self.schedule.timesteps, len(batch.images)
        # The golden-ratio sequence is even over any run of images, so that no class has timesteps of its own.
        spread = torch.arange(B, dtype=torch.float64).add(0.5).mul(0.6180339887498949).frac()
        t = spread.mul(T).long().add(1).to(batch.images.device)
        net = self.modules["denoiser"]
        training = net.training
        net.eval()
        x0 = self._data(batch, rng)
        loss = self._error(x0, t, batch.normal_like(x0, rng), batch.labels).mean()
        net.train(training)
        return {"loss": loss}

    def denoise(self, x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        """The network's estimate of x_0, not clipped, for x_t [B, C, 32, 32], t [B] in 1 ... T, labels [B] or None.

        Samplers derive epsilon from it by `x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) epsilon`. This is
        the direction that is well conditioned at all noise levels, and the one that stays true once x_0 is clipped.
        """
        prediction = self.modules["denoiser"](x, t - 1, labels if self.conditional else None).to(x.dtype)
        return self.to_x0(prediction, x, t)

    def guided_denoiser(self, weight: float) -> Callable[[Tensor, Tensor, Tensor | None], Tensor]:
        """`denoise` with classifier-free guidance (Ho & Salimans 2022, eq. 6; 0: none, and no second evaluation).

        The equation is for epsilon. At a given x_t the estimate of x_0 is linear in it, so it holds for x_0 as well.
        """
        if weight == 0:
            return self.denoise

        def denoise(x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
            assert labels is not None
            nobody = torch.full_like(labels, self.classes)
            return (1 + weight) * self.denoise(x, t, labels) - weight * self.denoise(x, t, nobody)

        return denoise

    def images(self, x0: Tensor, labels: Tensor | None) -> Tensor:
        """Images [B, C, 32, 32] of x_0 [B, *shape]: itself, or decoded."""
        return x0 if self.first is None else self.first.decode(x0, labels)

    def noised(self, x0: Tensor, t: Tensor, epsilon: Tensor) -> Tensor:
        """x_t ~ q(x_t | x_0) for t [B] in 0 ... T (Ho et al. eq. 4)."""
        signal, noise = self._scales(t, x0)
        return signal * x0 + noise * epsilon

    def target(self, x0: Tensor, t: Tensor, epsilon: Tensor) -> Tensor:
        """What the network is to predict.

        v = sqrt(alpha_bar_t) epsilon - sqrt(1 - alpha_bar_t) x_0 (Salimans & Ho 2022, section 4).
        """
        if self.settings.prediction == "v":
            signal, noise = self._scales(t, x0)
            return signal * epsilon - noise * x0
        return epsilon if self.settings.prediction == "epsilon" else x0

    def to_x0(self, prediction: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """The x_0 that a prediction at x_t means; inverse of `target`."""
        signal, noise = self._scales(t, x)
        if self.settings.prediction == "v":
            return signal * x - noise * prediction
        return (x - noise * prediction) / signal if self.settings.prediction == "epsilon" else prediction

    def _lr_scale(self, step: int) -> float:
        return min(1.0, (step + 1) / max(self.settings.warmup, 1))

    def _dropped(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """Labels [B], each the null class with probability `label_dropout` (Ho & Salimans 2022, algorithm 1)."""
        labels = batch.labels
        if not self.settings.label_dropout:
            return labels
        u = batch.draw(lambda n: torch.rand(n, generator=rng, device=labels.device))
        return labels.masked_fill(u < self.settings.label_dropout, self.classes)

    def _data(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """x_0 of a batch: its images, or their codes."""
        return batch.images if self.first is None else self.first.encode(batch, rng)

    def _error(self, x0: Tensor, t: Tensor, epsilon: Tensor, labels: Tensor) -> Tensor:
        """The error of every pixel at timesteps `t` [B] with noise `epsilon`, weighted as the settings say."""
        x = self.noised(x0, t, epsilon)
        prediction = self.modules["denoiser"](x, t - 1, labels if self.conditional else None).float()
        if self.settings.weighting == "variational":
            return self.schedule.timesteps * self._bits(x0, self.to_x0(prediction, x, t), t)
        measure = F.mse_loss if self.settings.loss == "l2" else F.l1_loss
        return measure(prediction, self.target(x0, t, epsilon), reduction="none")

    def _bits(self, x0: Tensor, x0_hat: Tensor, t: Tensor) -> Tensor:
        """L_{t-1} of Ho et al. eq. 5 in bits, per element: a Kullback-Leibler divergence, or for t = 1 the decoder's."""
        weights = self.step_weights.to(x0.device)[t].view(-1, 1, 1, 1)
        steps = weights / math.log(2) * (x0 - x0_hat).square()
        decoder = bound.decoder_bits(x0, x0_hat, bound.decoder_sigma(self.schedule))
        return torch.where((t == 1).view(-1, 1, 1, 1), decoder, steps)

    def _scales(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """sqrt(alpha_bar_t) and sqrt(1 - alpha_bar_t), each [B, 1, 1, 1] of the dtype of `like`."""
        key = like.device, like.dtype
        if key not in self.tables:
            alpha_bars = self.schedule.alpha_bars
            self.tables[key] = torch.from_numpy(np.sqrt([alpha_bars, 1 - alpha_bars])).to(like.dtype).to(like.device)
        signal, noise = self.tables[key][:, t]
        return signal.view(-1, 1, 1, 1), noise.view(-1, 1, 1, 1)


def build(
    settings: DiffusionSettings, net: ModuleType, channels: int, classes: int, autoencoder: Autoencoder | None = None
) -> Diffusion:
    """An untrained model; `net` has `build` (see nets/unet.py). With `autoencoder` it models that one's codes.

    Raises:
        ParamsError: the codes are no square feature maps, or the settings do not fit them.
    """
    schedule = schedules.make(settings.schedule, settings.timesteps, settings.beta_start, settings.beta_end)
    shape = (channels, 32, 32) if autoencoder is None else autoencoder.latent_shape
    if len(shape) != 3 or shape[1] != shape[2]:
        raise ParamsError(f"needs: codes of shape {list(shape)}; expected feature maps [C, side, side], as of cond_vae")
    if autoencoder is not None and settings.weighting == "variational":
        raise ParamsError("weighting: the bound is of pixels, not of codes; set weighting: simple")
    if autoencoder is not None and autoencoder.conditional and not settings.conditional:
        raise ParamsError("conditional: the autoencoder that this run needs decodes by label; set conditional: true")
    try:
        denoiser = net.build(settings, shape[0], shape[1], classes if settings.conditional else 0)
    except ValueError as error:
        raise ParamsError(f"width_multipliers, patch: {error}") from None
    first = None if autoencoder is None else FirstStage(autoencoder)
    return Diffusion(denoiser, schedule, settings, classes, shape, first)
