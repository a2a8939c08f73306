"""Settings of the evaluation classifier, separate from the evaluation so that changing the latter retrains nothing."""

from typing import Literal

from pydantic import Field

from thirtytwo.settings.configs import Compute
from thirtytwo.settings.strict import Seed, Strict

__all__ = ["Classifier", "ClassifierConfig"]


class Classifier(Strict):
    """Architecture and training of the classifier of a data set, whose features and labels score the generators."""

    width: int = Field(ge=1, le=1024)
    epochs: int = Field(ge=1, le=10_000)
    batch_size: int = Field(ge=1, le=100_000)
    lr: float = Field(gt=0, le=1)
    weight_decay: float = Field(ge=0, le=100)
    augment: Literal["none", "shift", "shift_flip"]


class ClassifierConfig(Strict):
    """Content of configs/classifier/<dataset>.yaml."""

    dataset: str
    seed: Seed
    compute: Compute
    classifier: Classifier
