"""The real images of a data set as its classifiers see them, with what is computed on them once for all runs."""

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from thirtytwo.core.arrays import read_arrays
from thirtytwo.core.splits import inside
from thirtytwo.evaluate.kid import mean_among
from thirtytwo.evaluate.memorisation import copy_ratio
from thirtytwo.runtime.errors import EvaluationError, FileError
from thirtytwo.runtime.project import remedy
from thirtytwo.runtime.sealed import seal_zip

__all__ = ["Real", "Scored", "Seen", "measure_real", "read_real", "read_seen", "real_bytes", "seen_bytes"]

_SEEN = {
    "features": "float32 N D", "probabilities": "float32 N K", "labels": "int64 N", "split": "uint8 N",
    "features_sha256": "str",
}  # fmt: skip
_ARRAYS = {
    "classes": "str K", "class_places": "int64 L", "resampler": "str", "kernel_mean": "float",
    "kernel_mean_within": "float", "copy_ratio": "float|nan",
}  # fmt: skip


@dataclass(frozen=True)
class Scored:
    """Images as a classifier sees them.

    Attributes:
        features: [N, D] float32.
        probabilities: [N, K] float32.
        labels: [N] int64: requested from the generator, or true; -1 where none was requested.
    """

    features: np.ndarray
    probabilities: np.ndarray
    labels: np.ndarray

    @property
    def strata(self) -> np.ndarray | None:
        """[N] the classes, where the number of samples of each was fixed by requesting them; None where none was."""
        return self.labels if (self.labels >= 0).all() else None

    @property
    def predicted(self) -> np.ndarray:
        """[N] int64, the most probable class of each."""
        return self.probabilities.argmax(axis=1)

    def only(self, keep: np.ndarray) -> "Scored":
        """The images at `keep`: indices, or [N] bool."""
        return Scored(self.features[keep], self.probabilities[keep], self.labels[keep])


@dataclass(frozen=True)
class Seen:
    """All real images of a data set as one classifier sees them.

    Attributes:
        images: as the classifier sees them; labels are places among its classes.
        split: [M] uint8, 0 train, 1 test.
        reference_split: "train", "test" or "all", whose images samples are scored against.
        features_sha256: of the classifier's weights.
    """

    images: Scored
    split: np.ndarray
    reference_split: str
    features_sha256: str

    @property
    def reference(self) -> Scored:
        """The images of the reference split."""
        return self.images.only(inside(self.split, self.reference_split))


@dataclass(frozen=True)
class Real(Seen):
    """All real images as the first classifier sees them, and what is computed on them once for all runs.

    Attributes:
        kernel_mean: `kid.mean_among` of the reference.
        kernel_mean_within: the same weighted by class, for samples of requested labels.
        copy_ratio: `memorisation.copy_ratio` of the real images.
        classes: names of the classifier's classes.
        class_places: [number of the data set's classes], the place of each among `classes`.
        resampler: filter by which the images were resized.
    """

    kernel_mean: float
    kernel_mean_within: float
    copy_ratio: float
    classes: tuple[str, ...]
    class_places: np.ndarray
    resampler: str

    def against(self, split: str) -> "Real":
        """The same images with `split`, "train", "test" or "all", as the reference."""
        if split == self.reference_split:
            return self
        images = self.images.only(inside(self.split, split))
        means = mean_among(images.features), mean_among(images.features, images.labels)
        return replace(self, reference_split=split, kernel_mean=means[0], kernel_mean_within=means[1])

    def places(self, labels: np.ndarray) -> np.ndarray:
        """Labels [N] of the data set as places among the classifier's classes; -1 stays -1."""
        return np.where(labels < 0, -1, self.class_places[labels])


def measure_real(
    features: np.ndarray, probabilities: np.ndarray, labels: np.ndarray, split: np.ndarray, *, reference_split: str,
    classes: tuple[str, ...], class_places: np.ndarray, features_sha256: str, resampler: str,
) -> Real:  # fmt: skip
    """`Real` with its ratio of copies and its kernel means computed; `labels` are the data set's."""
    images = Scored(features, probabilities, class_places[labels])
    reference = images.only(inside(split, reference_split))
    means = mean_among(reference.features), mean_among(reference.features, reference.labels)
    return Real(
        images, split, reference_split, features_sha256, *means, copy_ratio(features, split), classes, class_places,
        resampler,
    )  # fmt: skip


def seen_bytes(seen: Seen) -> bytes:
    """The content of data/second_features/<set>.npz; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, **_seen_arrays(seen))
    return seal_zip(buffer.getvalue())


def read_seen(path: Path, reference_split: str, features_sha256: str) -> Seen:
    """Read what `seen_bytes` or `real_bytes` wrote; arguments and errors are those of `read_real`."""
    arrays = read_arrays(path, _SEEN)
    labels, split, classes = arrays["labels"], arrays["split"], arrays["probabilities"].shape[1]
    if not (0 <= labels.min() <= labels.max() < classes and split.max() <= 1):
        raise FileError(f"{path}: expected classes from 0 to {classes - 1} and splits 0 and 1; {remedy(path)}")
    if (actual := str(arrays["features_sha256"])) != features_sha256:
        raise EvaluationError(
            f"{path}: features of the classifier {actual}, expected {features_sha256}; run `dvc repro floor`"
        )
    return Seen(Scored(arrays["features"], arrays["probabilities"], labels), split, reference_split, features_sha256)


def real_bytes(real: Real, factors: np.ndarray, factor_names: tuple[str, ...]) -> bytes:
    """The content of data/features/<set>.npz; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez(
        buffer, **_seen_arrays(real), classes=np.array(real.classes), class_places=real.class_places, factors=factors,
        factor_names=np.array(factor_names), resampler=real.resampler, copy_ratio=real.copy_ratio,
        kernel_mean=real.kernel_mean, kernel_mean_within=real.kernel_mean_within,
    )  # fmt: skip
    return seal_zip(buffer.getvalue())


def read_real(path: Path, reference_split: str, features_sha256: str) -> Real:
    """Read what `real_bytes` wrote.

    Args:
        reference_split: the split that `kernel_mean` was computed on.
        features_sha256: of the classifier that extracts the samples' features.

    Raises:
        FileError: the file is missing or damaged.
        EvaluationError: another classifier made it.
    """
    seen = read_seen(path, reference_split, features_sha256)
    arrays = read_arrays(path, _ARRAYS)
    places, classes = arrays["class_places"], len(arrays["classes"])
    if not (classes == seen.images.probabilities.shape[1] and 0 <= places.min() <= places.max() < classes):
        raise FileError(f"{path}: expected places among the classifier's {classes} classes; {remedy(path)}")
    return Real(
        images=seen.images,
        split=seen.split,
        reference_split=reference_split,
        features_sha256=features_sha256,
        kernel_mean=float(arrays["kernel_mean"]),
        kernel_mean_within=float(arrays["kernel_mean_within"]),
        copy_ratio=float(arrays["copy_ratio"]),
        classes=tuple(str(name) for name in arrays["classes"]),
        class_places=arrays["class_places"],
        resampler=str(arrays["resampler"]),
    )


def _seen_arrays(seen: Seen) -> dict[str, Any]:
    images = seen.images
    values = (images.features, images.probabilities, images.labels, seen.split, seen.features_sha256)
    return dict(zip(_SEEN, values, strict=True))
