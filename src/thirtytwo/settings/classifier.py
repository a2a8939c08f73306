"""Settings of the evaluation classifiers, separate from the evaluation so that changing the latter retrains nothing."""

from typing import Literal

from pydantic import Field

from thirtytwo.settings.configs import Compute
from thirtytwo.settings.strict import Strict

__all__ = ["Classifier", "ClassifierConfig", "Training"]


class Training(Strict):
    """Width and training of one network."""

    width: int = Field(ge=1)
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    lr: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    augment: Literal["none", "shift", "shift_flip", "affine", "affine_flip"]


class Classifier(Training):
    """The classifier of a data set, whose features and labels score the generators, and the second, built otherwise."""

    second: Training


class ClassifierConfig(Strict):
    """Content of configs/classifier/<dataset>.yaml."""

    dataset: str
    seed: int
    compute: Compute
    classifier: Classifier
