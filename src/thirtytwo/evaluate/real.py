"""The real images of a data set as the classifier sees them, with what is computed on them once for all runs."""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from thirtytwo.core.arrays import read_arrays
from thirtytwo.evaluate.kid import mean_among
from thirtytwo.evaluate.memorisation import copy_distance
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["Real", "Scored", "measure_real", "read_real", "real_bytes"]

_SPLITS = {"train": 0, "test": 1}
_ARRAYS = (
    "features", "probabilities", "labels", "split", "classes", "class_places", "features_sha256", "resampler",
    "kernel_mean", "copy_distance",
)  # fmt: skip


@dataclass(frozen=True)
class Scored:
    """Images as the classifier sees them.

    Attributes:
        features: [N, D] float32.
        probabilities: [N, K] float32.
        labels: [N] int64: requested from the generator, or true; -1 where none was requested.
    """

    features: np.ndarray
    probabilities: np.ndarray
    labels: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        """[N] int64, the most probable class of each."""
        return self.probabilities.argmax(axis=1)

    def only(self, keep: np.ndarray) -> "Scored":
        """The images at `keep`: indices, or [N] bool."""
        return Scored(self.features[keep], self.probabilities[keep], self.labels[keep])


@dataclass(frozen=True)
class Real:
    """All real images of a data set, and what is computed on them once for all runs.

    Attributes:
        images: as the classifier sees them.
        split: [M] uint8, 0 train, 1 test.
        reference_split: "train" or "test", whose images samples are scored against.
        kernel_mean: `kid.mean_among` of the reference.
        copy_distance: `memorisation.copy_distance` from the training images to those held out.
        classes: names of the classifier's classes.
        class_places: [number of the data set's classes], the place of each among `classes`.
        features_sha256: of the classifier's weights.
        resampler: filter by which the images were resized.
    """

    images: Scored
    split: np.ndarray
    reference_split: str
    kernel_mean: float
    copy_distance: float
    classes: tuple[str, ...]
    class_places: np.ndarray
    features_sha256: str
    resampler: str

    @property
    def reference(self) -> Scored:
        """The images of the reference split."""
        return self.images.only(self.split == _SPLITS[self.reference_split])

    def against(self, split: str) -> "Real":
        """The same images with `split`, "train" or "test", as the reference."""
        if split == self.reference_split:
            return self
        mean = mean_among(self.images.features[self.split == _SPLITS[split]])
        return replace(self, reference_split=split, kernel_mean=mean)

    def places(self, labels: np.ndarray) -> np.ndarray:
        """Labels [N] of the data set as places among the classifier's classes; -1 stays -1."""
        return np.where(labels < 0, -1, self.class_places[labels])


def measure_real(
    features: np.ndarray, probabilities: np.ndarray, labels: np.ndarray, split: np.ndarray, *, reference_split: str,
    classes: tuple[str, ...], class_places: np.ndarray, features_sha256: str, resampler: str,
) -> Real:  # fmt: skip
    """`Real` with its distance of copies and its kernel mean computed; `labels` are the data set's."""
    train, held_out = (features[split == code] for code in (0, 1))
    return Real(
        Scored(features, probabilities, class_places[labels]), split, reference_split,
        mean_among(features[split == _SPLITS[reference_split]]), copy_distance(train, held_out), classes, class_places,
        features_sha256, resampler,
    )  # fmt: skip


def real_bytes(real: Real, factors: np.ndarray, factor_names: tuple[str, ...]) -> bytes:
    """The content of data/features/<set>.npz; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez(
        buffer, features=real.images.features, probabilities=real.images.probabilities, labels=real.images.labels,
        split=real.split, classes=np.array(real.classes), class_places=real.class_places, factors=factors,
        factor_names=np.array(factor_names), features_sha256=real.features_sha256, resampler=real.resampler,
        copy_distance=real.copy_distance, kernel_mean=real.kernel_mean,
    )  # fmt: skip
    return buffer.getvalue()


def read_real(path: Path, reference_split: str, features_sha256: str) -> Real:
    """Read what `real_bytes` wrote.

    Args:
        reference_split: the split that `kernel_mean` was computed on.
        features_sha256: of the classifier that extracts the samples' features.

    Raises:
        EvaluationError: the file is missing or damaged, or another classifier made it.
    """
    features, probabilities, labels, split, classes, places, sha256, resampler, mean, distance = read_arrays(
        path, _ARRAYS
    )
    if str(sha256) != features_sha256:
        raise EvaluationError(
            f"{path}: features of the classifier {sha256}, expected {features_sha256}; run `dvc repro floor`"
        )
    return Real(
        Scored(features, probabilities, labels), split, reference_split, float(mean), float(distance),
        tuple(str(name) for name in classes), places, str(sha256), str(resampler),
    )  # fmt: skip
