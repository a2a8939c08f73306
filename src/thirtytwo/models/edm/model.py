"""EDM (Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models") and consistency tuning.

Noise of standard deviation sigma is added to an image: x = x_0 + sigma epsilon. A network in a preconditioner predicts the
image from it (Karras et al. eq. 7):

    D(x; sigma) = c_skip(sigma) x + c_out(sigma) F(c_in(sigma) x; c_noise(sigma))

A network that predicts x_0 returns D itself: c_skip = 0 and c_out = 1, and then 1 is the weight of its error as well.

Trained to denoise, D is the mean image given x, and the probability flow dx/dsigma = (x - D(x; sigma)) / sigma leads from
noise to an image (eq. 1 with sigma(t) = t). Trained for consistency, D is the image at the end of that path, so that one
evaluation leads there. Tuning (Geng et al. 2024, "Consistency Models Made Easy") begins with the weights of a denoiser: it
asks for equal predictions at two noise levels t > r of one image and one noise, which at first lie far apart, with r = 0,
where D(x; 0) = x is the image itself, and draw near stage by stage. Without that identity, as for a network that predicts
x_0, one image for all noise would satisfy what tuning asks for.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from thirtytwo.models.contract import Batch, Phase, even_fractions, warm_up
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.settings.edm import EDMSettings

__all__ = ["EDM", "Denoise", "build", "earlier", "precondition"]

Denoise = Callable[[Tensor, Tensor], Tensor]  # D(x; sigma) for x [B, *shape] and sigma [B]

# Settings of the network, and of its preconditioner, which a run shares with the run that it begins with.
_NETWORK = (
    "width", "width_multipliers", "blocks", "attention_resolutions", "heads", "time_conditioning", "patch", "conditional",
    "prediction", "sigma_data",
)  # fmt: skip
_MAPPING_RANGE, _MAPPING_SLOPE = 8.0, 1.0  # k and b of Geng et al. 2024, for all their data sets


class EDM:
    """A denoiser or a consistency model, and its loss.

    Args:
        net: maps c_in x [B, C, 32, 32], c_noise [B] and labels [B] or None to F, of the shape of x.
        settings: settings of the family block.
        channels: of an image.
        classes: number of classes; the label `classes` is the null class.
    """

    averaged: tuple[str, ...] = ("denoiser",)
    twice_differentiated: tuple[str, ...] = ()

    def __init__(self, net: nn.Module, settings: EDMSettings, channels: int, classes: int) -> None:
        self.modules = nn.ModuleDict({"denoiser": net})
        self.settings, self.shape = settings, (channels, 32, 32)
        self.conditional, self.classes = settings.conditional, classes

    def adopt(self, weights: dict[str, Any], images: Tensor) -> None:
        """Begin with the weights of a trained model of the same network."""
        self.modules.load_state_dict(weights)

    def phases(self) -> list[Phase]:
        """Return the single objective, optimised by Adam with warm-up."""
        s, net = self.settings, self.modules["denoiser"]
        optimiser = torch.optim.Adam(net.parameters(), lr=s.lr, betas=(s.betas[0], s.betas[1]), fused=True)
        return [Phase("denoiser", net, optimiser, self.loss, lr_scale=warm_up(s.warmup))]

    def loss(self, batch: Batch, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss at a random noise level per image, log sigma ~ N(noise_mean, noise_std^2) (Karras et al. table 1)."""
        s, x0 = self.settings, batch.images
        labels = batch.drop_labels(s.label_dropout, self.classes, rng) if s.conditional else batch.labels
        noise = batch.normal_like(x0, rng)
        normal = batch.random(lambda n: torch.randn(n, generator=rng, device=x0.device))
        sigma = (s.noise_mean + s.noise_std * normal).exp()
        loss = self._errors(x0, noise, sigma, labels, int(batch.progress * s.stages)).mean()
        return loss, {"loss": loss.detach()}

    @torch.no_grad()
    def validate(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Return the loss, of the last stage, at noise levels spread evenly over their distribution in training."""
        s, x0 = self.settings, batch.images
        normal = torch.special.ndtri(even_fractions(len(x0))).to(x0.dtype).to(x0.device)
        sigma = (s.noise_mean + s.noise_std * normal).exp()
        return {"loss": self._errors(x0, batch.normal_like(x0, rng), sigma, batch.labels, s.stages - 1).mean()}

    def denoise(self, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        """Return D(x; sigma) for x [B, *shape], sigma [B] > 0 and labels [B] or None."""
        *scales, c_noise = precondition(sigma, self.settings.sigma_data)
        c_skip, c_out, c_in = (scale.view(-1, *[1] * (x.ndim - 1)) for scale in scales)
        F = self.modules["denoiser"](c_in * x, c_noise, labels if self.conditional else None).to(x.dtype)
        return F if self.settings.prediction == "x0" else c_skip * x + c_out * F

    def classifier_free_guidance(self, weight: float, labels: Tensor | None) -> Denoise:
        """Return D for these labels [B] with guidance (Ho & Salimans 2022, eq. 6, for predicted images).

        At a given x the image is affine in epsilon, for which that equation is stated. Weight 0 evaluates the network once
        instead of twice.
        """

        def guided(x: Tensor, sigma: Tensor) -> Tensor:
            conditional = self.denoise(x, sigma, labels)
            if weight == 0:
                return conditional
            assert labels is not None
            null = torch.full_like(labels, self.classes)
            return (1 + weight) * conditional - weight * self.denoise(x, sigma, null)

        return guided

    def _errors(self, x0: Tensor, noise: Tensor, sigma: Tensor, labels: Tensor, stage: int) -> Tensor:
        """Return the weighted error [B] of each image.

        The weight is 1 / c_out^2 (Karras et al. section 5), or for a pair of noise levels 1 / (t - r).
        """
        s, c_out = self.settings, precondition(sigma, self.settings.sigma_data)[1]
        weight = torch.ones_like(sigma) if s.prediction == "x0" else 1 / c_out**2
        if s.objective == "denoising":
            return weight * (self.denoise(noised(x0, noise, sigma), sigma, labels) - x0).square().flatten(1).mean(1)
        r = earlier(sigma, stage, s.stage_factor)
        if s.pair_weighting == "step":
            weight = 1 / (sigma - r)
        # Both predictions drop the same units, or they could not be equal (Song & Dhariwal 2024, section 3.1).
        with torch.random.fork_rng([x0.device] if x0.is_cuda else []):
            target = self._target(x0, noise, r, labels)
        return weight * self._distance(self.denoise(noised(x0, noise, sigma), sigma, labels) - target)

    @torch.no_grad()
    def _target(self, x0: Tensor, noise: Tensor, r: Tensor, labels: Tensor) -> Tensor:
        """Return D(x_0 + r epsilon; r), without gradient; x_0 for r = 0."""
        noisy = r > 0
        if not noisy.any():
            return x0
        target = self.denoise(noised(x0, noise, r), torch.where(noisy, r, 1.0), labels)  # 1: any level, for r = 0
        return torch.where(noisy.view(-1, *[1] * (x0.ndim - 1)), target, x0)

    def _distance(self, difference: Tensor) -> Tensor:
        """Return the mean square [B] over values, or sqrt(mean square + c^2) - c, the pseudo-Huber distance.

        That is the distance of Song & Dhariwal 2024 (eq. 7), divided by the square root of the number of values.
        """
        square, c = difference.square().flatten(1).mean(1), self.settings.huber
        return square if self.settings.distance == "squared" else (square + c**2).sqrt() - c


def noised(x0: Tensor, noise: Tensor, sigma: Tensor) -> Tensor:
    """Return x_0 + sigma epsilon for sigma [B]."""
    return x0 + sigma.view(-1, *[1] * (x0.ndim - 1)) * noise


def precondition(sigma: Tensor, sigma_data: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return c_skip, c_out, c_in and c_noise for sigma [B] (Karras et al. 2022, table 1).

    With them, the network's inputs and targets have variance 1 for data of variance sigma_data^2, and its errors count
    least in D.
    """
    variance = sigma**2 + sigma_data**2
    return sigma_data**2 / variance, sigma * sigma_data / variance.sqrt(), 1 / variance.sqrt(), sigma.log() / 4


def earlier(t: Tensor, stage: int, factor: float) -> Tensor:
    """Return the noise level r < t that t is compared with: r / t = 1 - n(t) / q^a, at least 0 (Geng et al. 2024, section 3).

    n(t) = 1 + k sigmoid(-b t) makes the steps of low noise levels longer. Stage a = 0 has r = 0 everywhere.
    """
    n = 1 + _MAPPING_RANGE * torch.sigmoid(-_MAPPING_SLOPE * t)
    return t * (1 - n / factor**stage).clamp(min=0)


def build(
    settings: EDMSettings, net: ModuleType, channels: int, classes: int, parent: EDM | None = None
) -> EDM:  # fmt: skip
    """Build an untrained model, which may begin with the weights of `parent`; `net` has `build` (see nets/unet.py).

    Raises:
        ParamsError: the network does not fit the settings or differs from the parent's.
    """
    for key in _NETWORK:
        value, expected = (getattr(one, key) for one in (settings, parent.settings if parent else settings))
        if value != expected:
            raise ParamsError(f"{key}: {value}, but the parent's network has {expected}; set {key}: {expected}")
    try:
        network = net.build(settings, channels, 32, classes if settings.conditional else 0)
    except ValueError as error:
        raise ParamsError(f"width_multipliers, patch: {error}") from None
    return EDM(network, settings, channels, classes)
