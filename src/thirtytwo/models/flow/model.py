"""Flow matching (Lipman et al. 2023; Liu et al. 2023) and mean flows.

Mean flows are those of Geng et al. 2025, "Mean Flows for One-step Generative Modeling", with the loss of Geng et al. 2025b,
"Improved Mean Flows: On the Challenges of Fastforward Generative Models".

Time runs from t = 0, the image x_0, to t = 1, the noise epsilon, on the straight path x_t = (1 - t) x_0 + t epsilon,
whose velocity is epsilon - x_0. This is Liu et al. eq. 1 and Lipman et al. eq. 22 with sigma_min = 0, both of which count
t from noise to image.

A mean flow learns the mean velocity u over an interval [r, t] instead of the velocity v at t, so that one evaluation
crosses the whole interval:

    u(x_t, r, t) = 1 / (t - r) * integral of v(x_tau, tau) over tau from r to t                (Geng et al. 2025, eq. 3)
    v(x_t, t) = u(x_t, r, t) + (t - r) d/dt u(x_t, r, t)                              (eq. 6, the MeanFlow identity)

where d/dt is along the flow: the derivative in the direction (v, 0, 1) of (x_t, r, t).
"""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

from thirtytwo.models.contract import Batch, Phase, even_fractions, warm_up
from thirtytwo.runtime.errors import ParamsError, TrainingError
from thirtytwo.settings.flow import FlowSettings

__all__ = ["Flow", "MeanVelocity", "build", "identity", "interpolate", "pair"]

# u(x, r, t): x [B, *shape], r and t [B]; r = t is the velocity at t
MeanVelocity = Callable[[Tensor, Tensor, Tensor], Tensor]

# Of times at the network's input. Its embedding is made for timesteps up to about 1000, but the derivative with respect to
# t, on which a mean flow is trained, grows with the scale.
_TIME_SCALE = 30.0
_SMALLEST_TIME = 0.05  # by which a velocity from a predicted x_0 is divided at least (Li & He 2025)
# Settings of the network, and of what it predicts, which a run shares with the run that it begins with.
_NETWORK = (
    "width", "width_multipliers", "blocks", "attention_resolutions", "heads", "time_conditioning", "patch", "conditional",
    "prediction",
)  # fmt: skip
_ADAPTIVE_FLOOR = 1e-3  # c of Geng et al. 2025, eq. 22


