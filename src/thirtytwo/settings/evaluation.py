"""Settings of the evaluation: the protocol that all runs are scored under."""

from typing import Literal

from pydantic import Field

from thirtytwo.settings.configs import Compute
from thirtytwo.settings.strict import Strict

__all__ = ["EvaluateConfig", "Evaluation", "FidStatsConfig", "FloorConfig"]


class Evaluation(Strict):
    """How every run is scored; the same for all runs, so that scores can be compared."""

    samples: int = Field(ge=2, description="generated images scored, and the N of the real-against-real floor")
    reference_split: Literal["train", "test"]
    fid: bool = Field(description="FID with Inception features by clean-fid; needs its weights")
    bootstrap_resamples: int = Field(ge=20, description="resamples behind each score's interval")
    mode_share: float = Field(
        gt=0, le=1, description="a class is covered at this part of its share of the real images, or more"
    )


class FidStatsConfig(Strict):
    """configs/fid_stats/<dataset>.yaml"""

    dataset: str
    seed: int
    compute: Compute
    fid: bool
    reference_split: Literal["train", "test"]
    samples: int


class FloorConfig(Strict):
    """configs/floor/<dataset>.yaml"""

    dataset: str
    classifier: str
    seed: int
    compute: Compute
    reference_split: Literal["train", "test"]
    samples: int
    bootstrap_resamples: int


class EvaluateConfig(Strict):
    """configs/evaluate/<run>.yaml"""

    run: str
    dataset: str
    seed: int
    seeds: int
    compute: Compute
    reference_split: Literal["train", "test"]
    samples: int
    bootstrap_resamples: int
    mode_share: float
    fid: bool
