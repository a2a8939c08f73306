"""Settings of EDM, of its consistency tuning, and of their samplers."""

from typing import Literal

from pydantic import Field, model_validator

from thirtytwo.settings.denoiser import DenoiserSettings
from thirtytwo.settings.sampling import SampleSettings
from thirtytwo.settings.strict import Strict, Weight
from thirtytwo.settings.training import TrainSettings

__all__ = ["EDMSampler", "EDMSamplerSettings", "EDMSampling", "EDMSettings", "EDMSpacing"]

EDMSampler = Literal["euler", "heun", "consistency"]
EDMSpacing = Literal["karras", "log_snr"]


class EDMSettings(DenoiserSettings):
    """The family block of an EDM in params.yaml."""

    objective: Literal["denoising", "consistency"] = Field(description="the mean image, or the end of the path")
    prediction: Literal["preconditioned", "x0"] = Field(description="what the network returns: F, or the image")
    sigma_data: float = Field(gt=0, le=100, description="standard deviation of the data that scales the network")
    noise_mean: float = Field(ge=-10, le=10, description="mean of log sigma in training")
    noise_std: float = Field(gt=0, le=10, description="standard deviation of log sigma in training")
    stages: int = Field(ge=1, le=1000, description="stages of equal length; for consistency only")
    stage_factor: float = Field(gt=1, le=1000, description="by which a stage divides the steps from t to r")
    pair_weighting: Literal["step", "denoising"] = Field(description="1 / (t - r), or that of denoising at t")
    distance: Literal["squared", "huber"] = Field(description="between two predictions; for consistency only")
    huber: float = Field(gt=0, le=10, description="error of a value above which huber turns from squared to linear")

    @model_validator(mode="after")
    def _consistent(self) -> "EDMSettings":
        if self.objective == "consistency" and self.prediction == "x0":
            raise ValueError(
                "prediction: 'x0', with which one image for all noise would be consistent; set prediction: preconditioned"
            )
        return self


class EDMSamplerSettings(Strict):
    """Settings of a sampler; with the model, the noise and the labels they determine the images."""

    sampler: EDMSampler
    steps: int = Field(ge=1, le=10_000, description="number of noise levels")
    spacing: EDMSpacing = Field(description="choice of the noise levels between the highest and the lowest")
    intermediate: float = Field(gt=0, lt=80, description="lowest noise level of two and more steps of consistency")
    clip: bool = Field(description="clip each predicted image to [-1, 1]")
    guidance: Weight = Field(description="w of classifier-free guidance; 0: none")


class EDMSampling(SampleSettings, EDMSamplerSettings):
    """The `sample:` block of an EDM."""

    frames: int = Field(ge=0, le=10_000, description="frames of the way from noise to image to save; 0: none")

    def check(self, trained: TrainSettings) -> None:
        """Check sampler and guidance against what the network was trained for."""
        assert isinstance(trained, EDMSettings)
        consistent = trained.objective == "consistency"
        if (self.sampler == "consistency") != consistent:
            expected = "consistency" if consistent else "heun"
            raise ValueError(f"sampler: '{self.sampler}', but objective is '{trained.objective}'; use {expected}")
        if self.guidance and consistent:
            raise ValueError(
                f"guidance: {self.guidance:g}, but its rule is for mean images, which a consistency model does not predict;"
                " set guidance: 0.0"
            )
        if self.guidance and not trained.label_dropout:
            raise ValueError(
                f"guidance: {self.guidance:g}, but the model was trained with label_dropout 0.0; set conditional: true"
                " and label_dropout: 0.1, or guidance: 0.0"
            )
