"""One trained diffusion model by many samplers, numbers of steps and eta, always from the same noise."""

from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from thirtytwo.sampling.diffusion.solvers import evaluations
from thirtytwo.settings.configs import Compute
from thirtytwo.settings.strict import Strict

__all__ = ["Point", "Sweep", "SweepConfig", "points"]

Sampler = Literal["ddpm", "ddim", "dpm_solver_pp_2m", "heun", "unipc"]
Spacing = Literal["uniform", "quadratic", "trailing", "log_snr", "karras"]


class Sweep(Strict):
    """One entry of `sweeps:`, which has the name of the run whose model it samples."""

    net: str = Field(description="that of the run")
    dataset: str = Field(description="that of the run")
    images: int = Field(ge=2, description="drawn and scored at each point")
    samplers: dict[Sampler, Spacing] = Field(min_length=1, description="with the timesteps that each walks over")
    steps: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
    etas: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=1)] = Field(description="of ddim alone")


class SweepConfig(Strict):
    """configs/sweep/<run>.yaml; weights, clip and guidance are those of the run's `sample:` block."""

    run: str
    family: str
    seed: int
    compute: Compute
    reference_split: Literal["train", "test"]
    sweep: Sweep
    weights: Literal["ema", "raw"]
    clip: bool
    guidance: float


class Point(NamedTuple):
    """What is drawn with; `evaluations` of the network an image."""

    sampler: str
    spacing: str
    steps: int
    eta: float
    evaluations: int


def points(sweep: Sweep, guidance: float) -> Iterator[Point]:
    """Every sampler at every number of steps, ddim at every eta besides."""
    for sampler, spacing in sweep.samplers.items():
        for eta in sweep.etas if sampler == "ddim" else [0.0]:
            for steps in sweep.steps:
                calls = evaluations(sampler, steps) * (2 if guidance else 1)
                yield Point(sampler, spacing, steps, eta, calls)
