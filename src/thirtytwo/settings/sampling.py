"""Settings of sampling: those that all families share, and the resolved file of one run."""

from typing import Generic, Literal, TypeVar

from pydantic import Field

from thirtytwo.settings.configs import Compute
from thirtytwo.settings.strict import Strict
from thirtytwo.settings.training import TrainSettings

__all__ = ["SampleConfig", "SampleSettings", "Sampling"]


class Sampling(Strict):
    """Sampling settings that are equal for all runs."""

    images: int = Field(ge=1, description="images drawn a run")
    grid_side: int = Field(ge=1, description="rows and columns of the sample grid")
    snapshot_images: int = Field(ge=1, description="images drawn from each snapshot of a training")


class SampleSettings(Strict):
    """A family's `sample:` block; each family adds its own settings."""

    weights: Literal["ema", "raw"]

    def check(self, trained: TrainSettings) -> None:
        """Compare with the training settings of the same run.

        Raises:
            ValueError: a setting contradicts them; the message begins with its key.
        """


Drawn = TypeVar("Drawn", bound=SampleSettings)


class SampleConfig(Strict, Generic[Drawn]):
    """configs/sample/<run>.yaml"""

    run: str
    family: str
    dataset: str
    seed: int
    seeds: int
    compute: Compute
    sampling: Sampling
    sample: Drawn = Field(description="of the family's own class")
