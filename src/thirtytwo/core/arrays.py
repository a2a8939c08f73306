"""Checks of images and features, so that broken input never becomes a plausible score, and reading of .npz files."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from thirtytwo.runtime.errors import EvaluationError

__all__ = ["check_features", "check_images", "read_arrays"]


def check_images(images: np.ndarray, where: str, channels: int | None = None) -> None:
    """Check that `images` is [N, 32, 32, C] uint8 with N >= 2.

    Args:
        where: file or name of the images, for the message.
        channels: C; None allows 1 and 3.

    Raises:
        EvaluationError: it is not.
    """
    allowed = (1, 3) if channels is None else (channels,)
    expected = f"expected uint8 images [N, 32, 32, {' or '.join(map(str, allowed))}] in 0..255"
    if images.dtype != np.uint8:
        actual = str(images.dtype)
        if np.issubdtype(images.dtype, np.number) and images.size:
            values = "NaN among them" if np.isnan(images).any() else f"values {images.min():g} to {images.max():g}"
            actual += f", {values}"
        raise EvaluationError(f"{where}: {expected}, got {actual}; convert with thirtytwo.data.batches.to_uint8")
    if images.ndim != 4 or images.shape[1:3] != (32, 32) or images.shape[3] not in allowed:
        raise EvaluationError(f"{where}: {expected}, got shape {images.shape}")
    if len(images) < 2:
        raise EvaluationError(f"{where}: {len(images)} images; a score needs at least 2, sample more")


def check_features(features: np.ndarray, where: str) -> None:
    """Check that `features` is [N, D], finite, with N >= 2.

    Raises:
        EvaluationError: it is not.
    """
    if features.ndim != 2 or features.shape[1] < 1:
        raise EvaluationError(f"{where}: expected features [N, D], got shape {features.shape}")
    if len(features) < 2:
        raise EvaluationError(f"{where}: {len(features)} feature vectors; a score needs at least 2, sample more")
    if not np.isfinite(features).all():
        raise EvaluationError(f"{where}: features contain NaN or infinity; the network or the images are broken")


def read_arrays(path: Path, names: tuple[str, ...]) -> tuple[np.ndarray, ...]:
    """The arrays called `names` of the .npz file `path`.

    Raises:
        EvaluationError: the file is missing, damaged or lacks one of them.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return tuple(file[name] for name in names)
    except FileNotFoundError:
        reason = "no such file"
    except KeyError as error:
        reason = f"{error.args[0]}"
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        reason = f"damaged ({' '.join(str(error).split())})"
    raise EvaluationError(f"{path}: {reason}; run the stage that makes it again (`dvc repro -f`)")
