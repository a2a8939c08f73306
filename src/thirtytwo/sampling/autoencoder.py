"""Sampling an autoencoder: z from the prior, decoded."""

from torch import Tensor

from thirtytwo import samplers
from thirtytwo.families.autoencoder import Autoencoder
from thirtytwo.sampling import Drawn, Job, SampleSettings, asked_labels, snapshots

__all__ = ["Settings", "sample"]


class Settings(SampleSettings):
    """The `sample:` block."""


def sample(model: Autoencoder, job: Job) -> Drawn:
    """Images of z ~ N(0, I)."""
    labels = asked_labels(model, job.cfg.sampling.images, len(job.data.classes))

    def draw(count: int) -> Tensor:
        return samplers.draw(
            model.draw, model.latent_shape, seed=job.cfg.seed, indices=range(count),
            labels=None if labels is None else labels[:count], device=job.device,
        )  # fmt: skip

    images = draw(job.cfg.sampling.images)
    return Drawn(images, labels, snapshots(model, job, draw))
