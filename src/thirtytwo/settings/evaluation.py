"""Settings of the evaluation: the protocol under which all runs are scored."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from thirtytwo.settings.configs import Compute
from thirtytwo.settings.data import TrainOn
from thirtytwo.settings.strict import Seed, Strict

__all__ = ["EvaluateConfig", "Evaluation", "FeatureSpace", "FidStatsConfig", "FloorConfig", "Resamples", "Split"]

Samples = Annotated[int, Field(ge=7, le=1_000_000)]  # precision and recall need 7
Resamples = Annotated[int, Field(ge=20, le=100_000)]
Split = Literal["train", "test", "all"]
_TAKEN = ("classifier", "infinity", "legacy", "second", "standard", "gaussian", "mixture")
ModeShare = Annotated[float, Field(gt=0, le=1)]


class FeatureSpace(Strict):
    """A feature space of the user's own: a network in a TorchScript or ONNX file, such as DINOv2, CLIP or Inception.

    It takes [50, 3, resize, resize] float32 and returns [50, D].
    """

    name: str = Field(pattern="^[a-z][a-z0-9]{0,29}$", description="ending of the scores' names, as in fd_<name>")
    file: str = Field(
        min_length=1,
        description="path of a TorchScript file, or of an .onnx file; absolute or from the project's folder",
    )
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    resize: int = Field(ge=32, le=1024, description="side of the images that the network takes")
    normalise: Literal["unit", "symmetric", "imagenet", "clip"] = Field(
        description="values that the network takes: in [0, 1], in [-1, 1], or by the mean and deviation of its data"
    )

    @model_validator(mode="after")
    def _unused(self) -> "FeatureSpace":
        if self.name in _TAKEN:
            raise ValueError(f"name: '{self.name}' is the ending of other scores; choose another")
        return self


class Evaluation(Strict):
    """The scoring protocol, identical for all runs on a data set so that their scores can be compared."""

    samples: Samples = Field(
        description="number of generated images to score, also the N of the floor (real against real)"
    )
    reference_split: Split
    fid: bool = Field(description="compute FID with Inception features by clean-fid; needs the Inception weights")
    fid_legacy: bool = Field(description="compute FID as pytorch-fid does; needs its weights")
    features: FeatureSpace | None = Field(description="also score in this feature space; null: none")
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
    features: FeatureSpace | None
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
    train_on: TrainOn
    seed: Seed
    seeds: int = Field(ge=1, le=1000)
    compute: Compute
    reference_split: Split
    samples: Samples
    bootstrap_resamples: Resamples
    mode_share: ModeShare
    fid: bool
    fid_legacy: bool
    features: FeatureSpace | None
