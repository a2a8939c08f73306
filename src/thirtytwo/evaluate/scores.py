"""The rows of numbers that the floor and evaluation stages write, each with the protocol it was taken under."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from thirtytwo.evaluate import frechet, kid
from thirtytwo.evaluate.classes import accuracy, best_of, class_counts, class_scores
from thirtytwo.evaluate.extrapolation import at_infinity
from thirtytwo.evaluate.floor import real_pair
from thirtytwo.evaluate.intervals import bootstrap, named
from thirtytwo.evaluate.memorisation import NEAR, memorisation
from thirtytwo.evaluate.prdc import K, balls, prdc
from thirtytwo.runtime.errors import EvaluationError

__all__ = [
    "Real", "Scored", "classifier_floor", "classifier_scores", "frechet_scores", "join_floor", "label_scores", "per_class",
]  # fmt: skip

_DRAWS = 10  # a single one of heavy-tailed features varies by half its value

Scores = dict[str, float | int | str | bool | None]


@dataclass(frozen=True)
class Scored:
    """Images as the classifier sees them.

    Attributes:
        features: [N, D] float32.
        probabilities: [N, K] float32.
        labels: [N] int64: asked of the generator, or true; -1 where a generator was asked for none.
    """

    features: np.ndarray
    probabilities: np.ndarray
    labels: np.ndarray

    def only(self, keep: np.ndarray) -> "Scored":
        """Those images that `keep` picks: indices, or [N] bool."""
        return Scored(self.features[keep], self.probabilities[keep], self.labels[keep])


@dataclass(frozen=True)
class Real:
    """All real images of a data set, and what is measured on them once for all runs.

    Attributes:
        images: as the classifier sees them.
        split: [M] uint8, 0 train, 1 test.
        reference_split: "train" or "test", whose images samples are scored against.
        kernel_mean: `kid.mean_among` of the reference.
        copy_distance: `memorisation.copy_distance` from the training images to those held out.
    """

    images: Scored
    split: np.ndarray
    reference_split: str
    kernel_mean: float
    copy_distance: float

    @property
    def reference(self) -> Scored:
        """The images of the reference split."""
        return self.images.only(self.split == {"train": 0, "test": 1}[self.reference_split])


def classifier_floor(
    images: Scored, split: np.ndarray, *, reference_split: str, samples: int, resamples: int, seed: int
) -> Scores:
    """The scores of real images against disjoint real images, each named <score>_floor with its interval.

    fd_classifier is the mean of several draws, with the interval of a single one; the others are of the first draw.
    Those of memorisation are known: an image that is no copy is as near to training as to held-out images, and
    `copies` counts from a quantile of 1 %.

    Args:
        images: all real ones.
        split: [M] uint8, 0 train, 1 test.

    Raises:
        EvaluationError: too few images.
    """
    pairs = [real_pair(split, reference_split, samples, seed, draw) for draw in range(_DRAWS)]
    features, (first, *_) = images.features, pairs
    values = [frechet.distance_to(features[p.samples], *frechet.statistics(features[p.reference])) for p in pairs]
    own, reference = images.only(first.samples), features[first.reference]
    found = _feature_scores(own.features, reference, kid.mean_among(reference), resamples, seed)
    found |= label_scores(own, seed) | {"train_nearer": 0.5, "copies": NEAR}
    moved = float(np.mean(values)) - found["fd_classifier"]
    found |= {key: found[key] + moved for key in ("fd_classifier", "fd_classifier_low", "fd_classifier_high")}
    about: Scores = {"n": len(own.features), "reference_n": len(reference), "split": first.name}
    return {_floor_name(key): value for key, value in found.items()} | about


def classifier_scores(
    samples: Scored, real: Real, *, mode_share: float, resamples: int, seed: int
) -> tuple[Scores, pd.DataFrame]:
    """Every score in the classifier's features and classes, and the table of the closest pairs (see `memorisation`).

    reference_variance, the trace of the reference's covariance, is the Fréchet distance of a generator of nothing but
    the mean: what fd_classifier is to be held against where its floor is far off. sample_variance is the samples' own.

    Raises:
        EvaluationError: samples cannot be scored, or only part of them carry labels.
    """
    reference, classes = real.reference, samples.probabilities.shape[1]
    counts = class_counts(samples.probabilities.argmax(axis=1), classes)
    scores = _feature_scores(samples.features, reference.features, real.kernel_mean, resamples, seed)
    copied, closest = memorisation(samples.features, real.images.features, real.split, real.copy_distance, seed)
    scores |= copied | {"n": len(samples.features), "reference_n": len(reference.features)}
    for name, features in (("sample", samples.features), ("reference", reference.features)):
        scores[f"{name}_variance"] = float(features.var(axis=0, ddof=1, dtype=np.float64).sum())
    scores |= class_scores(counts, class_counts(reference.labels, classes), mode_share)
    scores["mean_confidence"] = float(samples.probabilities.max(axis=1).mean(dtype=np.float64))
    return scores | label_scores(samples, seed), closest


def frechet_scores(own: np.ndarray, reference: np.ndarray, resamples: int, seed: int) -> Scores:
    """fd_classifier of features [N, D] against those of the reference, with its interval."""
    distance = frechet.Subsets(own, *frechet.statistics(reference))
    value = distance(np.arange(len(own)))
    return named("fd_classifier", (value, *bootstrap(distance, value, len(own), resamples, seed)))


def label_scores(samples: Scored, seed: int) -> Scores:
    """accuracy and best_of_5_accuracy where labels were asked for, else nothing.

    Raises:
        EvaluationError: only part of the samples carry labels, or fewer than 5 samples do.
    """
    asked, predicted = samples.labels >= 0, samples.probabilities.argmax(axis=1)
    if asked.any() and not asked.all():
        raise EvaluationError(f"labels: {(~asked).sum()} of {len(asked)} samples have none; label all of them or none")
    if not asked.all():
        return {}
    *best, size = best_of(predicted, samples.labels, 5, seed)
    scores: Scores = {"best_of_5_n": size}
    scores |= named("accuracy", accuracy(predicted, samples.labels))
    return scores | named("best_of_5_accuracy", best)


def _feature_scores(
    own: np.ndarray, reference: np.ndarray, kernel_mean: float, resamples: int, seed: int
) -> dict[str, Any]:
    """Scores of features [N, D] against those of the reference [M, D]."""
    scores = frechet_scores(own, reference, resamples, seed)
    infinity, reason = at_infinity(own, *frechet.statistics(reference), seed)
    scores |= named("fd_classifier_infinity", infinity or (None, None, None))
    if reason:
        scores["fd_classifier_infinity_reason"] = reason
    cubic = kid.kid(kid.means_among(own), kid.means_to(own, reference), kernel_mean)
    equal = min(len(own), len(reference))
    drawn = reference[np.sort(np.random.default_rng(seed).permutation(len(reference))[:equal])]
    return scores | named("kid_classifier", cubic) | prdc(balls(drawn, own[:equal], K))


def _floor_name(key: str) -> str:
    """accuracy_low becomes accuracy_floor_low, prdc_n prdc_floor_n."""
    for end in ("_low", "_high", "_reason", "_reference_n", "_n", "_k"):
        if key.endswith(end):
            return f"{key.removesuffix(end)}_floor{end}"
    return f"{key}_floor"


def per_class(samples: Scored, reference: Scored, names: list[str]) -> pd.DataFrame:
    """What the samples of each class are worth, a row a class.

    Returns:
        class, count and share: how many samples the classifier sees in it. Where samples were asked for by label
        also asked: how many of it; accuracy: the share of those that the classifier sees in it; fd_classifier:
        Fréchet distance of those to the real images of the class. They are empty for classes not asked for.
    """
    predicted = samples.probabilities.argmax(axis=1)
    counts = class_counts(predicted, len(names))
    table = pd.DataFrame({"class": names, "count": counts, "share": (counts / counts.sum()).round(6)})
    if (samples.labels < 0).all():
        return table
    asked = class_counts(samples.labels, len(names))
    rows = []
    for index in range(len(names)):
        own, real = samples.labels == index, reference.labels == index
        if asked[index] < 2 or real.sum() < 2:
            rows.append((float("nan"), float("nan")))
            continue
        mu, sigma = frechet.statistics(reference.features[real])
        rows.append(((predicted[own] == index).mean(), frechet.distance_to(samples.features[own], mu, sigma)))
    return table.assign(asked=asked, accuracy=[row[0] for row in rows], fd_classifier=[row[1] for row in rows])


def join_floor(scores: Scores, floor: Scores) -> Scores:
    """`scores` with the floor of each of them beside it, its own N, and whether that N is the scores' N.

    Raises:
        EvaluationError: scores and floor are of different features or reference splits.
    """
    for key in ("features_sha256", "reference_split"):
        if scores[key] != floor[key]:
            raise EvaluationError(
                f"floor: {key} is {scores[key]} for the scores and {floor[key]} for the floor; run both stages again"
            )
    return scores | {
        **{key: value for key, value in floor.items() if "_floor" in key and key.replace("_floor", "") in scores},
        "fd_classifier_floor_n": floor["n"],
        "fd_classifier_floor_reference_n": floor["reference_n"],
        "fd_classifier_floor_split": floor["split"],
        "fd_classifier_floor_same_n": floor["n"] == scores["n"],
    }
