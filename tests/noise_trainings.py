"""Trainings of flows and EDMs on four plain gray images, one a class."""

import numpy as np
import torch

from thirtytwo.data.batches import ImageSet
from thirtytwo.training.loop import train

__all__ = ["gray_images", "trained"]


def gray_images() -> ImageSet:
    images = np.tile(np.uint8(180 + 20 * (np.arange(60) % 4))[:, None, None, None], (1, 32, 32, 1))
    labels, split = np.arange(60) % 4, np.r_[np.zeros(45), np.ones(15)]
    return ImageSet(images, labels, split, tuple("abcd"), np.zeros((60, 0), np.float32), ())


def trained(model, settings, data, folder, stop_at=None):
    """Train with seed 5; a stop at a step leaves a checkpoint in `folder`."""
    calls = iter(range(1, 10_000))
    return train(
        model, data, settings, seed=5, device=torch.device("cpu"), precision="float32", folder=folder,
        exit_code=lambda: 130 if next(calls) == stop_at else 0,
    )  # fmt: skip
