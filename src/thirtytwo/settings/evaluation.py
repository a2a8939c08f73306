"""Settings of the evaluation: the protocol under which all runs are scored."""

from typing import Literal

from pydantic import Field

from thirtytwo.settings.configs import Compute
from thirtytwo.settings.strict import Strict

__all__ = ["EvaluateConfig", "Evaluation", "FidStatsConfig", "FloorConfig"]


class Evaluation(Strict):
    """The scoring protocol, identical for all runs so that their scores can be compared."""

    samples: int = Field(
        ge=2, description="number of generated images to score, also the N of the floor (real against real)"
    )
    reference_split: Literal["train", "test"]
    fid: bool = Field(description="compute FID with Inception features by clean-fid; needs the Inception weights")
    bootstrap_resamples: int = Field(ge=20, description="bootstrap resamples per interval")
    mode_share: float = Field(
        gt=0, le=1, description="a class counts as covered at this fraction of its share of the real images"
    )


class FidStatsConfig(Strict):
    """Content of configs/fid_stats/<dataset>.yaml."""

    dataset: str
    seed: int
    compute: Compute
    fid: bool
    reference_split: Literal["train", "test"]
    samples: int


class FloorConfig(Strict):
    """Content of configs/floor/<dataset>.yaml."""

    dataset: str
    classifier: str
    seed: int
    compute: Compute
    reference_split: Literal["train", "test"]
    samples: int
    bootstrap_resamples: int


class EvaluateConfig(Strict):
    """Content of configs/evaluate/<run>.yaml."""

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
