"""Settings of diffusion models, their samplers and sweeps of samplers."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from thirtytwo.settings.configs import Compute
from thirtytwo.settings.evaluation import Resamples, Split
from thirtytwo.settings.sampling import SampleSettings
from thirtytwo.settings.strict import Seed, Strict, Weight
from thirtytwo.settings.training import TrainSettings

__all__ = [
    "DiffusionSampling", "DiffusionSettings", "Sampler", "SamplerSettings", "Spacing", "Sweep", "SweepConfig",
]  # fmt: skip

Sampler = Literal["ddpm", "ddim", "dpm_solver_pp_2m", "heun", "unipc"]
Spacing = Literal["uniform", "quadratic", "trailing", "log_snr", "karras"]


class DiffusionSettings(TrainSettings):
    """The family block of a diffusion model in params.yaml; settings of the network are explained in nets/."""

    schedule: Literal["linear", "cosine", "quadratic"]
    timesteps: int = Field(ge=2, le=10_000, description="T")
    beta_start: float = Field(gt=0, lt=1, description="beta_1; ignored by cosine")
    beta_end: float = Field(gt=0, lt=1, description="beta_T; ignored by cosine")
    prediction: Literal["epsilon", "v", "x0"]
    loss: Literal["l2", "l1"]
    weighting: Literal["simple", "variational"] = Field(
        description="weighting of timesteps: L_simple or the variational bound"
    )
    conditional: bool = Field(description="whether the network is conditioned on the label")
    label_dropout: float = Field(
        ge=0, lt=1, description="probability of replacing a label by the null class, needed for guidance"
    )
    warmup: int = Field(ge=0, le=100_000_000, description="steps over which the learning rate increases linearly to lr")
    width: int = Field(ge=4, le=4096, multiple_of=4)
    width_multipliers: Annotated[list[Annotated[int, Field(ge=1, le=64)]], Field(min_length=1, max_length=6)]
    blocks: int = Field(ge=1, le=64)
    attention_resolutions: list[Literal[1, 2, 4, 8, 16, 32]]
    heads: int = Field(ge=1, le=1024)
    dropout: float = Field(ge=0, lt=1)
    time_conditioning: Literal["scale_shift", "additive"]
    patch: int = Field(ge=1, le=32)

    @model_validator(mode="after")
    def _consistent(self) -> "DiffusionSettings":
        if 32 % (self.patch * 2 ** (len(self.width_multipliers) - 1)):
            raise ValueError(
                f"patch, width_multipliers: 32 pixels do not divide into patches of {self.patch} on"
                f" {len(self.width_multipliers)} levels; use smaller patches or fewer levels"
            )
        if self.width % self.heads:
            raise ValueError(f"heads: {self.heads}, but width {self.width} is not a multiple of it")
        if self.weighting == "variational" and self.loss != "l2":
            raise ValueError("loss: 'l1', but weighting 'variational' needs a squared error; set loss: l2")
        if self.label_dropout and not self.conditional:
            raise ValueError(
                f"label_dropout: {self.label_dropout}, but conditional is false; set conditional: true"
                " or label_dropout: 0.0"
            )
        return self


class SamplerSettings(Strict):
    """Settings of a sampler; with the model, the noise and the labels they determine the images."""

    sampler: Sampler
    steps: int = Field(ge=1, le=10_000, description="number of steps S, at most T")
    eta: float = Field(
        ge=0, le=1, description="noise of ddim (other samplers ignore it): 0 deterministic, 1 as in ddpm"
    )
    spacing: Spacing = Field(description="choice of S timesteps among the T of the schedule")
    clip: bool = Field(description="clip the predicted x_0 to [-1, 1] at each step")
    guidance: Weight = Field(description="w of classifier-free guidance; 0: none")


class DiffusionSampling(SampleSettings, SamplerSettings):
    """The `sample:` block of a diffusion model."""

    decoder_guidance: Weight = Field(description="w of `drawing.guided_decoder` in latent diffusion; 0: none")
    frames: int = Field(ge=0, le=10_000, description="frames of the sampling trajectory to save; 0: none")
    bound_images: int = Field(ge=0, le=1_000_000, description="held-out images for the likelihood bound; 0: none")
    bound_timesteps: int = Field(ge=1, le=10_000, description="timesteps evaluated per image; T - 1: all")


class Sweep(Strict):
    """One entry of `sweeps:`, named after the run whose model it samples."""

    net: str = Field(description="network of the run")
    dataset: str = Field(description="data set of the run")
    images: int = Field(ge=2, le=1_000_000, description="images drawn and scored at each point")
    samplers: dict[Sampler, Spacing] = Field(min_length=1, description="timestep spacing of each sampler")
    steps: Annotated[list[Annotated[int, Field(ge=1, le=10_000)]], Field(min_length=1, max_length=100)]
    etas: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1, max_length=100)] = Field(
        description="values of eta for ddim"
    )


class SweepConfig(Strict):
    """Content of configs/sweep/<run>.yaml; weights, clip and guidance come from the run's `sample:` block."""

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
