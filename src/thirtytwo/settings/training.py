"""Settings of training: those shared by all families, and the resolved file of a run."""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field, model_validator

from thirtytwo.settings.configs import Compute
from thirtytwo.settings.data import TrainOn
from thirtytwo.settings.strict import Seed, Strict

__all__ = ["NO_PARENT", "PUBLISHED", "TRAINED", "Model", "TrainConfig", "TrainSettings"]

NO_PARENT = ".no-parent"  # a file, because dvc.yaml needs a path for every run
TRAINED = "data/models/"  # prefix of `parent` for a run that builds on another run
PUBLISHED = "data/raw/"  # prefix of `parent` for a run with published weights


class TrainSettings(Strict):
    """Training settings shared by all families; each family adds further ones."""

    steps: int = Field(ge=0, le=100_000_000, description="optimiser steps of the first phase; 0: count in epochs")
    epochs: int = Field(ge=0, le=1_000_000, description="passes over the training images; 0: count in steps")
    batch_size: int = Field(ge=1, le=100_000)
    lr: float = Field(gt=0, le=1, description="Adam's learning rate")
    betas: Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)]
    clip_norm: float = Field(ge=0, le=1e6, description="maximum gradient norm; 0: no clipping")
    horizontal_flip: bool = Field(description="mirror each training image with probability 1/2")
    ema_decay: float = Field(ge=0, lt=1, description="decay of the averaged weights; 0: no averaging")
    validate_every: int = Field(ge=0, le=100_000_000, description="steps between validations; 0: every epoch")
    checkpoint_every: int = Field(ge=1, le=100_000_000, description="steps between checkpoints")
    snapshot_every: int = Field(
        ge=0, le=100_000_000, description="steps between snapshots, which are scored later; 0: none"
    )

    @model_validator(mode="after")
    def _one_budget(self) -> "TrainSettings":
        if (self.steps > 0) == (self.epochs > 0):
            raise ValueError(f"steps, epochs: {self.steps} and {self.epochs}; expected exactly one of them to be 0")
        return self


FamilyTrain = TypeVar("FamilyTrain", bound=TrainSettings)
ParentTrain = TypeVar("ParentTrain", bound=TrainSettings)


class Model(Strict, Generic[FamilyTrain]):
    """The settings needed to build the model of a run."""

    family: str
    net: str
    settings: FamilyTrain = Field(description="training settings of the family")


class TrainConfig(Model[FamilyTrain], Generic[FamilyTrain, ParentTrain]):
    """Content of configs/train/<run>.yaml."""

    run: str
    dataset: str
    train_on: TrainOn
    parent: str = Field(description="path of the parent model or weights; .no-parent: none")
    parent_model: Model[ParentTrain] | None = Field(description="model of the parent run")
    parent_weights: Literal["ema", "raw"] | None = Field(description="weights that the parent run samples with")
    seed: Seed
    seeds: int = Field(ge=1, le=1000)
    compute: Compute

    @property
    def published(self) -> bool:
        """Whether the run uses the published weights in the folder `parent` instead of training."""
        return self.parent.startswith(PUBLISHED)
