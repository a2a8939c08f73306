"""Settings of the evaluation: the protocol under which all runs are scored."""

from typing import Annotated, Literal

from pydantic import Field

from thirtytwo.settings.configs import Compute
from thirtytwo.settings.strict import Seed, Strict

__all__ = ["EvaluateConfig", "Evaluation", "FidStatsConfig", "FloorConfig", "Resamples", "Split"]

Samples = Annotated[int, Field(ge=2, le=1_000_000)]
Resamples = Annotated[int, Field(ge=20, le=100_000)]
Split = Literal["train", "test", "all"]
ModeShare = Annotated[float, Field(gt=0, le=1)]


class Evaluation(Strict):
    """The scoring protocol, identical for all runs on a data set so that their scores can be compared."""

    samples: Samples = Field(
        description="number of generated images to score, also the N of the floor (real against real)"
    )
    reference_split: Split
    fid: bool = Field(description="compute FID with Inception features by clean-fid; needs the Inception weights")
    fid_legacy: bool = Field(description="compute FID as pytorch-fid does; needs its weights")
    bootstrap_resamples: Resamples = Field(description="bootstrap resamples per interval")
    mode_share: ModeShare = Field(
        description="a class counts as covered at this fraction of its share of the real images"
    )


class FidStatsConfig(Strict):
    """Content of configs/fid_stats/<dataset>.yaml."""

    dataset: str
    seed: Seed
    compute: Compute
    fid: bool
    fid_legacy: bool
    reference_split: Split
    samples: Samples


class FloorConfig(Strict):
    """Content of configs/floor/<dataset>.yaml."""

    dataset: str
    classifier: str
    seed: Seed
    compute: Compute
    reference_split: Split
    samples: Samples
    bootstrap_resamples: Resamples


class EvaluateConfig(Strict):
    """Content of configs/evaluate/<run>.yaml."""

    run: str
    dataset: str
    seed: Seed
    seeds: int = Field(ge=1, le=1000)
    compute: Compute
    reference_split: Split
    samples: Samples
    bootstrap_resamples: Resamples
    mode_share: ModeShare
    fid: bool
    fid_legacy: bool
