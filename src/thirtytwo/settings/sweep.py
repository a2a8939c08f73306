"""Settings of sweeps: one trained model sampled in many ways."""

from typing import Annotated, Literal

from pydantic import Field

from thirtytwo.settings.configs import Compute
from thirtytwo.settings.diffusion import Sampler, Spacing
from thirtytwo.settings.edm import EDMSampler, EDMSpacing
from thirtytwo.settings.evaluation import Resamples, Split
from thirtytwo.settings.flow import FlowSampler, FlowSpacing
from thirtytwo.settings.strict import Seed, Strict, Weight

__all__ = ["Sweep", "SweepConfig"]


class Sweep(Strict):
    """One entry of `sweeps:`, named after the run whose model it samples."""

    family: Literal["diffusion", "flow", "edm"] = Field(description="family of the run")
    net: str = Field(description="network of the run")
    dataset: str = Field(description="data set of the run")
    images: int = Field(ge=2, le=1_000_000, description="images drawn and scored at each point")
    samplers: dict[Literal[Sampler, FlowSampler, EDMSampler], Literal[Spacing, FlowSpacing, EDMSpacing]] = Field(
        min_length=1, description="spacing of the times of each sampler"
    )
    steps: Annotated[list[Annotated[int, Field(ge=1, le=10_000)]], Field(min_length=1, max_length=100)]
    etas: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1, max_length=100)] = Field(
        description="values of eta for ddim"
    )


class SweepConfig(Strict):
    """Content of configs/sweep/<run>.yaml; weights, clip, guidance and intermediate come from the run's
    `sample:` block.
    """

    run: str
    family: str
    seed: Seed
    compute: Compute
    reference_split: Split
    bootstrap_resamples: Resamples
    sweep: Sweep
    weights: Literal["ema", "raw"]
    clip: bool
    guidance: Weight
    intermediate: Annotated[float, Field(gt=0, lt=80)] | None = Field(description="of family edm; null for others")
