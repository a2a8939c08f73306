"""Settings of the autoencoder family."""

from typing import Literal

from pydantic import Field

from thirtytwo.settings.sampling import SampleSettings
from thirtytwo.settings.training import TrainSettings

__all__ = ["AutoencoderSampling", "AutoencoderSettings", "Likelihood", "Prior"]

Likelihood = Literal["gaussian", "sigma_vae", "bernoulli"]
Prior = Literal["standard", "gaussian", "mixture"]


class AutoencoderSettings(TrainSettings):
    """An autoencoder's block of params.yaml."""

    variational: bool = Field(description="false: a plain autoencoder, whose code has neither noise nor KL term")
    likelihood: Likelihood = Field(description="of an image given its code, hence the reconstruction term")
    beta: float = Field(ge=0, description="weight of the KL term")
    beta_schedule: Literal["constant", "linear"] = Field(description="linear: from 0 at epoch 0 to beta after the last")
    latent_dim: int = Field(ge=1, description="size of the code; channels of it where the network's is a feature map")
    width: int = Field(ge=1, description="channels of the first convolution; doubled at each downsampling")


class AutoencoderSampling(SampleSettings):
    """An autoencoder's `sample:` block."""

    prior: Prior = Field(description="of z: N(0, I), or fitted to the codes of the training images")
    components: int = Field(ge=1, description="largest number in the mixture (of each class where the model is conditional); held-out codes choose")
    guidance: float = Field(ge=0, description="w of `densities.guided_gaussian`, of each class's density; 0: none")
    decoder_guidance: float = Field(ge=0, description="w of `drawing.guided_decoder`; 0: none")
    bound_images: int = Field(ge=2, description="held-out images of the likelihood bound")
    bound_samples: int = Field(ge=1, description="K of the likelihood bound (IWAE)")

    def check(self, trained: TrainSettings) -> None:
        assert isinstance(trained, AutoencoderSettings)
        if self.prior == "standard" and not trained.variational:
            raise ValueError("prior: 'standard', but a plain autoencoder has no prior; use gaussian or mixture")
        if self.prior == "standard" and self.guidance:
            raise ValueError(
                f"guidance: {self.guidance:g}, but the prior standard is the same for all labels; set guidance to 0, or "
                "use the prior gaussian or mixture"
            )
