"""The contract between a family of generators and the training loop, and the settings all families share.

A family is one module here with three names:

    Settings        its block of params.yaml, a subclass of `TrainSettings`
    SampleSettings  the `sample:` sub-block of the same block: what sampling needs and training does not
    build(settings, net, channels, classes) -> Family

`net` is a module of `thirtytwo.nets`, `channels` 1 or 3, `classes` the number of labels of the data set.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Annotated, Protocol

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from thirtytwo.strict import Strict

__all__ = ["Batch", "Family", "Phase", "TrainSettings", "build", "family_module", "net_module"]


class TrainSettings(Strict):
    """What every family's training needs; a family's `Settings` adds its own keys."""

    steps: int = Field(ge=0, description="optimiser steps of the first phase; 0: count in epochs")
    epochs: int = Field(ge=0, description="passes over the training images; 0: count in steps")
    batch_size: int = Field(ge=1)
    lr: float = Field(gt=0, description="Adam's step size")
    betas: Annotated[list[float], Field(min_length=2, max_length=2)]
    clip_norm: float = Field(ge=0, description="largest gradient norm; 0: no clipping")
    horizontal_flip: bool = Field(description="mirror each training image with probability 1/2")
    ema_decay: float = Field(ge=0, lt=1, description="of the averaged weights that sampling uses; 0: no averaging")
    validate_every: int = Field(ge=0, description="steps between rows of the validation curve; 0: each epoch")
    checkpoint_every: int = Field(ge=1, description="steps between checkpoints")

    @model_validator(mode="after")
    def _one_budget(self) -> "TrainSettings":
        if (self.steps > 0) == (self.epochs > 0):
            raise ValueError(f"exactly one of steps and epochs is positive (steps={self.steps}, epochs={self.epochs})")
        return self


@dataclass(frozen=True)
class Batch:
    """One training batch.

    Attributes:
        images: [B, C, 32, 32] float in [-1, 1].
        labels: [B] int64.
        progress: share of the training done before this step, in [0, 1).
        epoch: 0-based pass over the data that this batch belongs to.
        epochs: total passes of the run (a float when the budget is in steps).
    """

    images: Tensor
    labels: Tensor
    progress: float
    epoch: int
    epochs: float


@dataclass(frozen=True)
class Phase:
    """One objective of the loop: every `every` steps, one optimiser step of `module` on `loss`.

    `loss(batch, rng)` returns the scalar to minimise and named scalars for the curves. All randomness
    comes from `rng`, a generator on the batch's device that the loop seeds for this run, step and phase.
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
    """What the stages ask of a family.

    A one-shot generator also has `latent_shape` and `draw(z, labels) -> images [B, C, 32, 32] in [-1, 1]`
    with z [B, *latent_shape] standard normal and labels [B] int64, or None where it is not conditional; diffusion has `denoise(x, t, labels)`.
    """

    modules: nn.ModuleDict  # everything that is trained and saved
    conditional: bool  # whether images are drawn for a label
    averaged: tuple[str, ...]  # names in `modules` that sampling uses, hence kept as an EMA as well

    def phases(self) -> list[Phase]:
        """The training objectives, in the order in which a step runs them; fresh optimisers."""

    def validate(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Named mean scores of one batch of held-out images, in eval mode and without gradients."""


def family_module(name: str) -> ModuleType:
    """The module `thirtytwo.families.<name>`; found by name so that a run depends on its family alone."""
    return import_module(f"thirtytwo.families.{name}")


def net_module(name: str) -> ModuleType:
    """The module `thirtytwo.nets.<name>`."""
    return import_module(f"thirtytwo.nets.{name}")


def build(family: str, net: str, settings: TrainSettings, channels: int, classes: int) -> Family:
    """The untrained model of a run, initialised from torch's global generator."""
    return family_module(family).build(settings, net_module(net), channels, classes)
