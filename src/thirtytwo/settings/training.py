"""Settings of a training: those that all families share, and the resolved file of one run."""

from typing import Annotated, Generic, TypeVar

from pydantic import Field, model_validator

from thirtytwo.settings.configs import Compute
from thirtytwo.settings.strict import Strict

__all__ = ["NO_PARENT", "PUBLISHED", "TRAINED", "Model", "TrainConfig", "TrainSettings"]

NO_PARENT = ".no-parent"  # an empty file, since DVC wants a path for every run
TRAINED = "data/models/"  # `parent` of a run that builds on another run: this and the run's name
PUBLISHED = "data/raw/"  # `parent` of a run with published weights: this and the name of their source


class TrainSettings(Strict):
    """The training settings of every family; each family adds its own."""

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
            raise ValueError(f"expected one of steps and epochs to be 0, got steps {self.steps}, epochs {self.epochs}")
        return self


Trained = TypeVar("Trained", bound=TrainSettings)
Parent = TypeVar("Parent", bound=TrainSettings)


class Model(Strict, Generic[Trained]):
    """What it takes to build a run's networks."""

    family: str
    net: str
    settings: Trained = Field(description="of the family's own class")


class TrainConfig(Model[Trained], Generic[Trained, Parent]):
    """configs/train/<run>.yaml"""

    run: str
    dataset: str
    parent: str = Field(description="path of what the training starts from; .no-parent: none")
    parent_model: Model[Parent] | None = Field(description="of the parent run, whose codes this run models")
    seed: int
    seeds: int
    compute: Compute

    @property
    def published(self) -> bool:
        """Whether the run takes the published weights in the folder `parent` and trains nothing."""
        return self.parent.startswith(PUBLISHED)
