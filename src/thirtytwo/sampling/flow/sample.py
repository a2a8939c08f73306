"""Sample a flow."""

from collections.abc import Sequence

from torch import Tensor

from thirtytwo.models.flow.model import Flow
from thirtytwo.sampling.drawing import Draw, Job, Samples, Task, cycle_labels, first, snapshots, way
from thirtytwo.sampling.flow.generate import generate
from thirtytwo.settings.flow import FlowSampling

__all__ = ["drawer", "sample"]


def drawer(model: Flow, task: Task) -> Draw:
    """Return a function that draws images with the sampler of the settings."""

    def draw(indices: Sequence[int], labels: Tensor | None) -> Tensor:
        return generate(model, _settings(task), seed=task.cfg.seed, indices=indices, labels=labels, device=task.device)

    return draw


def sample(model: Flow, job: Job) -> Samples:
    """Draw the images of a run and these probes:

    flow_frames and flow_estimates [F, 10, 32, 32, C], x_t and the image that its velocity leads to, of the first images;
    flow_times [F]; snapshots.
    """
    labels = cycle_labels(model, job.cfg.sampling.images, len(job.data.classes))
    images = first(drawer(model, job), job.cfg.sampling.images, labels)
    probes = way(generate, model, job, labels, lambda x, t, velocity: (x, x - t * velocity))
    return Samples(images, labels, probes | snapshots(model, job, lambda: drawer(model, job), labels))


def _settings(task: Task) -> FlowSampling:
    assert isinstance(task.cfg.sample, FlowSampling)
    return task.cfg.sample
