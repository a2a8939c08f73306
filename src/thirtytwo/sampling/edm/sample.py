"""Sample an EDM."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from thirtytwo.data.batches import to_uint8
from thirtytwo.models.edm.model import EDM
from thirtytwo.sampling.drawing import Draw, Job, Samples, Task, cycle_labels, first, snapshots
from thirtytwo.sampling.edm.generate import generate
from thirtytwo.settings.edm import EDMSampling

__all__ = ["drawer", "sample"]

_WAY_IMAGES = 10


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
    probes = _way(model, job, labels)
    return Samples(images, labels, probes | snapshots(model, job, lambda: drawer(model, job), labels))


def _settings(task: Task) -> EDMSampling:
    assert isinstance(task.cfg.sample, EDMSampling)
    return task.cfg.sample


def _way(model: EDM, job: Job, labels: Tensor | None) -> dict[str, np.ndarray]:
    """Record the way of the first images, evenly spaced in steps; the last frame is the image."""
    s = _settings(job)
    if not s.frames:
        return {}
    count = min(_WAY_IMAGES, job.cfg.sampling.images)
    recorded: dict[float, tuple[Tensor, Tensor]] = {}

    def record(x: Tensor, sigma: float, x0: Tensor) -> None:  # Heun's guess at sigma comes before x itself
        recorded[sigma] = x[:count].cpu() / (1 + sigma**2) ** 0.5, x0[:count].cpu()

    labels = None if labels is None else labels[:count]
    final = generate(model, s, seed=job.cfg.seed, indices=range(count), labels=labels, device=job.device, watch=record)
    recorded[0.0] = final, final
    sigmas = sorted(recorded, reverse=True)
    sigmas = [sigmas[i] for i in np.unique(np.linspace(0, len(sigmas) - 1, s.frames).round().astype(int))]

    def frames(part: int) -> np.ndarray:
        return np.stack([to_uint8(recorded[sigma][part]).numpy() for sigma in sigmas])

    return {"flow_frames": frames(0), "flow_estimates": frames(1), "flow_times": np.array(sigmas)}
