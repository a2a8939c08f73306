"""Settings of the diffusion family, its samplers and its sweeps."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from thirtytwo.settings.configs import Compute
from thirtytwo.settings.sampling import SampleSettings
from thirtytwo.settings.strict import Strict
from thirtytwo.settings.training import TrainSettings

__all__ = [
    "DiffusionSampling", "DiffusionSettings", "Sampler", "SamplerSettings", "Spacing", "Sweep", "SweepConfig",
]  # fmt: skip

Sampler = Literal["ddpm", "ddim", "dpm_solver_pp_2m", "heun", "unipc"]
Spacing = Literal["uniform", "quadratic", "trailing", "log_snr", "karras"]


class DiffusionSettings(TrainSettings):
    """A diffusion model's block of params.yaml; the numbers of the network are explained in its module in nets/."""

    schedule: Literal["linear", "cosine", "quadratic"]
    timesteps: int = Field(ge=2, description="T")
    beta_start: float = Field(gt=0, lt=1, description="beta_1; of linear and quadratic alone")
    beta_end: float = Field(gt=0, lt=1, description="beta_T; of linear and quadratic alone")
    prediction: Literal["epsilon", "v", "x0"]
    loss: Literal["l2", "l1"]
    weighting: Literal["simple", "variational"] = Field(description="of timesteps: L_simple, or the bound itself")
    conditional: bool = Field(description="on the label")
    label_dropout: float = Field(ge=0, lt=1, description="share of labels replaced by the null class; for guidance")
    warmup: int = Field(ge=0, description="steps over which the step size rises linearly to lr")
    width: int = Field(ge=4, multiple_of=4)
    width_multipliers: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
    blocks: int = Field(ge=1)
    attention_resolutions: list[int]
    heads: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)
    time_conditioning: Literal["scale_shift", "additive"]
    patch: int = Field(ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> "DiffusionSettings":
        if 32 % (self.patch * 2 ** (len(self.width_multipliers) - 1)):
            raise ValueError(
                f"32 pixels do not divide into patches of {self.patch} on {len(self.width_multipliers)} levels"
            )
        if self.width % self.heads:
            raise ValueError(f"width {self.width} does not divide into {self.heads} heads")
        if self.weighting == "variational" and self.loss != "l2":
            raise ValueError("weighting: variational is a squared error; set loss: l2")
        if self.label_dropout and not self.conditional:
            raise ValueError("label_dropout drops labels; set conditional: true, or label_dropout: 0.0")
        return self


class SamplerSettings(Strict):
    """How images are drawn from a trained diffusion model: everything but the model, the noise and the labels."""

    sampler: Sampler
    steps: int = Field(ge=1, description="S, at most T")
    eta: float = Field(ge=0, description="of ddim alone: 0 deterministic, 1 as noisy as ddpm")
    spacing: Spacing = Field(description="of the S timesteps among the T of the schedule")
    clip: bool = Field(description="the predicted image to [-1, 1] at each step")
    guidance: float = Field(ge=0, description="w of classifier-free guidance; 0: none")


class DiffusionSampling(SampleSettings, SamplerSettings):
    """A diffusion model's `sample:` block."""

    decoder_guidance: float = Field(ge=0, description="w of `drawing.guided_decoder`, for codes; 0: none")
    frames: int = Field(ge=0, description="pictures of the path from noise to image; 0: none")
    bound_images: int = Field(ge=0, description="held-out images whose bits per dimension are bounded; 0: none")
    bound_timesteps: int = Field(ge=1, description="timesteps drawn for each of them; T - 1: all")


class Sweep(Strict):
    """One entry of `sweeps:`, named after the run whose model it samples."""

    net: str = Field(description="that of the run")
    dataset: str = Field(description="that of the run")
    images: int = Field(ge=2, description="drawn and scored at each point")
    samplers: dict[Sampler, Spacing] = Field(min_length=1, description="with the timestep spacing of each")
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
