"""A prepared data set in memory, and the one place where uint8 pixels become floats and back."""

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from thirtytwo.runtime.errors import DataError

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
        """The images of "train" or "test"."""
        keep = self.split == {"train": 0, "test": 1}[split]
        return ImageSet(
            self.images[keep], self.labels[keep], self.split[keep], self.classes, self.factors[keep], self.factor_names
        )


def load(path: Path) -> ImageSet:
    """Read `<set>.npz`, and the class and factor names from `<set>.json` beside it.

    Raises:
        DataError: a file is missing or damaged.
    """
    try:
        about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        with np.load(path, allow_pickle=False) as file:
            factors = file["factors"] if "factors" in file else np.zeros((len(file["labels"]), 0), np.float32)
            classes, names = tuple(about["classes"]), tuple(about["factor_names"])
            return ImageSet(file["images"], file["labels"], file["split"], classes, factors, names)
    except FileNotFoundError as error:
        raise DataError(f"{error.filename}: no such file; run `dvc repro prepare@{path.stem}`") from None
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: damaged ({reason}); run `dvc repro -f prepare@{path.stem}`") from None


def to_float(images: Tensor) -> Tensor:
    """Convert [N, H, W, C] uint8 to [N, C, H, W] float32 in [-1, 1], channels_last in memory."""
    return images.permute(0, 3, 1, 2).to(torch.float32).div(127.5).sub(1.0)


def to_uint8(images: Tensor) -> Tensor:
    """Convert [N, C, H, W] float in [-1, 1] (clamped) to [N, H, W, C] uint8, rounded to the nearest level."""
    return images.float().clamp(-1, 1).add(1.0).mul(127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
