"""What is made with a trained model: its images, and whatever else shows what it has learnt.

A family has one module here, of its own name, apart from its module in `thirtytwo.families` so that a change of
sampling does not train anew:

    Settings            its `sample:` sub-block of params.yaml, a subclass of `SampleSettings`
    drawer(model, task) -> Draw
    sample(model, job) -> Drawn
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, create_model
from torch import Tensor

from thirtytwo.data.batches import ImageSet, to_uint8
from thirtytwo.models import Family, TrainSettings
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.settings import configs
from thirtytwo.settings.configs import Compute
from thirtytwo.settings.strict import Strict

__all__ = [
    "Decode", "Draw", "Drawn", "Job", "SampleConfig", "SampleSettings", "Sampling", "Task", "asked_labels", "first",
    "guided", "read_config", "snapshots",
]  # fmt: skip

# [n, C, 32, 32] in [-1, 1] on the CPU, of n indices and their labels [n] int64; None where the model takes none
Draw = Callable[[Sequence[int], Tensor | None], Tensor]
# images [B, C, 32, 32] of codes [B, ...] and their labels
Decode = Callable[[Tensor, Tensor | None], Tensor]


class Sampling(Strict):
    """What sampling asks of every family alike."""

    images: int = Field(ge=1, description="images drawn a run")
    grid_side: int = Field(ge=1, description="rows and columns of the sample grid")
    snapshot_images: int = Field(ge=1, description="images drawn from each snapshot of a training")


class SampleSettings(Strict):
    """What drawing images takes beyond training; a family's `Settings` adds its own keys."""

    weights: Literal["ema", "raw"]

    def check(self, trained: TrainSettings) -> None:
        """Raises ValueError, naming the key, where these cannot go with how the model is trained."""


class SampleConfig(Strict):
    """configs/sample/<run>.yaml; `sample` is an instance of the family's own Settings."""

    run: str
    family: str
    dataset: str
    seed: int
    seeds: int
    compute: Compute
    sampling: Sampling
    sample: SampleSettings


@dataclass(frozen=True)
class Task:
    """What a family's `drawer` works with.

    Attributes:
        cfg: resolved settings of the stage.
        data: the prepared data set that the model was trained on.
        device: where the model is.
    """

    cfg: SampleConfig
    data: ImageSet
    device: torch.device


@dataclass(frozen=True)
class Job(Task):
    """What a family's `sample` works with.

    Attributes:
        fresh: an untrained model of the same run, initialised from a seed.
        snapshots: weights of the modules that sampling uses, by the step they were taken at.
    """

    fresh: Callable[[int], Family]
    snapshots: dict[int, dict[str, Any]]


@dataclass(frozen=True)
class Drawn:
    """What `sample` returns.

    Attributes:
        images: [N, C, 32, 32] float32 on the CPU, nominally in [-1, 1].
        labels: [N] int64 labels asked for, or None.
        probes: named arrays besides, saved as they are: images as uint8 [..., 32, 32, C], else numbers.
    """

    images: Tensor
    labels: Tensor | None
    probes: dict[str, np.ndarray]


def read_config(run: str, root: Path) -> SampleConfig:
    """configs/sample/<run>.yaml, with the sampling settings of the run's family.

    Raises:
        ParamsError: there is no such run, or the file is not valid.
    """
    # By its name, so that a stage depends on the family of its run alone.
    family = import_module(f"thirtytwo.sampling.{configs.read_values('sample', run, root)['family']}.sample")
    model = create_model("SampleConfig", __base__=SampleConfig, sample=(family.Settings, ...))
    return configs.read(model, "sample", run, root)


def asked_labels(model: Family, count: int, classes: int) -> Tensor | None:
    """Labels that take turns through the classes, [count] int64; None where the model takes none."""
    return torch.arange(count) % classes if model.conditional else None


def first(draw: Draw, count: int, labels: Tensor | None) -> Tensor:
    """The first `count` images of a run, which has these labels."""
    return draw(range(count), None if labels is None else labels[:count])


def guided(decode: Decode, weight: float, classes: int) -> Decode:
    """Images moved away from what their codes would be with any other label: sharper in all that the label decides.

    x(z, y) + w (x(z, y) - 1/K sum_k x(z, k)), clipped to [-1, 1]. This is the form of classifier-free guidance (Ho &
    Salimans 2022, eq. 6) for a decoder: its mean over labels stands for the decoder that knows no label. A decoder
    trained on squared or cross error draws the mean of all images that a code may stand for, and this takes the part
    of the blur away that is a blur between classes. It takes K calls an image.

    Args:
        weight: w; 0: `decode` itself.
        classes: K; 0 where the decoder takes no labels.

    Raises:
        ParamsError: a weight above 0 for a decoder that takes no labels.
    """
    if weight == 0:
        return decode
    if not classes:
        raise ParamsError(f"sample.decoder_guidance: {weight:g}, but no decoder of this run takes labels; set it to 0")

    def decode_guided(z: Tensor, labels: Tensor | None) -> Tensor:
        every = torch.stack([decode(z, torch.full((len(z),), label, device=z.device)) for label in range(classes)])
        own = every[labels, torch.arange(len(z), device=z.device)]
        return (own + weight * (own - every.mean(0))).clamp(-1, 1)

    return decode_guided


def snapshots(model: Family, job: Job, drawer: Callable[[], Draw], labels: Tensor | None) -> dict[str, np.ndarray]:
    """The same images, from the same noise, by the weights of each snapshot of the training.

    Args:
        drawer: of the model as it is when called.
        labels: of the run's images, or None.

    Returns:
        snapshot_steps [S] int64 and snapshot_images [S, n, 32, 32, C] uint8. The model ends with other weights
        than it came with, so draw from it first.
    """
    drawn = []
    for state in job.snapshots.values():
        for name, weights in state.items():
            model.modules[name].load_state_dict(weights)
        drawn.append(to_uint8(first(drawer(), job.cfg.sampling.snapshot_images, labels)).numpy())
    return {"snapshot_steps": np.array(list(job.snapshots)), "snapshot_images": np.stack(drawn)} if drawn else {}
