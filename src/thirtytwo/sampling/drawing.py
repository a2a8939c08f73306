"""What is drawn from a trained model: its images, and arrays that show what the model has learnt.

A family is a folder here with a module `sample`, apart from its folder in `thirtytwo.models`, so that a change of
sampling retrains nothing:

    drawer(model, task) -> Draw
    sample(model, job) -> Drawn
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
    "Drawn",
    "Job",
    "Task",
    "cycle_labels",
    "first",
    "guided_decoder",
    "snapshots",
    "to_arrays",
]

# [n, C, 32, 32] in [-1, 1] on the CPU, of n indices and their labels [n] int64; None where the model takes none
Draw = Callable[[Sequence[int], Tensor | None], Tensor]
# images [B, C, 32, 32] of codes [B, ...] and their labels
Decode = Callable[[Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class Task:
    """The input of a family's `drawer`.

    Attributes:
        cfg: resolved settings of the stage, with the family's sampling settings.
        data: the prepared data set that the model was trained on.
        device: where the model is.
    """

    cfg: SampleConfig[Any]
    data: ImageSet
    device: torch.device


@dataclass(frozen=True)
class Job(Task):
    """The input of a family's `sample`.

    Attributes:
        fresh: an untrained model of the same run, initialised from a seed.
        snapshots: weights of the modules that sampling uses, by the step they were taken at.
    """

    fresh: Callable[[int], Family]
    snapshots: dict[int, dict[str, Any]]


@dataclass(frozen=True)
class Drawn:
    """The output of a family's `sample`.

    Attributes:
        images: [N, C, 32, 32] float32 on the CPU, nominally in [-1, 1].
        labels: [N] int64, requested of a conditional model, or None.
        probes: further arrays by name, saved as they are: images as uint8 [..., 32, 32, C], or numbers.
    """

    images: Tensor
    labels: Tensor | None
    probes: dict[str, np.ndarray]


def cycle_labels(model: Family, count: int, classes: int) -> Tensor | None:
    """Labels 0, 1, ..., K - 1, 0, 1, ... [count] int64; None where the model takes no labels."""
    return torch.arange(count) % classes if model.conditional else None


def first(draw: Draw, count: int, labels: Tensor | None) -> Tensor:
    """The first `count` images of a run whose labels are `labels`."""
    return draw(range(count), None if labels is None else labels[:count])


def guided_decoder(decode: Decode, weight: float, classes: int) -> Decode:
    """Move images away from the mean of what their codes decode to under every label.

    x(z, y) + w (x(z, y) - 1/K sum_k x(z, k)), clipped to [-1, 1]: classifier-free guidance (Ho & Salimans 2022, eq. 6)
    for a decoder, with its mean over labels in place of an unconditional decoder. A decoder trained on squared or cross
    error draws the mean of all images that a code may stand for; guidance removes the part of that blur that lies
    between classes. It costs K decodings an image.

    Args:
        weight: w; 0: `decode` itself.
        classes: K; 0 where the decoder takes no labels.

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
        every = torch.stack([decode(z, torch.full((len(z),), label, device=z.device)) for label in range(classes)])
        labelled = every[labels, torch.arange(len(z), device=z.device)]
        return (labelled + weight * (labelled - every.mean(0))).clamp(-1, 1)

    return decode_guided


def snapshots(model: Family, job: Job, drawer: Callable[[], Draw], labels: Tensor | None) -> dict[str, np.ndarray]:
    """Draw the same images, from the same noise, with the weights of each snapshot of the training.

    Args:
        drawer: of the model as it is when called.
        labels: of the run's images, or None.

    Returns:
        snapshot_steps [S] int64 and snapshot_images [S, n, 32, 32, C] uint8. The model keeps the weights of the last
        snapshot, so draw the run's images first.
    """
    drawn = []
    for state in job.snapshots.values():
        for name, weights in state.items():
            model.modules[name].load_state_dict(weights)
        drawn.append(to_uint8(first(drawer(), job.cfg.sampling.snapshot_images, labels)).numpy())
    return {"snapshot_steps": np.array(list(job.snapshots)), "snapshot_images": np.stack(drawn)} if drawn else {}


def to_arrays(images: Tensor, labels: Tensor | None, source: str) -> dict[str, np.ndarray]:
    """The content of a file of samples.

    Args:
        images: [N, C, 32, 32], nominally in [-1, 1].
        labels: [N] int64, or None.
        source: file of the weights, for the message.

    Returns:
        images [N, 32, 32, C] uint8, labels [N] int64 (-1: none was requested) and index [N] int64.

    Raises:
        CheckpointError: an image is not finite.
    """
    if not torch.isfinite(images).all():
        bad = (~torch.isfinite(images)).flatten(1).any(1).nonzero()[0].item()
        raise CheckpointError(
            f"{source}: image {bad} is not finite; its training diverged, so lower lr and train again"
        )
    count = len(images)
    requested = np.full(count, -1, np.int64) if labels is None else labels.numpy()
    return {"images": to_uint8(images).numpy(), "labels": requested, "index": np.arange(count)}
