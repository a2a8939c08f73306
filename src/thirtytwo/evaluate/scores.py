"""Scores in the classifiers' features and classes, of samples and of real images in their place."""

from dataclasses import replace

import numpy as np
import pandas as pd

from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate import frechet, kid
from thirtytwo.evaluate.classes import accuracy, best_of, class_counts, class_scores
from thirtytwo.evaluate.diagnosis import diagnose, passes_for_noise
from thirtytwo.evaluate.extrapolation import at_infinity
from thirtytwo.evaluate.floor import RealPair, real_pair
from thirtytwo.evaluate.frechet_interval import frechet_interval
from thirtytwo.evaluate.memorisation import COPY_QUANTILE, memorisation, unknown
from thirtytwo.evaluate.prdc import K, balls, prdc
from thirtytwo.evaluate.real import Real, Scored, Seen
from thirtytwo.evaluate.scorecard import Fact, Measured, Score, Scorecard
from thirtytwo.runtime.errors import EvaluationError

__all__ = [
    "classifier_floor", "classifier_scores", "frechet_score", "label_scores", "per_class", "score", "second_floor",
    "second_scores", "some_of",
]  # fmt: skip

_DRAWS = 10  # one draw of heavy-tailed features varies by half its value


def score(
    samples: Scored,
    real: Real,
    floor: Measured,
    *,
    train_on: str = "train",
    mode_share: float,
    resamples: int,
    seed: int,
) -> tuple[Scorecard, pd.DataFrame]:
    """All scores of samples beside their floors, with the diagnosis; and the closest pairs (see `memorisation`).

    Args:
        train_on: "train" or "all", the real images that the generator was trained on.

    Raises:
        EvaluationError: samples cannot be scored, only part of them carry labels, or the floor is of other features or
            of another reference split.
    """
    measured, closest = classifier_scores(
        samples, real, train_on=train_on, mode_share=mode_share, resamples=resamples, seed=seed
    )
    if passes_for_noise(measured.scores["precision"], floor.scores["precision"]):
        measured |= unknown("hardly a sample resembles a real image, so that distances to them mean nothing")
    for key in ("features_sha256", "reference_split"):
        if measured.protocol[key] != floor.protocol[key]:
            raise EvaluationError(
                f"floor: {key} is {measured.protocol[key]} for the scores and {floor.protocol[key]} for the floor; "
                "run both stages again"
            )
    same = floor.protocol["n"] == measured.protocol["n"]
    card = Scorecard(measured, floor | Measured({}, {"same_n": same}))
    return replace(card, diagnosis=diagnose(card)), closest


def classifier_floor(real: Real, *, samples: int, resamples: int, seed: int, within_classes: bool) -> Measured:
    """The scores of real images against disjoint real images.

    A generator that is asked for labels gets the same number of samples in every class; its floor is of real images
    drawn so as well (`within_classes`), and far lower than that of images drawn at random, whose class counts vary.

    fd_classifier is the mean of several draws, with the interval of a single one; the others are of the first draw.
    Those of memorisation are known: an image that is not a copy is as near to training as to held-out images, and
    `copies` counts from a quantile of 1 %.

    Raises:
        EvaluationError: too few images.
    """
    pairs = _pairs(real, samples, seed, within_classes)
    (drawn, reference), first = _images(real, pairs[0], within_classes), pairs[0]
    mean = kid.mean_among(reference.features, reference.labels if within_classes else None)
    measured = _feature_scores(drawn, reference, mean, resamples, seed)
    measured |= label_scores(real.images.only(first.samples), seed)
    measured |= Measured({"train_nearer": 0.5, "copies": COPY_QUANTILE})
    distance = _over_draws(measured.estimate("fd_classifier"), real, pairs)
    sizes: dict[str, Fact] = {"n": len(drawn.features), "reference_n": len(reference.labels), "split": first.name}
    sizes["drawn"] = "within classes" if within_classes else "at random"
    return measured | Measured({"fd_classifier": distance}, {**sizes, **_about(real)})


