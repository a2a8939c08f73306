"""Training of the classifiers. Everything random derives from (seed, step), so equal settings give equal weights."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from thirtytwo.core.seeds import derive_seed
from thirtytwo.core.weights import serialise
from thirtytwo.data.batches import ImageSet, to_float, to_uint8
from thirtytwo.runtime import files
from thirtytwo.runtime.errors import TrainingError
from thirtytwo.settings.classifier import Training as Settings

__all__ = ["augment", "save", "train"]

Net = TypeVar("Net", bound=nn.Module)

_SHIFT = 2  # pixels, each way
_TURN, _SCALE = math.radians(6), 0.08  # of affine augmentation, each way
_WARM_UP = 0.2  # share of the steps in which the learning rate rises
_LEAST_STEPS = 6  # with fewer, that rise has no length
_SMOOTHING = 0.05


def train(
    network: Callable[[int, int, int], Net], data: ImageSet, settings: Settings, *, seed: int, device: torch.device
) -> Net:  # fmt: skip
    """Train on the train split with AdamW and the one-cycle rate (Smith and Topin 2018); returns it in eval mode.

    Args:
        network: class of the network, called with the numbers of channels and classes and the width.

    Raises:
        TrainingError: too few training images, classes or steps, or the loss is not finite.
    """
    part = data.only("train")
    if len(part.labels) < settings.batch_size or len(data.classes) < 2:
        raise TrainingError(
            f"a classifier needs two classes and one batch of {settings.batch_size} training images (batch_size), "
            f"the data set has {len(data.classes)} classes and {len(part.labels)} training images"
        )
    per_epoch = len(part.labels) // settings.batch_size
    if (steps := settings.epochs * per_epoch) < _LEAST_STEPS:
        raise TrainingError(
            f"a classifier needs {_LEAST_STEPS} steps or more, {settings.epochs} epochs of {per_epoch} batches are {steps};"
            " raise epochs or lower batch_size"
        )
    torch.manual_seed(derive_seed(seed, 0))
    model = network(part.images.shape[3], len(data.classes), settings.width)
    model = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    images, labels = torch.from_numpy(part.images).to(device), torch.from_numpy(part.labels).to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=settings.lr, total_steps=steps, pct_start=_WARM_UP, cycle_momentum=False
    )
    model.train()
    for step in (bar := tqdm(range(steps), unit="step", mininterval=1.0)):
        if step % per_epoch == 0:
            order = torch.randperm(len(images), generator=_generator(seed, 1, step)).to(device)
        index = order[step % per_epoch * settings.batch_size :][: settings.batch_size]
        batch = to_float(augment(images[index], settings.augment, _generator(seed, 2, step)))
        loss = functional.cross_entropy(model(batch), labels[index], label_smoothing=_SMOOTHING)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if (step + 1) % 20 == 0 or step + 1 == steps:
            _check(loss.item(), step)
            bar.set_postfix(loss=f"{loss.item():.3f}")
    return model.eval()


def augment(images: Tensor, kind: str, rng: torch.Generator) -> Tensor:
    """Move each image [B, H, W, C] uint8, repeating its edge.

    Args:
        kind: "none"; "shift", by up to 2 pixels each way; "affine", the same not in whole pixels, with a rotation by up
            to 6 degrees and a change of size by up to 8 %; with "_flip", half of the images are mirrored as well.
        rng: on the CPU, so that every device sees the same moves.
    """
    if kind == "none":
        return images
    if kind.startswith("affine"):
        return _affine(images, kind == "affine_flip", rng)
    count, height, width = images.shape[:3]
    dy, dx = torch.randint(-_SHIFT, _SHIFT + 1, (2, count, 1), generator=rng)
    rows = (torch.arange(height) + dy).clamp(0, height - 1)
    columns = (torch.arange(width) + dx).clamp(0, width - 1)
    if kind == "shift_flip":
        flipped = torch.rand(count, 1, generator=rng) < 0.5
        columns = torch.where(flipped, columns.flip(1), columns)
    batch = torch.arange(count)[:, None, None]
    where = (batch, rows[:, :, None], columns[:, None, :])
    return images[tuple(index.to(images.device) for index in where)]


def _affine(images: Tensor, flip: bool, rng: torch.Generator) -> Tensor:
    count, height = images.shape[:2]
    turn, scale, *shift = torch.rand(4, count, generator=rng) * 2 - 1
    mirrored = torch.where(torch.rand(count, generator=rng) < 0.5, -1.0, 1.0) if flip else torch.ones(count)
    size, cos, sin = 1 + _SCALE * scale, torch.cos(_TURN * turn), torch.sin(_TURN * turn)
    offset = torch.stack(shift, dim=1) * 2 * _SHIFT / height  # the image is 2 high in the coordinates of the grid
    rows = torch.stack([size * cos * mirrored, -size * sin, size * sin * mirrored, size * cos], dim=1)
    maps = torch.cat([rows.view(count, 2, 2), offset[:, :, None]], dim=2).to(images.device)
    floats = to_float(images)
    grid = functional.affine_grid(maps, list(floats.shape), align_corners=False)
    return to_uint8(functional.grid_sample(floats, grid, padding_mode="border", align_corners=False))


def save(model: nn.Module, classes: tuple[str, ...], path: Path) -> None:
    """Write weights, shape and the names of the classes; equal weights give equal bytes, whatever the path.

    Raises:
        CheckpointError: the file cannot be written.
    """
    weights = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    shape = {"channels": model.channels, "classes": list(classes), "width": model.width}
    files.write(path, serialise({"state_dict": weights, **shape}))


def _generator(*parts: int) -> torch.Generator:
    return torch.Generator().manual_seed(derive_seed(*parts))


def _check(loss: float, step: int) -> None:
    if not np.isfinite(loss):
        raise TrainingError(f"classifier: the loss is {loss} at step {step}; lower its lr in classifiers")
