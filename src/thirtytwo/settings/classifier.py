"""Settings of the evaluation classifiers, separate from the evaluation so that changing the latter retrains nothing."""

from typing import Literal

from pydantic import Field

from thirtytwo.settings.configs import Compute
from thirtytwo.settings.strict import Seed, Strict

__all__ = ["Classifier", "ClassifierConfig", "Training"]


class Training(Strict):
    """Width and training of one network."""

    width: int = Field(ge=1, le=1024)
    epochs: int = Field(ge=1, le=10_000)
    batch_size: int = Field(ge=1, le=100_000)
    lr: float = Field(gt=0, le=1)
    weight_decay: float = Field(ge=0, le=100)
    augment: Literal["none", "shift", "shift_flip", "affine", "affine_flip"]


class Classifier(Training):
    """The classifier of a data set, whose features and labels score the generators, and the second, built otherwise."""

    second: Training


class ClassifierConfig(Strict):
    """Content of configs/classifier/<dataset>.yaml."""

    dataset: str
    seed: Seed
    compute: Compute
    classifier: Classifier