def second_floor(second: Seen, *, samples: int, resamples: int, seed: int, within_classes: bool) -> Measured:
    """`second_scores` of the same real images against the same others as in `classifier_floor`.

    Raises:
        EvaluationError: too few images.
    """
    pairs = _pairs(second, samples, seed, within_classes)
    drawn, reference = _images(second, pairs[0], within_classes)
    distance = _over_draws(frechet_score(drawn, reference, resamples, seed), second, pairs)
    labelled = second.images.only(pairs[0].samples)
    scores = {"fd_second": distance, "accuracy_second": accuracy(labelled.predicted, labelled.labels)}
    return Measured(scores, {"second_sha256": second.features_sha256})


def second_scores(samples: Scored, second: Seen, *, resamples: int, seed: int) -> Measured:
    """fd_second and, where labels were requested, accuracy_second: fd_classifier and accuracy by the second classifier.

    Args:
        samples: as the second classifier sees them.
    """
    scores = {"fd_second": frechet_score(samples, second.reference, resamples, seed)}
    if samples.strata is not None:
        scores["accuracy_second"] = accuracy(samples.predicted, samples.labels)
    return Measured(scores, {"second_sha256": second.features_sha256})


def classifier_scores(
    samples: Scored, real: Real, *, train_on: str = "train", mode_share: float, resamples: int, seed: int
) -> tuple[Measured, pd.DataFrame]:
    """Every score in the classifier's features and classes, and the table of the closest pairs (see `memorisation`).

    reference_variance, the trace of the reference's covariance, is the Fréchet distance of a generator that returns the
    mean of the real features: a yardstick where fd_classifier is far from its floor. sample_variance is the same trace
    of the samples.

    Raises:
        EvaluationError: samples cannot be scored, or only part of them carry labels.
    """
    reference, classes = real.reference, samples.probabilities.shape[1]
    counts = class_counts(samples.predicted, classes)
    kernel_mean = real.kernel_mean if samples.strata is None else real.kernel_mean_within
    measured = _feature_scores(samples, reference, kernel_mean, resamples, seed)
    split = np.zeros_like(real.split) if train_on == "all" else real.split  # without held-out images
    copied, closest = memorisation(samples.features, real.images.features, split, real.copy_ratio, seed)
    confidence = float(samples.probabilities.max(axis=1).mean(dtype=np.float64))
    variances: dict[str, Score] = {
        f"{name}_variance": float(images.features.var(axis=0, ddof=1, dtype=np.float64).sum())
        for name, images in (("sample", samples), ("reference", reference))
    }
    measured |= copied | Measured(variances)
    measured |= class_scores(counts, class_counts(reference.labels, classes), mode_share)
    measured |= Measured({"mean_confidence": confidence}) | label_scores(samples, seed)
    sizes = {"n": len(samples.features), "reference_n": len(reference.features)}
    return measured | Measured({}, {**sizes, "trained_on": train_on, **_about(real)}), closest


def frechet_score(samples: Scored, reference: Scored, resamples: int, seed: int) -> Estimate:
    """Fréchet distance of samples to the reference, with its interval."""
    fitted = frechet.statistics(reference.features)
    return frechet_interval(samples.features, *fitted, resamples, seed, samples.strata)


def label_scores(samples: Scored, seed: int) -> Measured:
    """accuracy and best_of_5_accuracy where labels were requested, else nothing.

    Raises:
        EvaluationError: only part of the samples carry labels, or fewer than 5 samples do.
    """
    labelled = samples.labels >= 0
    if labelled.any() and not labelled.all():
        raise EvaluationError(
            f"labels: {(~labelled).sum()} of {len(labelled)} samples have none; label all of them or none"
        )
    if not labelled.all():
        return Measured()
    best, size = best_of(samples.predicted, samples.labels, 5, seed)
    scores = {"accuracy": accuracy(samples.predicted, samples.labels), "best_of_5_accuracy": best}
    return Measured(scores, {"best_of_5_n": size})


