"""Kernel distance (KID): the squared maximum mean discrepancy of a cubic kernel, unbiased at every N.

k(x, y) = (x y / D + 1)^3                                             (Bińkowski et al. 2018, section 4)
MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j)   (Gretton et al. 2012, eq. 3)

Where the number n_h of samples of each class h was fixed, pairs i != j fall into one class less often than two
independent draws do, and the first mean would be biased. It is then taken for each pair of classes and weighted by
w_g w_h, with w_h = n_h / N, which is unbiased again.

The paper averages this over small subsets, whose overlap makes their spread meaningless. Here every pair is used
once. All products and sums are float64, a block of rows at a time.
"""

import numpy as np

from thirtytwo.core.arrays import check_features
from thirtytwo.core.intervals import Estimate, jackknife, members_of
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["kid", "mean_among", "means_among", "means_to"]

_BYTES = 2**26  # of one block of the kernel matrix


def kid(among: np.ndarray, to: np.ndarray, reference: float, strata: np.ndarray | None = None) -> Estimate:
    """KID of samples, with its 95 % interval over drawing them again, the reference being fixed.

    The interval is that of the jackknife (Efron and Stein 1981, by whose inequality its variance is not too
    small on average): without sample i, the mean over pairs and the mean to the reference follow from the row means alone.

    Args:
        among: [N] mean kernel of each sample to the other samples, see `means_among`.
        to: [N] mean kernel of each sample to all of the reference, see `means_to`.
        reference: mean kernel over the pairs of the reference, see `mean_among`.
        strata: [N] int, the class of each sample where the number of each class was fixed.

    Returns:
        the estimate, which may be below zero where the truth is near it.

    Raises:
        EvaluationError: fewer than 3 samples.
    """
    count = len(among)
    if count < 3:
        raise EvaluationError(f"{count} samples; KID with its interval needs at least 3, sample more")
    value = among.mean() + reference - 2 * to.mean()
    pairs, cross = among.sum() * (count - 1), to.sum()
    without = (pairs - 2 * (count - 1) * among) / ((count - 1) * (count - 2)) - 2 * (cross - to) / (count - 1)
    return jackknife(value, without, strata)


def means_among(features: np.ndarray, strata: np.ndarray | None = None) -> np.ndarray:
    """Mean kernel of each of features [N, D] to the N - 1 others, [N].

    With `strata` [N] int, it is the mean over classes, weighted by their share, of the mean kernel to the others of that
    class. A class of one sample has no others; its place is taken by the sample itself.

    Raises:
        EvaluationError: not [N, D] with N >= 2, or not finite.
    """
    check_features(features, "features")
    values = np.asarray(features, np.float64)
    itself = (np.einsum("nd,nd->n", values, values) / values.shape[1] + 1) ** 3
    if strata is not None:
        return _means_by_class(values, itself, members_of(strata))
    sums = np.zeros(len(values))
    rows = max(_BYTES // (8 * len(values)), 1)
    for start in range(0, len(values), rows):  # the kernel is symmetric: only the diagonal and above
        block = slice(start, min(start + rows, len(values)))
        kernel = _kernel(values[block], values[start:])
        sums[block] += kernel.sum(axis=1)
        sums[block.stop :] += kernel[:, block.stop - start :].sum(axis=0)
    return (sums - itself) / (len(values) - 1)


def mean_among(features: np.ndarray, strata: np.ndarray | None = None) -> float:
    """Mean kernel over all pairs of different features [N, D]; `strata` and errors as `means_among`."""
    return float(means_among(features, strata).mean())


def means_to(features: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Mean kernel of each of features [N, D] to all of reference [M, D], [N].

    Raises:
        EvaluationError: not [N, D] with N >= 2, not finite, or of different dimensions.
    """
    check_features(features, "features")
    check_features(reference, "reference")
    if features.shape[1] != reference.shape[1]:
        raise EvaluationError(
            f"features of {features.shape[1]} and {reference.shape[1]} dimensions; use one extractor for both"
        )
    others = np.asarray(reference, np.float64)
    rows = max(_BYTES // (8 * len(others)), 1)
    blocks = (np.asarray(features[start : start + rows], np.float64) for start in range(0, len(features), rows))
    return np.concatenate([_kernel(block, others).mean(axis=1) for block in blocks])


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """[N, M]"""
    product = x @ y.T
    product /= x.shape[1]
    product += 1
    return product * product * product


def _means_by_class(values: np.ndarray, itself: np.ndarray, classes: list[np.ndarray]) -> np.ndarray:
    means = np.zeros(len(values))
    rows = max(_BYTES // (8 * len(values)), 1)
    for members in classes:
        others = values[members]
        sums = np.concatenate([
            _kernel(values[start : start + rows], others).sum(axis=1) for start in range(0, len(values), rows)
        ])  # fmt: skip
        counts = np.full(len(values), len(members))
        if len(members) > 1:
            sums[members] -= itself[members]
            counts[members] -= 1
        means += len(members) / len(values) * sums / counts
    return means
