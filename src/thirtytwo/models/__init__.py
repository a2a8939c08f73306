"""The contract between a family of generators and the training loop, and the settings all families share.

A family is one module here with two names, and one in `thirtytwo.sampling` that says what to draw with it:

    Settings        its block of params.yaml, a subclass of `TrainSettings`
    build(settings, net, channels, classes) -> Family

`net` is a module of `thirtytwo.nets`, `channels` 1 or 3, `classes` the number of labels of the data set.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Protocol

import torch
from pydantic import Field, create_model, model_validator
from torch import Tensor, nn

from thirtytwo.settings import configs
from thirtytwo.settings.configs import Compute
from thirtytwo.settings.strict import Strict

__all__ = ["Batch", "Family", "Phase", "TrainConfig", "TrainSettings", "build", "read_config", "untrained"]

MODELS = "data/models/"  # where the path of another run's trained models begins
PUBLISHED = "data/raw/"  # and that of published weights, of a source of kind checkpoint


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
    snapshot_every: int = Field(ge=0, description="steps between weights kept for scores along the training; 0: none")

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
    with z [B, *latent_shape] standard normal and labels [B] int64, or None where it is not conditional; diffusion
    has `denoise(x, t, labels)`.
    """

    modules: nn.ModuleDict  # everything that is trained and saved
    conditional: bool  # whether images are drawn for a label
    averaged: tuple[str, ...]  # names in `modules` that sampling uses, hence kept as an EMA as well

    def phases(self) -> list[Phase]:
        """The training objectives, in the order in which a step runs them; fresh optimisers."""

    def validate(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        """Named mean scores of one batch of held-out images, in eval mode and without gradients."""


class TrainConfig(Strict):
    """configs/train/<run>.yaml; `settings` is an instance of the family's own Settings."""

    run: str
    family: str
    net: str
    dataset: str
    needs: str
    seed: int
    seeds: int
    compute: Compute
    settings: TrainSettings

    @property
    def first_stage(self) -> str | None:
        """The run whose trained model this one builds on, if any."""
        return Path(self.needs).name if self.needs.startswith(MODELS) else None

    @property
    def published(self) -> bool:
        """Whether the weights are not trained here but those of the folder `needs`."""
        return self.needs.startswith(PUBLISHED)


def read_config(run: str, root: Path) -> TrainConfig:
    """configs/train/<run>.yaml, with the settings of the run's family.

    Raises:
        ParamsError: there is no such run, or the file is not valid.
    """
    # By its name, so that a stage depends on the family of its run alone.
    family = import_module(f"thirtytwo.models.{configs.read_values('train', run, root)['family']}.model")
    model = create_model("TrainConfig", __base__=TrainConfig, settings=(family.Settings, ...))
    return configs.read(model, "train", run, root)


def build(family: str, net: str, settings: TrainSettings, channels: int, classes: int) -> Family:
    """The untrained model of a run, initialised from torch's global generator."""
    network = import_module(f"thirtytwo.nets.{net}")
    return import_module(f"thirtytwo.models.{family}.model").build(settings, network, channels, classes)


def untrained(run: str, root: Path, channels: int, classes: int) -> Family:
    """The untrained model of a run, on top of the untrained model of the run that it needs, if any.

    Raises:
        ParamsError: as `read_config`, or the two do not fit.
    """
    cfg = read_config(run, root)
    if cfg.first_stage is None:
        return build(cfg.family, cfg.net, cfg.settings, channels, classes)
    first = untrained(cfg.first_stage, root, channels, classes)
    network = import_module(f"thirtytwo.nets.{cfg.net}")
    return import_module(f"thirtytwo.models.{cfg.family}.model").build(cfg.settings, network, channels, classes, first)
