"""Settings shared by the families whose network sees a noisy image and its noise level: diffusion, flow and edm."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from thirtytwo.settings.training import TrainSettings

__all__ = ["DenoiserSettings"]


class DenoiserSettings(TrainSettings):
    """Labels, warm-up and network; settings of the network are explained in nets/."""

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
    def _fits(self) -> "DenoiserSettings":
        if 32 % (self.patch * 2 ** (len(self.width_multipliers) - 1)):
            raise ValueError(
                f"patch, width_multipliers: 32 pixels do not divide into patches of {self.patch} on"
                f" {len(self.width_multipliers)} levels; use smaller patches or fewer levels"
            )
        if self.width % self.heads:
            raise ValueError(f"heads: {self.heads}, but width {self.width} is not a multiple of it")
        if self.label_dropout and not self.conditional:
            raise ValueError(
                f"label_dropout: {self.label_dropout}, but conditional is false; set conditional: true"
                " or label_dropout: 0.0"
            )
        return self
