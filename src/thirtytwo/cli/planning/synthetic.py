"""Synthetic images in the shape of a data set, and the time that calls on images take."""

import time
from collections.abc import Callable

import numpy as np
import torch

from thirtytwo.cli.planning.estimate import DataSet
from thirtytwo.data.batches import ImageSet, to_float
from thirtytwo.models.contract import Batch

__all__ = ["FEW", "SHARE", "an_image", "now", "synthetic_batch", "synthetic_images"]

SHARE = 0.3  # seconds of one measurement, beyond its first few images
FEW = 4  # images at first; BatchNorm needs two


def an_image(call: Callable[[int], object], most: int, device: torch.device) -> float:
    """Seconds of an image in a call for several of them, at most `most`."""
    count = min(most, FEW)
    call(count)  # the first call takes longer
    seconds = _timed(call, count, device)
    chosen = min(most, max(count, int(count * SHARE / seconds)))
    if chosen > count:
        call(chosen)
        seconds = _timed(call, chosen, device)
    return seconds / chosen


def _timed(call: Callable[[int], object], count: int, device: torch.device) -> float:
    begin = now(device)
    call(count)
    return now(device) - begin


def now(device: torch.device) -> float:
    """A time in seconds, once the device has done what it was given.

    On one thread it is the time of the processor, which does not count what other programs take of it.
    """
    if device.type == "cuda":
        torch.cuda.synchronize()
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    return time.process_time() if alone else time.perf_counter()


def synthetic_images(data: DataSet, count: int) -> ImageSet:
    """Images of noise, all of the training split but one."""
    images = np.random.default_rng(0).integers(0, 256, (count + 1, 32, 32, data.channels), np.uint8)
    split = (np.arange(count + 1) == count).astype(np.uint8)
    names = tuple(map(str, range(data.classes)))
    return ImageSet(images, np.arange(count + 1) % data.classes, split, names, np.zeros((count + 1, 0), np.float32), ())


def synthetic_batch(data: DataSet, count: int, device: torch.device) -> Batch:
    """A training batch of the first step."""
    images = synthetic_images(data, count).only("train")
    return Batch(
        to_float(torch.from_numpy(images.images).to(device)), torch.from_numpy(images.labels).to(device), 0.0, 0, 1.0
    )
