"""Scores from a classifier's predictions: which classes the samples cover, how evenly, and whether labels are followed."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special

from thirtytwo.core.intervals import Estimate, share
from thirtytwo.evaluate.scorecard import Measured
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["accuracy", "best_of", "class_counts", "class_indices", "class_scores", "confusion"]


def class_counts(predicted: np.ndarray, classes: int) -> np.ndarray:
    """How many of `predicted` [N] int fall into each of the classes, [K] int64.

    Raises:
        EvaluationError: no predictions, or one outside 0..K-1.
    """
    if predicted.size == 0 or predicted.min() < 0 or predicted.max() >= classes:
        raise EvaluationError(f"expected at least one class index, each in 0..{classes - 1}")
    return np.bincount(predicted, minlength=classes)


def class_scores(counts: np.ndarray, reference: np.ndarray, mode_share: float) -> Measured:
    """Coverage and evenness of a class histogram.

    Args:
        counts: [K], of the samples.
        reference: [K], of the real images. Classes that the classifier has and the data set lacks have none.
        mode_share: a class counts as covered when its share of the samples is at least this part of its
            share of the real images.

    Returns:
        modes_covered: how many classes of the real images are covered; `classes`, in the protocol, is how many they have.
        foreign_share: share of the samples in classes that the real images do not have.
        class_entropy_bits: entropy of the histogram, log2 K when even.
        kl_to_uniform: Kullback-Leibler divergence from the even histogram over the real classes, bits; None where
            it is infinite because samples are of foreign classes.
        kl_to_reference: the same from the histogram of the real images, bits.

    Raises:
        EvaluationError: histograms of different length, or no real images.
    """
    if counts.shape != reference.shape or reference.sum() <= 0 or reference.min() < 0:
        raise EvaluationError(
            f"expected two histograms over the same classes and some real images, got {counts.tolist()} "
            f"for the samples and {reference.tolist()} for the reference"
        )
    shares, real = counts / counts.sum(), reference / reference.sum()
    present = reference > 0
    foreign = float(shares[~present].sum())
    uniform = present / present.sum()
    scores = {
        "modes_covered": int((shares >= mode_share * real)[present].sum()),
        "foreign_share": foreign,
        "class_entropy_bits": float(special.entr(shares).sum() / np.log(2)),
        "kl_to_uniform": None if foreign else float(special.rel_entr(shares, uniform).sum() / np.log(2)),
        "kl_to_reference": None if foreign else float(special.rel_entr(shares, real).sum() / np.log(2)),
    }
    return Measured(scores, {"classes": int(present.sum())})


def class_indices(names: Sequence[str], known: Sequence[str]) -> np.ndarray:
    """The place of each of a data set's class names among those of its classifier, [len(names)] int64.

    Raises:
        EvaluationError: the classifier lacks one of them.
    """
    unknown = [name for name in names if name not in known]
    if unknown:
        raise EvaluationError(
            f"class '{unknown[0]}' is not among those of the classifier ({', '.join(known)}); "
            "choose another classifier in datasets.<name>.classifier"
        )
    return np.array([list(known).index(name) for name in names], np.int64)


def accuracy(predicted: np.ndarray, labels: np.ndarray) -> Estimate:
    """Share of predictions [N] that equal `labels` [N], with Wilson's 95 % interval for samples of these labels.

    Raises:
        EvaluationError: different lengths, or nothing to count.
    """
    if predicted.shape != labels.shape or predicted.size == 0:
        raise EvaluationError(f"expected as many labels as predictions, got {labels.shape} and {predicted.shape}")
    return share(predicted == labels, labels)


def best_of(predicted: np.ndarray, labels: np.ndarray, turns: int, seed: int) -> tuple[Estimate, int]:
    """The highest accuracy of several evaluations, as CMPUT 328 assignment 5 marks a model: the best of five.

    The assignment draws a new set of images for each evaluation. Here the samples are dealt at random into `turns`
    disjoint sets of equal size, which for independent samples is the same. The ends are the 2.5 % and 97.5 % points
    of such a mark: the largest of `turns` binomial counts, whose probability P is that of all samples, is at most x
    with the probability F(x)^turns (a parametric bootstrap in closed form). This is a range of outcomes, not an interval of a quantity.

    Returns:
        the best accuracy, and the size of each set.

    Raises:
        EvaluationError: different lengths, or fewer samples than turns.
    """
    if predicted.shape != labels.shape or len(labels) < turns:
        raise EvaluationError(
            f"the best of {turns} needs {turns} samples or more, and as many labels as predictions; "
            f"got {labels.shape} and {predicted.shape}"
        )
    size = len(labels) // turns
    hit = (predicted == labels)[np.random.default_rng(seed).permutation(len(labels))[: turns * size]]
    best = float(hit.reshape(turns, size).mean(axis=1).max())
    below = special.bdtr(np.arange(size + 1.0), size, hit.mean())
    low, high = np.searchsorted(below, np.array([0.025, 0.975]) ** (1 / turns)) / size
    return Estimate(best, min(float(low), best), max(float(high), best)), size


def confusion(predicted: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    """Counts of samples by the requested class (rows, named in the column `asked`) and the predicted one (columns).

    Samples with the label -1, for which no class was requested, are left out; without any others the table has no rows.
    """
    labelled, size = labels >= 0, len(names)
    counts = np.bincount(labels[labelled] * size + predicted[labelled], minlength=size**2).reshape(size, size)
    table = pd.DataFrame(counts, columns=list(names)).assign(asked=names)[["asked", *names]]
    return table if labelled.any() else table[:0]
