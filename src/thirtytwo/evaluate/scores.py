"""The rows of numbers that the floor and evaluation stages write, each with the protocol it was taken under."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from thirtytwo.evaluate import frechet
from thirtytwo.evaluate.checks import EvaluationError
from thirtytwo.evaluate.classifier_metrics import accuracy, class_counts, class_scores
from thirtytwo.evaluate.floor import real_pair
from thirtytwo.evaluate.intervals import bootstrap

__all__ = ["Scored", "classifier_floor", "classifier_scores", "join_floor", "per_class"]

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


def classifier_floor(
    features: np.ndarray, split: np.ndarray, *, reference_split: str, samples: int, resamples: int, seed: int
) -> Scores:
    """fd_classifier between disjoint real images, the mean of several draws, with the interval of a single one.

    Args:
        features: [M, D] of all real images.
        split: [M] uint8, 0 train, 1 test.

    Raises:
        EvaluationError: too few images.
    """
    pairs = [real_pair(split, reference_split, samples, seed, draw) for draw in range(_DRAWS)]
    values = [frechet.distance_to(features[p.samples], *frechet.statistics(features[p.reference])) for p in pairs]
    own, (mu, sigma) = features[pairs[0].samples], frechet.statistics(features[pairs[0].reference])
    value = float(np.mean(values))
    low, high = bootstrap(lambda i: frechet.distance_to(own[i], mu, sigma), value, len(own), resamples, seed)
    return {
        "fd_classifier_floor": value,
        "fd_classifier_floor_low": low,
        "fd_classifier_floor_high": high,
        "n": len(own),
        "reference_n": len(pairs[0].reference),
        "split": pairs[0].name,
    }


def classifier_scores(samples: Scored, reference: Scored, *, mode_share: float, resamples: int, seed: int) -> Scores:
    """fd_classifier with its interval, class histogram scores, confidence, and accuracy where labels were asked for.

    Raises:
        EvaluationError: samples cannot be scored, or only part of them carry labels.
    """
    classes = samples.probabilities.shape[1]
    predicted = samples.probabilities.argmax(axis=1)
    counts, real = class_counts(predicted, classes), class_counts(reference.labels, classes)
    mu, sigma = frechet.statistics(reference.features)
    own = samples.features
    value = frechet.distance_to(own, mu, sigma)
    low, high = bootstrap(lambda i: frechet.distance_to(own[i], mu, sigma), value, len(own), resamples, seed)
    scores: Scores = {
        "fd_classifier": value,
        "fd_classifier_low": low,
        "fd_classifier_high": high,
        "n": len(own),
        "reference_n": len(reference.features),
        **class_scores(counts, real, mode_share),
        "mean_confidence": float(samples.probabilities.max(axis=1).mean(dtype=np.float64)),
    }
    asked = samples.labels >= 0
    if asked.any() and not asked.all():
        raise EvaluationError(f"labels: {(~asked).sum()} of {len(asked)} samples have none; label all of them or none")
    if asked.all():
        keys = ("accuracy", "accuracy_low", "accuracy_high")
        scores |= dict(zip(keys, accuracy(predicted, samples.labels), strict=True))
    return scores


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


def join_floor(scores: Scores, floor: Scores, name: str) -> Scores:
    """`scores` with the floor of `name` beside it, its own N, and whether that N is the scores' N.

    Raises:
        EvaluationError: scores and floor are of different features or reference splits.
    """
    for key in ("features_sha256", "reference_split"):
        if scores[key] != floor[key]:
            raise EvaluationError(
                f"{name}: {key} is {scores[key]} for the score and {floor[key]} for its floor; run both stages again"
            )
    return scores | {
        **{key: floor[key] for key in floor if key.startswith(f"{name}_floor")},
        f"{name}_floor_n": floor["n"],
        f"{name}_floor_reference_n": floor["reference_n"],
        f"{name}_floor_split": floor["split"],
        f"{name}_floor_same_n": floor["n"] == scores["n"],
    }