def per_class(samples: Scored, reference: Scored, names: tuple[str, ...]) -> pd.DataFrame:
    """Scores of the samples of each class, a row a class.

    Returns:
        class, count and share: how many samples the classifier sees in it. Where samples were requested by label
        also asked: how many of it; accuracy: the share of those that the classifier sees in it; fd_classifier:
        Fréchet distance of those to the real images of the class. They are empty for classes that were not requested.
    """
    predicted = samples.predicted
    counts = class_counts(predicted, len(names))
    table = pd.DataFrame({"class": names, "count": counts, "share": (counts / counts.sum()).round(6)})
    if (samples.labels < 0).all():
        return table
    requested = class_counts(samples.labels, len(names))
    rows = []
    for index in range(len(names)):
        drawn, real = samples.labels == index, reference.labels == index
        if requested[index] < 2 or real.sum() < 2:
            rows.append((float("nan"), float("nan")))
            continue
        mu, sigma = frechet.statistics(reference.features[real])
        rows.append(((predicted[drawn] == index).mean(), frechet.distance_to(samples.features[drawn], mu, sigma)))
    return table.assign(asked=requested, accuracy=[row[0] for row in rows], fd_classifier=[row[1] for row in rows])


def _pairs(seen: Seen, samples: int, seed: int, within_classes: bool) -> list[RealPair]:
    strata = seen.images.labels if within_classes else None
    return [real_pair(seen.split, seen.reference_split, samples, seed, draw, strata) for draw in range(_DRAWS)]


def _images(seen: Seen, pair: RealPair, within_classes: bool) -> tuple[Scored, Scored]:
    """The images in place of samples, with labels only if drawn within classes; and those they are compared with."""
    drawn = seen.images.only(pair.samples)
    if not within_classes:
        drawn = replace(drawn, labels=np.full(len(drawn.labels), -1))
    return drawn, seen.images.only(pair.reference)


def _over_draws(first: Estimate, seen: Seen, pairs: list[RealPair]) -> Estimate:
    """The mean Fréchet distance of all pairs, with the interval of the first."""
    features = seen.images.features
    values = [frechet.distance_to(features[p.samples], *frechet.statistics(features[p.reference])) for p in pairs]
    assert first.value is not None
    return first + (float(np.mean(values)) - first.value)


def _feature_scores(samples: Scored, reference: Scored, kernel_mean: float, resamples: int, seed: int) -> Measured:
    """Scores of the samples' features against those of the reference."""
    features, real, strata = samples.features, reference.features, samples.strata
    distance = frechet_score(samples, reference, resamples, seed)
    infinity, reason = at_infinity(distance, features, *frechet.statistics(real), seed, strata)
    equal = min(len(features), len(real))
    among, to = kid.among(features, strata), kid.means_to(features, real)
    scores: dict[str, Score] = {
        "fd_classifier": distance,
        "fd_classifier_infinity": infinity,
        "kid_classifier": kid.kid(among, to, kernel_mean, strata),
    }
    reasons = {"fd_classifier_infinity_reason": reason} if reason else {}
    return Measured(scores, reasons) | prdc(
        balls(some_of(real, equal, seed), features[:equal], K), None if strata is None else strata[:equal]
    )


def some_of(real: np.ndarray, count: int, seed: int) -> np.ndarray:
    """At most `count` real features [M, D], drawn at random: those whose balls precision and the like are measured in."""
    return real[np.sort(np.random.default_rng(seed).permutation(len(real))[:count])]


def _about(real: Real) -> dict[str, str]:
    return {
        "reference_split": real.reference_split,
        "resampler": real.resampler,
        "features_sha256": real.features_sha256,
    }
