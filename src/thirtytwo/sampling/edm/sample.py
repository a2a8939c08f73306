"""Sample an EDM."""

from collections.abc import Sequence

from torch import Tensor

from thirtytwo.models.edm.model import EDM
from thirtytwo.sampling.drawing import Draw, Job, Samples, Task, cycle_labels, first, snapshots, way
from thirtytwo.sampling.edm.generate import generate
from thirtytwo.settings.edm import EDMSampling

__all__ = ["drawer", "sample"]


def drawer(model: EDM, task: Task) -> Draw:
    """Return a function that draws images with the sampler of the settings."""

    def draw(indices: Sequence[int], labels: Tensor | None) -> Tensor:
        return generate(model, _settings(task), seed=task.cfg.seed, indices=indices, labels=labels, device=task.device)

    return draw


def sample(model: EDM, job: Job) -> Samples:
    """Draw the images of a run and these probes, named as those of a flow, since sigma is the time of its own:

    flow_frames and flow_estimates [F, 10, 32, 32, C], x / sqrt(1 + sigma^2) and the predicted image, of the first images;
    flow_times [F], sigma; snapshots.
    """
    labels = cycle_labels(model, job.cfg.sampling.images, len(job.data.classes))
    images = first(drawer(model, job), job.cfg.sampling.images, labels)
    probes = way(generate, model, job, labels, lambda x, sigma, x0: (x / (1 + sigma**2) ** 0.5, x0))
    return Samples(images, labels, probes | snapshots(model, job, lambda: drawer(model, job), labels))


def _settings(task: Task) -> EDMSampling:
    assert isinstance(task.cfg.sample, EDMSampling)
    return task.cfg.sample
