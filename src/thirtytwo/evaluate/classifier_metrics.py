"""What a classifier says about samples: which classes there are, how evenly, and whether labels were obeyed."""

import numpy as np
from scipy import stats

from thirtytwo.evaluate.checks import EvaluationError

__all__ = ["accuracy", "class_counts", "class_scores"]


def class_counts(predicted: np.ndarray, classes: int) -> np.ndarray:
    """How many of `predicted` [N] int fall into each of the classes, [K] int64.

    Raises:
        EvaluationError: no predictions, or one outside 0..K-1.
    """
    if predicted.size == 0 or predicted.min() < 0 or predicted.max() >= classes:
        raise EvaluationError(f"expected at least one class index, each in 0..{classes - 1}")
    return np.bincount(predicted, minlength=classes)


def class_scores(counts: np.ndarray, reference: np.ndarray, mode_share: float) -> dict[str, float]:
    """Coverage and evenness of a class histogram.

    Args:
        counts: [K], of the samples.
        reference: [K], of the real images; each class has some.
        mode_share: a class counts as covered when its share of the samples is at least this part of its
            share of the real images.

    Returns:
        modes_covered: classes covered, 0..K.
        class_entropy_bits: entropy of the histogram, log2 K when even.
        kl_to_uniform: Kullback-Leibler divergence from the even histogram, bits.
        kl_to_reference: the same from the histogram of the real images, bits.

    Raises:
        EvaluationError: histograms of different length, or a class without real images.
    """
    if counts.shape != reference.shape or (reference <= 0).any():
        raise EvaluationError(
            f"expected two histograms over the same classes and real images of each, got {counts.tolist()} "
            f"for the samples and {reference.tolist()} for the reference"
        )
    share, real = counts / counts.sum(), reference / reference.sum()
    return {
        "modes_covered": int((share >= mode_share * real).sum()),
        "class_entropy_bits": float(stats.entropy(share, base=2)),
        "kl_to_uniform": float(stats.entropy(share, np.full(len(share), 1 / len(share)), base=2)),
        "kl_to_reference": float(stats.entropy(share, real, base=2)),
    }


def accuracy(predicted: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """Share of predictions [N] that equal `labels` [N], with the ends of Wilson's 95 % interval.

    Raises:
        EvaluationError: different lengths, or nothing to count.
    """
    if predicted.shape != labels.shape or predicted.size == 0:
        raise EvaluationError(f"expected as many labels as predictions, got {labels.shape} and {predicted.shape}")
    hits = int((predicted == labels).sum())
    interval = stats.binomtest(hits, len(labels)).proportion_ci(0.95, method="wilson")
    return hits / len(labels), float(interval.low), float(interval.high)
