"""Settings of the GAN family."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from thirtytwo.settings.sampling import SampleSettings
from thirtytwo.settings.strict import Steps, Strict
from thirtytwo.settings.training import TrainSettings

__all__ = ["DecaySteps", "GANLoss", "GANSampling", "GANSettings"]

GANLoss = Literal["non_saturating", "minimax", "lsgan", "wgan_gp", "relativistic"]


class DecaySteps(Strict):
    """Optimiser steps after which a linearly decaying learning rate reaches 0."""

    discriminator: Steps
    generator: Steps


class GANSettings(TrainSettings):
    """The family block of a GAN in params.yaml."""

    loss: GANLoss
    latent_dim: int = Field(ge=1, le=65_536)
    width: int = Field(ge=1, le=4096)
    discriminator_width: int = Field(ge=0, le=4096, description="width of the discriminator; 0: that of `width`")
    multipliers: Annotated[list[Annotated[int, Field(ge=1, le=64)]], Field(min_length=3, max_length=3)] = Field(
        description="widths of the generator's three hidden stages, in units of `width`"
    )
    activation: Literal["relu", "leaky_relu"] = Field(
        description="activation of the discriminator; leaky_relu has slope 0.2"
    )
    batch_norm: bool
    init_std: float = Field(ge=0, le=10, description="standard deviation of the initial weights; 0: PyTorch's default")
    init_mean: float = Field(
        gt=-1,
        lt=1,
        description="mean of the first images, set by the generator's last bias; 0: as the initial weights give. Without"
        " normalisation and far from the mean of real images, the first steps can drive tanh into saturation for good",
    )
    penalty: float = Field(
        ge=0, le=1e6, description="weight of the gradient penalty: lambda of WGAN-GP, gamma of R1 and R2 (relativistic)"
    )
    penalty_every: int = Field(
        ge=1,
        le=1000,
        description="discriminator steps per penalty, which is then multiplied by this number (Karras et al. 2020, section 3.1)",
    )
    real_target: float = Field(
        ge=0, le=1, description="the discriminator's target for real images; below 1: label smoothing"
    )
    fake_target: float = Field(
        ge=0,
        le=1,
        description="the discriminator's target for samples; WGAN-GP and the relativistic loss ignore both targets",
    )
    input_noise: float = Field(
        ge=0, le=10, description="standard deviation of instance noise, decreasing linearly to 0"
    )
    conditional: bool = Field(
        description="condition both networks on the label, by an embedding in extra input channels"
    )
    label_channels: int = Field(ge=1, le=1024, description="size of the label embedding")
    generator_every: int = Field(ge=1, le=1000, description="discriminator steps per generator step")
    lr_decay: Literal["none", "linear"]
    decay_steps: DecaySteps

    @model_validator(mode="after")
    def _penalised(self) -> "GANSettings":
        if self.loss == "wgan_gp" and not self.penalty:
            raise ValueError(
                "penalty: 0, but without the gradient penalty the critic of loss 'wgan_gp' is unbounded; set penalty: 10"
            )
        return self


class GANSampling(SampleSettings):
    """The `sample:` block of a GAN."""

    proposals: int = Field(
        ge=1,
        le=10_000,
        description="samples that a Metropolis-Hastings chain chooses each image from; 1: plain samples",
    )
