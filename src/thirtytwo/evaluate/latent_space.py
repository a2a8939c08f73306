"""Scores of a latent space: is it smooth, and is it disentangled?

scikit-learn is imported where it is used: it takes seconds, and most runs have no factors.
"""

import numpy as np

from thirtytwo.core.intervals import bootstrap
from thirtytwo.evaluate.scorecard import Measured
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["FactorReader", "categories", "class_directions", "directions", "one_hot", "path_length", "r2"]

_CATEGORIES = 10  # a factor with at most so many values, all whole, is a category
_READABLE = 0.5  # a factor that is read from real images with less R^2 than this gets no score
_COMPONENTS = 60  # of the pixels, from which factors are read


def path_length(start: np.ndarray, end: np.ndarray, epsilon: float, resamples: int, seed: int) -> Measured:
    """Perceptual path length (Karras et al. 2019, section 4.1) in classifier features, mean and interval over arcs.

    Args:
        start, end: [P, D] features of images whose latents are `epsilon` apart along an arc.
        epsilon: that distance, as a share of the arc.
    """
    lengths = np.square(start.astype(np.float64) - end).sum(axis=1) / epsilon**2
    value = float(lengths.mean())
    estimate = bootstrap(lambda i: float(lengths[i].mean()), value, len(lengths), resamples, seed)
    return Measured({"path_length": estimate}, {"path_length_n": len(lengths)})


class FactorReader:
    """Read ground-truth factors off images: kernel ridge regression on principal components of the pixels.

    Args:
        images: [N, 32, 32, C] uint8 real images.
        factors: [N, F] their factors; one with few whole values is a category and read as one number a value.
        names: F names.
    """

    def __init__(self, images: np.ndarray, factors: np.ndarray, names: list[str]) -> None:
        from sklearn.decomposition import PCA
        from sklearn.kernel_ridge import KernelRidge
        from sklearn.pipeline import make_pipeline

        self.names = names
        self.values = [categories(column) for column in factors.T]
        components = PCA(min(_COMPONENTS, len(images)), random_state=0)
        self.model = make_pipeline(components, KernelRidge(alpha=0.01, kernel="rbf", gamma=0.01))
        targets = np.hstack(self.targets(factors))
        self.mean, spread = targets.mean(axis=0), targets.std(axis=0)
        self.scale = np.where(spread > 0, spread, 1)  # a factor that is the same in all images
        self.model.fit(_pixels(images), (targets - self.mean) / self.scale)

    def targets(self, factors: np.ndarray) -> list[np.ndarray]:
        """Each factor as [N, 1], or [N, K] for a category of K values."""
        return [one_hot(column, values) for column, values in zip(factors.T, self.values, strict=True)]

    def read(self, images: np.ndarray) -> list[np.ndarray]:
        """Each factor of the images as `targets` gives it."""
        read = self.model.predict(_pixels(images)) * self.scale + self.mean
        widths = [1 if values is None else len(values) for values in self.values]
        return np.split(read, np.cumsum(widths)[:-1], axis=1)


def directions(
    reader: FactorReader, images: np.ndarray, latents: np.ndarray, real: tuple[np.ndarray, np.ndarray]
) -> Measured:
    """How much of each factor single latent directions and single latent coordinates explain, as R^2 in [0, 1].

    Regressions are fitted on the first half of the samples and scored on the second. A category of K values has K
    directions, one a value, but one coordinate. Coordinates as good as directions mean that the axes of the
    latent space are the factors; directions that explain little mean that a factor is not linear in z, or not there.

    Args:
        images: [N, 32, 32, C] uint8 samples.
        latents: [N, D] their latents.
        real: held-out real images and their factors, which show how well a factor can be read at all.

    Returns:
        For each factor readable_r2_<factor>, and where it is 0.5 or more direction_r2_<factor> and
        coordinate_r2_<factor>; direction_r2 and coordinate_r2, their means.
    """
    if len(images) != len(latents):
        raise EvaluationError(f"expected a latent for each of the {len(images)} samples, got {len(latents)}")
    scores: dict[str, float] = {}
    factors = zip(reader.names, reader.targets(real[1]), reader.read(real[0]), reader.read(images), strict=True)
    kinds: dict[str, list[float]] = {"direction_r2": [], "coordinate_r2": []}
    for name, truth, seen, read in factors:
        scores[f"readable_r2_{name}"] = r2(truth, seen)
        if scores[f"readable_r2_{name}"] < _READABLE:
            continue
        for kind, value in zip(kinds, _explained(latents, read), strict=True):
            scores[f"{kind}_{name}"] = value
            kinds[kind].append(value)
    return Measured(scores | {kind: float(np.mean(values)) for kind, values in kinds.items() if values})


def class_directions(predicted: np.ndarray, classes: int, latents: np.ndarray) -> Measured:
    """The same of the class that a classifier sees in the samples, for data whose true factors are not known.

    Args:
        predicted: [N] the classes, from 0 to `classes` - 1.
        latents: [N, D] the samples' latents.

    Returns:
        direction_r2_class and coordinate_r2_class, nothing if all samples show one class.
    """
    if (predicted == predicted[0]).all():
        return Measured()
    direction, coordinate = _explained(latents, np.eye(classes)[predicted])
    return Measured({"direction_r2_class": direction, "coordinate_r2_class": coordinate})


def _explained(latents: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """R^2 of `values` [N, K] by all latent coordinates together, one direction a column, and by the best coordinate alone.

    Least squares on the first half of the samples, R^2 on the second.
    """
    half, ones = len(latents) // 2, np.ones((len(latents), 1))
    shares = []
    for columns in (latents, *latents.T[:, :, None]):
        x = np.hstack([columns, ones]).astype(np.float64)
        weights = np.linalg.lstsq(x[:half], values[:half], rcond=None)[0]
        shares.append(r2(values[half:], x[half:] @ weights))
    return shares[0], max(shares[1:])


def r2(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Share of the variance explained, all columns together; 0 where it is worse than the mean."""
    variance = np.square(truth - truth.mean(axis=0)).sum()
    return float(max(0.0, 1 - np.square(truth - predicted).sum() / variance)) if variance > 0 else 0.0


def categories(column: np.ndarray) -> np.ndarray | None:
    """The values of a factor [N] that is a category, one with few whole values; None for a continuous one."""
    values = np.unique(column)
    return values if len(values) <= _CATEGORIES and np.array_equal(values, np.round(values)) else None


def one_hot(column: np.ndarray, values: np.ndarray | None) -> np.ndarray:
    """A factor [N] as [N, 1] if `values` is None, else as [N, K], 1 where it equals each of the K values."""
    return column[:, None] if values is None else (column[:, None] == values).astype(np.float64)


def _pixels(images: np.ndarray) -> np.ndarray:
    """[N, 32, 32, C] uint8 to [N, D] in [-1, 1] at half the resolution, where it matters that shifts overlap."""
    count, height, width, channels = images.shape
    blocks = images.reshape(count, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))
    return (blocks / 127.5 - 1).reshape(count, -1).astype(np.float64)
