"""Settings of the autoencoder family."""

from typing import Literal

from pydantic import Field

from thirtytwo.settings.sampling import SampleSettings
from thirtytwo.settings.strict import Weight
from thirtytwo.settings.training import TrainSettings

__all__ = ["AutoencoderSampling", "AutoencoderSettings", "Likelihood", "Prior"]

Likelihood = Literal["gaussian", "sigma_vae", "bernoulli"]
Prior = Literal["standard", "gaussian", "mixture"]


class AutoencoderSettings(TrainSettings):
    """The family block of an autoencoder in params.yaml."""

    variational: bool = Field(description="false: a plain autoencoder, without noise and KL term")
    likelihood: Likelihood = Field(
        description="likelihood of an image given its code, which determines the reconstruction term"
    )
    beta: float = Field(ge=0, le=1e6, description="weight of the KL term")
    beta_schedule: Literal["constant", "linear"] = Field(
        description="linear: from 0 in the first epoch to beta after the last"
    )
    latent_dim: int = Field(
        ge=1, le=65_536, description="size of the code, or its number of channels if it is a feature map"
    )
    width: int = Field(ge=1, le=4096, description="channels of the first convolution; doubled at each downsampling")


class AutoencoderSampling(SampleSettings):
    """The `sample:` block of an autoencoder."""

    prior: Prior = Field(description="distribution of z: N(0, I), or a density fitted to the codes of training images")
    components: int = Field(
        ge=1, le=1000, description="most components of the mixture, per class if the model is conditional"
    )
    guidance: Weight = Field(
        description="w of `densities.gaussian_quotient`, between each class and all codes; 0: none"
    )
    decoder_guidance: Weight = Field(description="w of `drawing.guided_decoder`; 0: none")
    bound_images: int = Field(ge=2, le=1_000_000, description="held-out images for the likelihood bound")
    bound_samples: int = Field(ge=1, le=100_000, description="importance samples K of the likelihood bound (IWAE)")

    def check(self, trained: TrainSettings) -> None:
        assert isinstance(trained, AutoencoderSettings)
        if self.prior == "standard" and not trained.variational:
            raise ValueError("prior: 'standard', but variational is false; set prior: gaussian or mixture")
        if self.prior == "standard" and self.guidance:
            raise ValueError(
                f"guidance: {self.guidance:g}, but prior 'standard' does not depend on the label; set guidance: 0.0, or"
                " prior: gaussian or mixture"
            )
