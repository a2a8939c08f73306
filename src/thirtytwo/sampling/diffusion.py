"""Sampling a diffusion model by one of `thirtytwo.samplers`."""

from typing import Literal

from pydantic import Field
from torch import Tensor

from thirtytwo import samplers
from thirtytwo.families.diffusion import Diffusion
from thirtytwo.sampling import Drawn, Job, SampleSettings, asked_labels, snapshots

__all__ = ["Settings", "sample"]


class Settings(SampleSettings):
    """The `sample:` block: how a trained diffusion model is sampled."""

    sampler: Literal["ddpm", "ddim"]
    steps: int = Field(ge=1, description="S, at most T")
    eta: float = Field(ge=0, description="of ddim alone: 0 deterministic, 1 as noisy as ddpm")
    spacing: Literal["uniform", "quadratic", "trailing"]
    clip: bool = Field(description="the predicted image to [-1, 1] at each step")


def sample(model: Diffusion, job: Job) -> Drawn:
    """Images by the sampler that the settings name."""
    s = job.cfg.sample
    assert isinstance(s, Settings)
    labels = asked_labels(model, job.cfg.sampling.images, len(job.data.classes))

    def draw(count: int) -> Tensor:
        return samplers.generate(
            model.denoise, model.schedule, sampler=s.sampler, steps=s.steps, eta=s.eta, spacing=s.spacing, clip=s.clip,
            seed=job.cfg.seed, indices=range(count), labels=None if labels is None else labels[:count],
            shape=(job.data.images.shape[3], 32, 32), device=job.device,
        )  # fmt: skip

    images = draw(job.cfg.sampling.images)
    return Drawn(images, labels, snapshots(model, job, draw))
