"""Settings of diffusion models and their samplers."""

from typing import Literal

from pydantic import Field, model_validator

from thirtytwo.settings.denoiser import DenoiserSettings
from thirtytwo.settings.sampling import SampleSettings
from thirtytwo.settings.strict import Strict, Weight

__all__ = ["DiffusionSampling", "DiffusionSettings", "Sampler", "SamplerSettings", "Spacing"]

Sampler = Literal["ddpm", "ddim", "dpm_solver_pp_2m", "heun", "unipc"]
Spacing = Literal["uniform", "quadratic", "trailing", "log_snr", "karras"]


class DiffusionSettings(DenoiserSettings):
    """The family block of a diffusion model in params.yaml."""

    schedule: Literal["linear", "cosine", "quadratic"]
    timesteps: int = Field(ge=2, le=10_000, description="T")
    beta_start: float = Field(gt=0, lt=1, description="beta_1; ignored by cosine")
    beta_end: float = Field(gt=0, lt=1, description="beta_T; ignored by cosine")
    prediction: Literal["epsilon", "v", "x0"]
    loss: Literal["l2", "l1"]
    weighting: Literal["simple", "variational"] = Field(
        description="weighting of timesteps: L_simple or the variational bound"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "DiffusionSettings":
        if self.weighting == "variational" and self.loss != "l2":
            raise ValueError("loss: 'l1', but weighting 'variational' needs a squared error; set loss: l2")
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
