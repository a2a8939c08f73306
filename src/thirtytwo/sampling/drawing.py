"""Draw samples from a trained model: images, and further arrays (probes) that show what the model has learnt.

A family is a folder here with a module `sample`. It is separate from the folder in `thirtytwo.models`, so that a change
of sampling does not retrain a model. The module defines

    drawer(model, task) -> Draw
    sample(model, job) -> Samples
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thirtytwo.data.batches import ImageSet, to_uint8
from thirtytwo.models.contract import Family
from thirtytwo.runtime.errors import CheckpointError, ParamsError
from thirtytwo.settings.sampling import SampleConfig

__all__ = [
    "Decode",
    "Draw",
    "Job",
    "Samples",
    "Task",
    "Watch",
    "cycle_labels",
    "first",
    "guided_decoder",
    "snapshots",
    "to_arrays",
    "way",
]

_WAY_IMAGES = 10

# Images [n, C, 32, 32] in [-1, 1] on the CPU, given n indices and their labels [n] int64 (None: no labels)
Draw = Callable[[Sequence[int], Tensor | None], Tensor]
# Called at each evaluation with x [B, C, 32, 32], its time (of a flow, or the noise level) and what the network predicts
Watch = Callable[[Tensor, float, Tensor], None]
# Images [B, C, 32, 32], given codes [B, ...] and their labels
Decode = Callable[[Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class Task:
    """Input of a family's `drawer`.

    Attributes:
        cfg: resolved settings of the stage, with the family's sampling settings.
        data: prepared data set that the model was trained on.
        device: device of the model.
    """

    cfg: SampleConfig[Any]
    data: ImageSet
    device: torch.device

    def of_training(self, training: int) -> "Task":
        """Return the task for one of the run's trainings, whose noise derives from that training's seed.

        Trainings that drew from the same noise would share its chance, and the interval over trainings would omit it.
        """
        return Task(self.cfg.model_copy(update={"seed": self.cfg.seed + training}), self.data, self.device)


@dataclass(frozen=True)
class Job(Task):
    """Input of a family's `sample`.

    Attributes:
        snapshots: weights of the modules that sampling uses, by training step.
    """

    snapshots: dict[int, dict[str, Any]]


@dataclass(frozen=True)
class Samples:
    """Output of a family's `sample`.

    Attributes:
        images: [N, C, 32, 32] float32 on the CPU, nominally in [-1, 1].
        labels: [N] int64 labels requested of a conditional model, or None.
        probes: further arrays by name, saved unchanged: images as uint8 [..., 32, 32, C], or numbers.
    """

    images: Tensor
    labels: Tensor | None
    probes: dict[str, np.ndarray]


def cycle_labels(model: Family, count: int, classes: int) -> Tensor | None:
    """Return labels 0, 1, ..., K - 1, 0, 1, ... [count] int64, or None if the model takes no labels."""
    return torch.arange(count) % classes if model.conditional else None


def first(draw: Draw, count: int, labels: Tensor | None) -> Tensor:
    """Draw the first `count` images of a run with the given labels."""
    return draw(range(count), None if labels is None else labels[:count])


def guided_decoder(decode: Decode, weight: float, classes: int) -> Decode:
    """Apply guidance to a decoder: move each image away from the mean of its code's images over all labels.

    x(z, y) + w (x(z, y) - 1/K sum_k x(z, k)), clipped to [-1, 1]: classifier-free guidance (Ho & Salimans 2022, eq. 6)
    for a decoder, with its mean over labels in place of an unconditional decoder. A decoder trained on squared error
    or cross-entropy returns the mean of all images that a code may represent; guidance removes the part of this blur
    that comes from other classes. Each image costs K evaluations of the decoder.

    Args:
        weight: w; 0 returns `decode` itself.
        classes: K; 0 if the decoder takes no labels.

    Raises:
        ParamsError: a weight above 0 for a decoder that takes no labels.
    """
    if weight == 0:
        return decode
    if not classes:
        raise ParamsError(
            f"sample.decoder_guidance: {weight:g}, but the decoder of this run takes no labels; set it to 0"
        )

    def decode_guided(z: Tensor, labels: Tensor | None) -> Tensor:
        over_labels = torch.stack(
            [decode(z, torch.full((len(z),), label, device=z.device)) for label in range(classes)]
        )
        image = over_labels[labels, torch.arange(len(z), device=z.device)]
        return (image + weight * (image - over_labels.mean(0))).clamp(-1, 1)

    return decode_guided


def snapshots(model: Family, job: Job, drawer: Callable[[], Draw], labels: Tensor | None) -> dict[str, np.ndarray]:
    """Draw the same images from the same noise with the weights of each training snapshot.

    Args:
        drawer: builds the drawing function from the weights that the model has at that time.
        labels: labels of the run's images, or None.

    Returns:
        snapshot_steps [S] int64 and snapshot_images [S, n, 32, 32, C] uint8. Afterwards the model has the
        weights of the last snapshot, so draw the run's images first.
    """
    images = []
    for state in job.snapshots.values():
        for name, weights in state.items():
            model.modules[name].load_state_dict(weights)
        images.append(to_uint8(first(drawer(), job.cfg.sampling.snapshot_images, labels)).numpy())
    return {"snapshot_steps": np.array(list(job.snapshots)), "snapshot_images": np.stack(images)} if images else {}


def way(
    generate: Callable[..., Tensor], model: Family, job: Job, labels: Tensor | None,
    state: Callable[[Tensor, float, Tensor], tuple[Tensor, Tensor]],
) -> dict[str, np.ndarray]:  # fmt: skip
    """Record the way of the first images from noise, evenly spaced in steps; the last frame is the image.

    Args:
        generate: of a family with a time, which calls its argument `watch` at each evaluation.
        labels: of the run's images, or None.
        state: what to show of the arguments of `watch`: x and the image that the network predicts.

    Returns:
        flow_frames and flow_estimates [F, 10, 32, 32, C] uint8 and flow_times [F]; nothing for `frames: 0`.
    """
    s, count = job.cfg.sample, min(_WAY_IMAGES, job.cfg.sampling.images)
    if not s.frames:
        return {}
    recorded: dict[float, tuple[Tensor, Tensor]] = {}

    def watch(x: Tensor, t: float, predicted: Tensor) -> None:  # Heun's guess at t comes before x_t itself
        shown, estimate = state(x, t, predicted)
        recorded[t] = shown[:count].cpu(), estimate[:count].cpu()

    labels = None if labels is None else labels[:count]
    final = generate(model, s, seed=job.cfg.seed, indices=range(count), labels=labels, device=job.device, watch=watch)
    recorded[0.0] = final, final
    times = sorted(recorded, reverse=True)
    times = [times[i] for i in np.unique(np.linspace(0, len(times) - 1, s.frames).round().astype(int))]
    frames, estimates = (np.stack([to_uint8(recorded[t][part]).numpy() for t in times]) for part in (0, 1))
    return {"flow_frames": frames, "flow_estimates": estimates, "flow_times": np.array(times)}


def to_arrays(images: Tensor, labels: Tensor | None, source: str) -> dict[str, np.ndarray]:
    """Convert images and labels to the arrays of a samples file.

    Args:
        images: [N, C, 32, 32], nominally in [-1, 1].
        labels: [N] int64, or None.
        source: file of the weights, named in the error message.

    Returns:
        images [N, 32, 32, C] uint8, labels [N] int64 (-1: not requested) and index [N] int64.

    Raises:
        CheckpointError: an image is not finite.
    """
    if not torch.isfinite(images).all():
        bad = (~torch.isfinite(images)).flatten(1).any(1).nonzero()[0].item()
        raise CheckpointError(
            f"{source}: image {bad} is not finite because the training diverged; lower lr and train again"
        )
    count = len(images)
    requested = np.full(count, -1, np.int64) if labels is None else labels.numpy()
    return {"images": to_uint8(images).numpy(), "labels": requested, "index": np.arange(count)}
