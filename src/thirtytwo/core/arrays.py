"""Checks of images and features, so that broken input never becomes a plausible score, and reading of .npz files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from thirtytwo.runtime.errors import EvaluationError, FileError
from thirtytwo.runtime.files import UNSEALED, read_bytes
from thirtytwo.runtime.project import remedy
from thirtytwo.runtime.sealed import BROKEN_ARRAYS, arrays_in, zip_is_whole

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


def read_arrays(path: Path, expected: Mapping[str, str], *, sealed: bool = True) -> dict[str, np.ndarray]:
    """All arrays of an .npz file, of which those that are `expected` must be there; floats must be finite.

    Args:
        expected: type and sizes of arrays by name, such as "uint8 N 32 32 C"; a letter stands for the same size in all
            arrays of the file, and "?" before the type for an array that may be missing. The type `str` is text;
            `int` and `float` are of any precision, and `float|nan` may also be NaN.
        sealed: False for a file from elsewhere, which carries no sha256.

    Raises:
        FileError: the file is missing or damaged, or an array is missing, of another type or shape or not finite.
    """
    data, todo = read_bytes(path), remedy(path)
    if sealed and not zip_is_whole(data):
        raise FileError(f"{path}: {UNSEALED}; {todo}")
    try:
        arrays = arrays_in(data)
    except BROKEN_ARRAYS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FileError(f"{path}: damaged, not a whole .npz ({reason}); {todo}") from None
    sizes: dict[str, int] = {}
    for name, form in expected.items():
        if name not in arrays:
            if form.startswith("?"):
                continue
            raise FileError(f"{path}: no array '{name}'; expected {form}; {todo}")
        array, (kind, *axes) = arrays[name], form.removeprefix("?").split()
        kind, _, unknown = kind.partition("|")
        for size, axis in zip(array.shape, axes, strict=False):
            sizes.setdefault(axis, int(axis) if axis.isdecimal() else size)
        of_kind = array.dtype == kind or array.dtype.name.rstrip("0123456789") == kind
        if not of_kind or array.shape != tuple(sizes.get(axis) for axis in axes):
            known = {axis: size for axis, size in sizes.items() if axis in axes and not axis.isdecimal()}
            where = f" where {', '.join(f'{axis} = {size}' for axis, size in known.items())}" if known else ""
            raise FileError(
                f"{path}: array '{name}' is {array.dtype} {list(array.shape)}; expected {form}{where}; {todo}"
            )
        if array.dtype.kind == "f" and not unknown and not np.isfinite(array).all():
            raise FileError(f"{path}: array '{name}' holds NaN or infinity; {todo}")
    return arrays