class Flow:
    """A velocity network and its loss.

    Args:
        net: maps x_t [B, C, 32, 32], the scaled time [B], labels [B] or None, and for a mean flow the scaled length of the
            interval [B], to a prediction of the shape of x_t.
        settings: settings of the family block.
        channels: of an image.
        classes: number of classes; the label `classes` is the null class.
    """

    averaged: tuple[str, ...] = ("velocity",)

    def __init__(self, net: nn.Module, settings: FlowSettings, channels: int, classes: int) -> None:
        self.modules = nn.ModuleDict({"velocity": net})
        self.settings, self.shape = settings, (channels, 32, 32)
        self.conditional, self.classes = settings.conditional, classes
        self.of_mean = settings.objective == "mean_flow"
        self.twice_differentiated: tuple[str, ...] = ("velocity",) if self.of_mean else ()

    def adopt(self, weights: dict[str, Any], images: Tensor) -> None:
        """Begin with the weights of a trained flow: its velocity is the mean velocity over an empty interval.

        A mean flow on a parent without a length of the interval begins with that velocity for every length.
        """
        network, own = self.modules["velocity"], "interval."
        state = {key.removeprefix("velocity."): value for key, value in weights.items() if key.startswith("velocity.")}
        missing, unexpected = network.load_state_dict(state, strict=False)
        if unexpected or not all(key.startswith(own) for key in missing):
            raise KeyError(*unexpected, *missing)
        if missing:
            last = [module for name, module in network.named_modules() if name.startswith(own)][-1]
            for parameter in last.parameters():
                nn.init.zeros_(parameter)

    def phases(self) -> list[Phase]:
        """Return the single objective, optimised by Adam with warm-up."""
        s, net = self.settings, self.modules["velocity"]
        optimiser = torch.optim.Adam(net.parameters(), lr=s.lr, betas=(s.betas[0], s.betas[1]), fused=True)
        return [Phase("velocity", net, optimiser, self.loss, lr_scale=warm_up(s.warmup))]

    def loss(self, batch: Batch, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss at a random time per image, or for a mean flow at a random interval.

        Flow matching regresses the velocity on epsilon - x_0 (Lipman et al. eq. 23). A mean flow regresses the right-hand
        side of the MeanFlow identity on it, see `identity`, and weights images by their own errors (Geng et al. 2025,
        eq. 22).
        """
        s, x0, labels = self.settings, batch.images, batch.labels
        if s.conditional:
            labels = batch.drop_labels(s.label_dropout, self.classes, rng)
        noise = batch.normal_like(x0, rng)
        if s.coupling == "optimal_transport":
            if batch.parts > 1:
                raise TrainingError(
                    f"coupling: 'optimal_transport' pairs whole batches, which {batch.parts} processes divide; train in"
                    " one process or set coupling: independent"
                )
            noise = pair(noise, x0, batch.labels if s.conditional else None)
        t = self._times(batch, rng)
        r = t
        if self.of_mean:
            other = self._times(batch, rng)
            equal = batch.random(lambda n: torch.rand(n, generator=rng, device=t.device)) < s.equal_times
            r, t = torch.minimum(t, other), torch.maximum(t, other)
            r = torch.where(equal, t, r)
        errors = self._errors(x0, noise, r, t, labels)
        loss = errors.mean()
        if not s.adaptive_power:
            return loss, {"loss": loss.detach()}
        weights = (errors.detach() * x0[0].numel() + _ADAPTIVE_FLOOR).pow(-s.adaptive_power) * x0[0].numel()
        return (weights * errors).mean(), {"loss": loss.detach()}

    @torch.no_grad()
    def validate(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Return the loss over times spread evenly over (0, 1), the same at every call for a smooth curve.

        For a mean flow this is its error as a velocity, at r = t, and `loss_interval` is that at r = 0.
        """
        x0 = batch.images
        t = even_fractions(len(x0)).to(x0.dtype).to(x0.device)
        noise = batch.normal_like(x0, rng)
        losses = {"loss": self._errors(x0, noise, t, t, batch.labels).mean()}
        if self.of_mean:
            losses["loss_interval"] = self._errors(x0, noise, torch.zeros_like(t), t, batch.labels).mean()
        return losses

    def mean_velocity(self, x: Tensor, r: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        """Return u(x_t, r, t) for x [B, *shape], 0 <= r <= t <= 1 [B]; v(x_t, t) where r = t, and of flow matching always.

        A network that predicts x_0 returns the image that the mean velocity leads to from x_t in the time t.
        """
        inputs = (x, _TIME_SCALE * t, labels if self.conditional else None)
        prediction = self.modules["velocity"](*inputs, *((_TIME_SCALE * (t - r),) if self.of_mean else ())).to(x.dtype)
        if self.settings.prediction == "velocity":
            return prediction
        return (x - prediction) / t.clamp(min=_SMALLEST_TIME).view(-1, *[1] * (x.ndim - 1))

    def classifier_free_guidance(self, weight: float, labels: Tensor | None) -> MeanVelocity:
        """Return the mean velocity for these labels [B] with guidance (Ho & Salimans 2022, eq. 6, for velocities).

        At a given x_t the velocity is affine in epsilon, for which that equation is stated. Weight 0 evaluates the network
        once instead of twice.
        """

        def guided(x: Tensor, r: Tensor, t: Tensor) -> Tensor:
            conditional = self.mean_velocity(x, r, t, labels)
            if weight == 0:
                return conditional
            assert labels is not None
            null = torch.full_like(labels, self.classes)
            return (1 + weight) * conditional - weight * self.mean_velocity(x, r, t, null)

        return guided

    def _times(self, batch: Batch, rng: torch.Generator) -> Tensor:
        """Return t [B] in (0, 1), uniform or logit-normal (Esser et al. 2024, eq. 19)."""
        s, device = self.settings, batch.images.device
        if s.times == "uniform":
            return batch.random(lambda n: torch.rand(n, generator=rng, device=device))
        normal = batch.random(lambda n: torch.randn(n, generator=rng, device=device))
        return torch.sigmoid(s.time_mean + s.time_std * normal)

    def _errors(self, x0: Tensor, noise: Tensor, r: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """Return the mean squared error [B] of each image in the interval [r, t].

        With `weighting: x0` it is t^2 times that of the velocity: the error of x_0 = x_t - t v.
        """
        x, target = interpolate(x0, noise, t), self._target(x0, noise, t, labels)
        errors = x0.new_empty(len(x0))
        for chosen, velocity in ((r == t, self._velocity), (r < t, self._identity)):
            if chosen.any():
                predicted = velocity(x[chosen], r[chosen], t[chosen], labels[chosen]).to(x0.dtype)
                squared = F.mse_loss(predicted, target[chosen], reduction="none").flatten(1).mean(1)
                errors = errors.masked_scatter(chosen, squared)
        return errors * t.clamp(min=_SMALLEST_TIME).square() if self.settings.weighting == "x0" else errors

    def _velocity(self, x: Tensor, r: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        return self.mean_velocity(x, t, t, labels)

    def _identity(self, x: Tensor, r: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        return identity(lambda x, r, t: self.mean_velocity(x, r, t, labels), x, r, t)

    @torch.no_grad()
    def _target(self, x0: Tensor, noise: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """Return epsilon - x_0, for images with a label with the guidance that a mean flow learns.

        (1 + w) (epsilon - x_0) - w u(x_t, t, t, no label) (Geng et al. 2025, eq. 19, with omega = 1 + w).
        """
        target, w = noise - x0, self.settings.training_guidance
        labelled = labels != self.classes
        if not w or not labelled.any():
            return target
        x, t = interpolate(x0, noise, t)[labelled], t[labelled]
        unlabelled = self.mean_velocity(x, t, t, torch.full_like(labels[labelled], self.classes)).to(x0.dtype)
        target[labelled] = (1 + w) * target[labelled] - w * unlabelled
        return target


def interpolate(x0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """Return x_t = (1 - t) x_0 + t epsilon for t [B] (Liu et al. 2023, eq. 1, with t from image to noise)."""
    t = t.view(-1, *[1] * (x0.ndim - 1))
    return (1 - t) * x0 + t * noise


def identity(u: MeanVelocity, x: Tensor, r: Tensor, t: Tensor) -> Tensor:
    """Return u + (t - r) sg(du/dt), by the MeanFlow identity the velocity at x_t (Geng et al. 2025b, algorithm 1).

    du/dt is the derivative of u along the flow (v, 0, 1), where v = u(x_t, t, t) is the network's own velocity, not
    epsilon - x_0 as in Geng et al. 2025: what is regressed is then a function of x_t alone. The derivative has no gradient
    (sg), so it is computed forward in a pass of its own, which keeps nothing for the backward pass; dropout draws anew in it.
    """
    # Attention as plain products, since the fused kernels have no forward derivative. torch.func.jvp does the same with a
    # third more time.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), forward_ad.dual_level():
        along = forward_ad.make_dual(x, u(x, t, t)), r, forward_ad.make_dual(t, torch.ones_like(t))
        change = forward_ad.unpack_dual(u(*along)).tangent
    return u(x, r, t) + (t - r).view(-1, *[1] * (x.ndim - 1)) * change


def pair(noise: Tensor, x0: Tensor, labels: Tensor | None) -> Tensor:
    """Return the noise [B, ...] in the order that minimises the sum of ||epsilon - x_0||^2 (Tong et al. 2024, section 3.2).

    Noise is exchanged within the images of one label only: else it would depend on the label, while sampling draws it
    independently of the label.
    """
    from scipy.optimize import linear_sum_assignment  # here, because the import takes part of a second

    order = torch.arange(len(x0))
    groups = torch.zeros(len(x0), dtype=torch.int64) if labels is None else labels.cpu()
    for group in groups.unique():
        rows = (groups == group).nonzero()[:, 0]
        cost = torch.cdist(x0[rows].cpu().flatten(1).double(), noise[rows].cpu().flatten(1).double()).square()
        order[rows] = rows[torch.from_numpy(linear_sum_assignment(cost.numpy())[1])]
    return noise[order.to(noise.device)]


def build(
    settings: FlowSettings, net: ModuleType, channels: int, classes: int, parent: Flow | None = None
) -> Flow:  # fmt: skip
    """Build an untrained model, which may begin with the weights of `parent`; `net` has `build` (see nets/unet.py).

    Raises:
        ParamsError: the network does not fit the settings or differs from the parent's, or takes no interval and so cannot
            be a mean flow.
    """
    for key in _NETWORK:
        value, expected = (getattr(one, key) for one in (settings, parent.settings if parent else settings))
        if value != expected:
            raise ParamsError(f"{key}: {value}, but the parent's network has {expected}; set {key}: {expected}")
    extra = {"interval": True} if settings.objective == "mean_flow" else {}
    if extra and "interval" not in inspect.signature(net.build).parameters:
        raise ParamsError(f"objective: 'mean_flow' needs net: unet; {net.__name__} takes no interval of time")
    try:
        network = net.build(settings, channels, 32, classes if settings.conditional else 0, **extra)
    except ValueError as error:
        raise ParamsError(f"width_multipliers, patch: {error}") from None
    return Flow(network, settings, channels, classes)
