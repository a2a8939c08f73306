"""The contract between a family of generators and the training loop.

A family is a folder here with a module `model` that has

    build(settings, net, channels, classes) -> Family

where `settings` is the family's class in `thirtytwo.settings`, `net` a module of `thirtytwo.nets`, `channels` 1 or 3, and
`classes` the number of labels of the data set; and a folder in `thirtytwo.sampling`, which draws from the trained model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from thirtytwo.core import processes

__all__ = ["Batch", "ChildFamily", "Family", "Phase"]


@dataclass(frozen=True)
class Batch:
    """One training batch, or this process's slice of it where several processes train one model.

    Attributes:
        images: [B, C, 32, 32] float in [-1, 1].
        labels: [B] int64.
        progress: share of the training done before this step, in [0, 1).
        epoch: 0-based pass over the data that this batch belongs to.
        epochs: total passes of the run (a float when the budget is in steps).
        part, parts: this is slice `part` of `parts` equal slices of the global batch.
    """

    images: Tensor
    labels: Tensor
    progress: float
    epoch: int
    epochs: float
    part: int = 0
    parts: int = 1

    def draw(self, numbers: Callable[[int], Tensor]) -> Tensor:
        """Random numbers for the images: `numbers(n)` draws them for the n images of the global batch, [n, ...].

        Hence an image meets the same noise in any number of processes.
        """
        size = len(self.images)
        return numbers(size * self.parts)[self.part * size : (self.part + 1) * size]

    def normal_like(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """N(0, 1) for each element of x [B, ...], in the order in which x lies in memory."""
        whole = x if self.parts == 1 else torch.cat([x] * self.parts)
        return self.draw(lambda n: torch.empty_like(whole).normal_(generator=rng))

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the global batch of `values` [B, ...]; losses that are linear in it need no more than their own."""
        return processes.total(values.mean()) / self.parts if self.parts > 1 else values.mean()


@dataclass(frozen=True)
class Phase:
    """One objective of the loop: every `every` steps, one optimiser step of `module` on `loss`.

    `loss(batch, rng)` returns the scalar to minimise and named scalars for the curves, both means over the batch's
    images. All randomness comes from `rng`, a generator on the batch's device that the loop seeds for this run, step
    and phase, through `batch.draw`.
    While a phase runs, only the parameters of its `module` require gradients.
    `lr_scale(step)` multiplies the optimiser's learning rate at that step.
    """

    name: str
    module: nn.Module
    optimiser: torch.optim.Optimizer
    loss: Callable[[Batch, torch.Generator], tuple[Tensor, dict[str, Tensor]]]
    every: int = 1
    lr_scale: Callable[[int], float] = lambda step: 1.0


class Family(Protocol):
    """A model with its training objectives.

    A one-shot generator also has `latent_shape` and `draw(z, labels) -> images [B, C, 32, 32] in [-1, 1]`
    with z [B, *latent_shape] standard normal and labels [B] int64, or None where it is not conditional. A diffusion
    model has `denoise(x, t, labels)`.
    """

    modules: nn.ModuleDict  # everything that is trained and saved
    conditional: bool  # whether an image is drawn for a label
    averaged: tuple[str, ...]  # names in `modules` that sampling uses; the loop keeps their EMA as well

    def phases(self) -> list[Phase]:
        """The training objectives, in the order in which a step runs them; fresh optimisers."""

    def validate(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Named mean scores of one batch of held-out images, in eval mode and without gradients."""


class ChildFamily(Family, Protocol):
    """A model that builds on the trained model of another run, such as latent diffusion on an autoencoder."""

    def adopt(self, weights: dict[str, Any], images: Tensor) -> None:
        """Take the parent's `weights`, and what has to be measured on the training images [N, C, 32, 32]."""
