"""Settings of the GAN family."""

from typing import Annotated, Literal

from pydantic import Field

from thirtytwo.settings.sampling import SampleSettings
from thirtytwo.settings.strict import Strict
from thirtytwo.settings.training import TrainSettings

__all__ = ["DecaySteps", "GANLoss", "GANSampling", "GANSettings"]

GANLoss = Literal["non_saturating", "minimax", "lsgan", "wgan_gp"]


class DecaySteps(Strict):
    """Optimiser steps after which a linearly decaying learning rate reaches 0."""

    discriminator: int = Field(ge=1)
    generator: int = Field(ge=1)


class GANSettings(TrainSettings):
    """A GAN's block of params.yaml."""

    loss: GANLoss
    latent_dim: int = Field(ge=1)
    width: int = Field(ge=1)
    multipliers: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=3, max_length=3)] = Field(
        description="of width, for the generator's three hidden stages"
    )
    activation: Literal["relu", "leaky_relu"] = Field(description="of the discriminator; leaky: slope 0.2")
    batch_norm: bool
    init_std: float = Field(ge=0, description="weights drawn from N(0, std); 0: PyTorch's default")
    penalty: float = Field(ge=0, description="lambda of WGAN-GP")
    real_target: float = Field(ge=0, le=1, description="the discriminator's target for real images; below 1: smoothed")
    fake_target: float = Field(ge=0, le=1, description="and for samples; the cross-entropy and LSGAN losses use both")
    input_noise: float = Field(
        ge=0, description="std of the noise on the discriminator's inputs, falling linearly to 0"
    )
    conditional: bool = Field(description="on the label, by an embedding tiled to extra channels of both inputs")
    label_channels: int = Field(ge=1, description="size of that embedding")
    generator_every: int = Field(ge=1, description="discriminator steps per generator step")
    lr_decay: Literal["none", "linear"]
    decay_steps: DecaySteps


class GANSampling(SampleSettings):
    """A GAN's `sample:` block."""

    fresh_steps: int = Field(ge=1, description="steps of a fresh discriminator against the finished generator")
