"""Settings of sampling: those shared by all families, and the resolved file of a run."""

from typing import Generic, Literal, TypeVar

from pydantic import Field

from thirtytwo.settings.configs import Compute
from thirtytwo.settings.strict import Count, Seed, Steps, Strict
from thirtytwo.settings.training import TrainSettings

__all__ = ["SampleConfig", "SampleSettings", "Sampling"]


class Sampling(Strict):
    """Sampling settings shared by all runs."""

    images: Count = Field(description="images drawn per run")
    grid_side: int = Field(ge=1, le=100, description="rows and columns of the sample grid")
    snapshot_images: int = Field(ge=1, le=10_000, description="images drawn from each training snapshot")
    c2st_steps: Steps = Field(
        description="training steps of each network of the two-sample classifier, which tests samples of GANs"
    )


class SampleSettings(Strict):
    """A family's `sample:` block; each family adds its own settings."""

    weights: Literal["ema", "raw"]

    def check(self, trained: TrainSettings) -> None:
        """Check these settings against the training settings of the same run.

        Raises:
            ValueError: a setting contradicts them; the message begins with its key.
        """


FamilySample = TypeVar("FamilySample", bound=SampleSettings)


class SampleConfig(Strict, Generic[FamilySample]):
    """Content of configs/sample/<run>.yaml."""

    run: str
    family: str
    dataset: str
    seed: Seed
    seeds: int = Field(ge=1, le=1000)
    compute: Compute
    sampling: Sampling
    sample: FamilySample = Field(description="sampling settings of the family")
