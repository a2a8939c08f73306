"""A prepared data set in memory, and the one place where uint8 pixels become floats and back."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from thirtytwo.core.arrays import read_arrays
from thirtytwo.core.facts import Facts
from thirtytwo.core.splits import inside
from thirtytwo.runtime.errors import FileError
from thirtytwo.runtime.files import read_json
from thirtytwo.runtime.project import remedy

__all__ = ["ImageSet", "load", "to_float", "to_uint8"]


@dataclass(frozen=True)
class ImageSet:
    """A prepared data set.

    Attributes:
        images: [N, 32, 32, C] uint8, C = 1 or 3.
        labels: [N] int64, index into `classes`.
        split: [N] uint8, 0 train, 1 test.
        classes: names of the classes.
        factors: [N, F] float32 ground-truth factors; F = 0 if the set has none.
        factor_names: F names.
    """

    images: np.ndarray
    labels: np.ndarray
    split: np.ndarray
    classes: tuple[str, ...]
    factors: np.ndarray
    factor_names: tuple[str, ...]

    def only(self, split: str) -> "ImageSet":
        """The images of "train", "test" or "all"."""
        keep = inside(self.split, split)
        return ImageSet(
            self.images[keep], self.labels[keep], self.split[keep], self.classes, self.factors[keep], self.factor_names
        )


def load(path: Path) -> ImageSet:
    """Read `<set>.npz`, and the class and factor names from `<set>.json` beside it.

    Raises:
        FileError: a file is missing or damaged, or the two contradict each other.
    """
    about = read_json(path.with_suffix(".json"), Facts)
    expected = {"images": "uint8 N 32 32 C", "labels": "int64 N", "split": "uint8 N", "factors": "?float32 N F"}
    arrays = read_arrays(path, expected)
    labels, split, count = arrays["labels"], arrays["split"], len(arrays["labels"])
    factors = arrays.get("factors", np.zeros((count, 0), np.float32))
    for known, what in (
        (arrays["images"].shape[3] == about.channels, f"images of {about.channels} channels"),
        (count == about.images, f"{about.images} images"),
        (((labels >= 0) & (labels < len(about.classes))).all(), f"labels from 0 to {len(about.classes) - 1}"),
        ((split <= 1).all(), "0 and 1 in split"),
        (factors.shape[1] == len(about.factor_names), f"{len(about.factor_names)} factors"),
    ):
        if not known:
            raise FileError(f"{path}: expected {what}, as {path.stem}.json beside it says; {remedy(path)}")
    return ImageSet(arrays["images"], labels, split, tuple(about.classes), factors, tuple(about.factor_names))


def to_float(images: Tensor) -> Tensor:
    """Convert [N, H, W, C] uint8 to [N, C, H, W] float32 in [-1, 1], channels_last in memory."""
    return images.permute(0, 3, 1, 2).to(torch.float32).div(127.5).sub(1.0)


def to_uint8(images: Tensor) -> Tensor:
    """Convert [N, C, H, W] float in [-1, 1] (clamped) to [N, H, W, C] uint8, rounded to the nearest level."""
    return images.float().clamp(-1, 1).add(1.0).mul(127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
