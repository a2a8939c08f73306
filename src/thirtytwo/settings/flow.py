"""Settings of flow matching and mean flows, and of their samplers."""

from typing import Literal

from pydantic import Field, model_validator

from thirtytwo.settings.denoiser import DenoiserSettings
from thirtytwo.settings.sampling import SampleSettings
from thirtytwo.settings.strict import Strict, Weight
from thirtytwo.settings.training import TrainSettings

__all__ = ["FlowSampler", "FlowSamplerSettings", "FlowSampling", "FlowSettings", "FlowSpacing"]

FlowSampler = Literal["euler", "heun", "mean_flow"]
FlowSpacing = Literal["uniform", "quadratic"]


class FlowSettings(DenoiserSettings):
    """The family block of a flow in params.yaml."""

    objective: Literal["flow_matching", "mean_flow"] = Field(description="velocity at t, or its mean over [r, t]")
    prediction: Literal["velocity", "x0"] = Field(description="what the network returns")
    weighting: Literal["velocity", "x0"] = Field(description="what the squared error is of: the velocity, or x_0")
    times: Literal["uniform", "logit_normal"] = Field(description="distribution of t in training")
    time_mean: float = Field(ge=-10, le=10, description="mean of logit t; ignored by uniform")
    time_std: float = Field(gt=0, le=10, description="standard deviation of logit t; ignored by uniform")
    coupling: Literal["independent", "optimal_transport"] = Field(description="how noise and images form pairs")
    equal_times: float = Field(ge=0, le=1, description="share of images with r = t; for mean_flow only")
    training_guidance: Weight = Field(description="w of the guidance that a mean flow learns; 0: none")
    adaptive_power: float = Field(ge=0, le=2, description="power p of the adaptive weight of an image; 0: none")

    @model_validator(mode="after")
    def _consistent(self) -> "FlowSettings":
        if self.training_guidance and self.objective != "mean_flow":
            raise ValueError(
                f"training_guidance: {self.training_guidance:g}, but objective '{self.objective}' is guided when it is"
                " sampled; set training_guidance: 0.0 and sample.guidance"
            )
        if self.training_guidance and not self.label_dropout:
            raise ValueError(f"training_guidance: {self.training_guidance:g} needs label_dropout, such as 0.1")
        return self


class FlowSamplerSettings(Strict):
    """Settings of a sampler; with the model, the noise and the labels they determine the images."""

    sampler: FlowSampler
    steps: int = Field(ge=1, le=10_000, description="number of steps from t = 1 to t = 0")
    spacing: FlowSpacing = Field(description="choice of the times between 1 and 0")
    clip: bool = Field(description="clip the x_0 that a velocity leads to to [-1, 1] at each step")
    guidance: Weight = Field(description="w of classifier-free guidance; 0: none")


class FlowSampling(SampleSettings, FlowSamplerSettings):
    """The `sample:` block of a flow."""

    frames: int = Field(ge=0, le=10_000, description="frames of the way from noise to image to save; 0: none")

    def check(self, trained: TrainSettings) -> None:
        """Check sampler and guidance against what the network was trained for."""
        assert isinstance(trained, FlowSettings)
        if self.sampler == "mean_flow" and trained.objective != "mean_flow":
            raise ValueError(f"sampler: 'mean_flow' needs objective: mean_flow, got '{trained.objective}'; use heun")
        if self.guidance and trained.objective == "mean_flow":
            raise ValueError(
                f"guidance: {self.guidance:g}, but a mean flow learns its guidance; set guidance: 0.0 and"
                " training_guidance"
            )
        if self.guidance and not trained.label_dropout:
            raise ValueError(
                f"guidance: {self.guidance:g}, but the model was trained with label_dropout 0.0; set conditional: true"
                " and label_dropout: 0.1, or guidance: 0.0"
            )
        if self.clip and self.sampler == "mean_flow":
            raise ValueError("clip: true, but a mean velocity leads to no x_0 on its way; set clip: false")
