"""The interface between a family of generators and the training loop.

A family is a folder here whose module `model` defines

    build(settings, net, channels, classes) -> Family

where `settings` is the family's class in `thirtytwo.settings`, `net` a module of `thirtytwo.nets`, `channels` 1 or 3,
and `classes` the number of classes of the data set. A folder in `thirtytwo.sampling` draws from the trained model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from thirtytwo.core import processes

__all__ = ["Batch", "ChildFamily", "Family", "NormalisedFamily", "Phase", "even_fractions", "warm_up"]


@dataclass(frozen=True)
class Batch:
    """One training batch, or one process's slice of it if several processes train the model.

    Attributes:
        images: [B, C, 32, 32] float in [-1, 1].
        labels: [B] int64.
        progress: fraction of the training completed before this step, in [0, 1).
        epoch: epoch of this batch, counted from 0.
        epochs: total epochs of the run; fractional when the budget is in steps.
        part, parts: this is slice `part` of `parts` equal slices of the global batch.
        step: number of this step, counted from 0.
    """

    images: Tensor
    labels: Tensor
    progress: float
    epoch: int
    epochs: float
    part: int = 0
    parts: int = 1
    step: int = 0

    def random(self, draw: Callable[[int], Tensor]) -> Tensor:
        """Return this slice of `draw(n)`, random numbers [n, ...] for the n images of the global batch.

        An image thus gets the same noise in any number of processes.
        """
        size = len(self.images)
        return draw(size * self.parts)[self.part * size : (self.part + 1) * size]

    def normal_like(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Return noise N(0, 1) of the shape of x [B, ...], drawn in the order of x in memory."""
        whole = x if self.parts == 1 else torch.cat([x] * self.parts)
        return self.random(lambda n: torch.empty_like(whole).normal_(generator=rng))

    def drop_labels(self, share: float, null: int, rng: torch.Generator) -> Tensor:
        """Return the labels [B], each replaced by `null` with probability `share` (Ho & Salimans 2022, algorithm 1)."""
        if not share:
            return self.labels
        u = self.random(lambda n: torch.rand(n, generator=rng, device=self.labels.device))
        return self.labels.masked_fill(u < share, null)

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean of `values` [B, ...] over the global batch, for losses that are not linear in it."""
        return processes.total(values.mean()) / self.parts if self.parts > 1 else values.mean()


@dataclass(frozen=True)
class Phase:
    """One training objective: every `every` steps, one optimiser step of `module` on `loss`.

    `loss(batch, rng)` returns the scalar to minimise and named scalars for the training curves, all of them means over
    the batch. All randomness comes, through `batch.random`, from `rng`, a generator on the batch's device that the loop
    seeds for this run, step and phase. While a phase runs, only the parameters of its `module` require gradients.
    `lr_scale(step)` multiplies the learning rate at that step.
    """

    name: str
    module: nn.Module
    optimiser: torch.optim.Optimizer
    loss: Callable[[Batch, torch.Generator], tuple[Tensor, dict[str, Tensor]]]
    every: int = 1
    lr_scale: Callable[[int], float] = lambda step: 1.0


def warm_up(steps: int) -> Callable[[int], float]:
    """Return the `lr_scale` of a phase whose step size rises linearly over the first `steps` steps; 0: none."""
    return lambda step: min(1.0, (step + 1) / max(steps, 1))


def even_fractions(count: int) -> Tensor:
    """Return numbers [count] float64 in (0, 1), on the CPU, that are spread evenly, over any consecutive ones of them as well.

    This is the golden-ratio sequence: with times taken from it, the images of every class cover the whole range.
    """
    return torch.arange(count, dtype=torch.float64).add(0.5).mul(0.6180339887498949).frac()


class Family(Protocol):
    """A model with its training objectives.

    A one-shot generator also has `latent_shape` and `draw(z, labels) -> images [B, C, 32, 32] in [-1, 1]`, with z
    [B, *latent_shape] standard normal and labels [B] int64, or None if it is unconditional. A diffusion model has
    `denoise(x, t, labels)`, a flow `mean_velocity(x, r, t, labels)`.
    """

    modules: nn.ModuleDict  # all trained and saved networks
    conditional: bool  # whether images are generated for given labels
    averaged: tuple[str, ...]  # names in `modules` that sampling uses; training averages their weights (EMA)
    twice_differentiated: tuple[
        str, ...
    ]  # names in `modules` that training must not compile: torch.compile refuses them

    def phases(self) -> list[Phase]:
        """Return the training objectives, with new optimisers, in the order in which a step runs them."""

    def validate(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Return named mean scores of a batch of held-out images; called in eval mode and without gradients."""


class ChildFamily(Family, Protocol):
    """A model that builds on the trained model of another run, such as latent diffusion on an autoencoder."""

    def adopt(self, weights: dict[str, Any], images: Tensor) -> None:
        """Load the parent's `weights` and compute the statistics needed from training images [N, C, 32, 32]."""


class NormalisedFamily(Family, Protocol):
    """A model whose averaged networks contain BatchNorm."""

    def run_averaged(self, averaged: nn.ModuleDict, labels: Tensor, rng: torch.Generator) -> None:
        """Call the averaged networks once on new noise, as in training, so that BatchNorm sees their features.

        Args:
            labels: [B] int64, labels of real images.
        """
