"""Settings of the evaluation: its classifier, its features and its sample sizes."""

from typing import Literal

from pydantic import Field

from thirtytwo.strict import Strict

__all__ = ["Classifier", "Evaluation"]


class Classifier(Strict):
    """Training of the per-data-set classifier whose features and labels score the generators."""

    width: int = Field(ge=1)
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    lr: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    augment: Literal["none", "shift", "shift_flip"]


class Evaluation(Strict):
    """What every run is scored with; equal for all runs, so that scores can be compared."""

    samples: int = Field(ge=2, description="generated images scored, and the N of the real-against-real floor")
    reference_split: Literal["train", "test"]
    fid: bool = Field(description="FID with Inception features by clean-fid; needs its weights")
    bootstrap_resamples: int = Field(ge=20, description="resamples behind each score's interval")
    mode_share: float = Field(
        gt=0, le=1, description="a class is covered at this part of its share of the real images, or more"
    )
    classifier: Classifier
