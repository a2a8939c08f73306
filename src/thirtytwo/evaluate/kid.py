"""Kernel distance (KID): the squared maximum mean discrepancy of a cubic kernel, unbiased at every N.

k(x, y) = (x y / D + 1)^3                                             (Bińkowski et al. 2018, section 4)
MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j)   (Gretton et al. 2012, eq. 3)

Where the number n_h of samples of each class h was fixed, pairs i != j fall into one class less often than two
independent draws do, and the first mean would be biased. It is then taken for each pair of classes and weighted by
w_g w_h, with w_h = n_h / N, which is unbiased again.

The first mean is a U-statistic. Its kernel splits into a constant, terms of one sample and a rest r(x, y) of mean 0 over either
(Hoeffding 1948). The rest alone contributes the variance

2 sum_g,h w_g^2 w_h^2 E r^2 / (n_g n_h),   n_g (n_g - 1) for h = g                    (Serfling 1980, section 5.2, lemma A)

which the jackknife counts twice; E r^2 is the mean square left in each block of classes by an additive fit, divided by the
degrees of freedom.

The paper averages this over small subsets, whose overlap makes their spread meaningless. Here every pair is used
once. All products and sums are float64, a block at a time.
"""

from dataclasses import dataclass

import numpy as np

from thirtytwo.core.arrays import check_features
from thirtytwo.core.intervals import Estimate, jackknife, members_of
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["Among", "among", "kid", "mean_among", "means_to"]

_ROWS = 512  # of a block of the kernel matrix, which then stays in the processor's cache


@dataclass(frozen=True)
class Among:
    """The kernel among the samples.

    Attributes:
        means: [N], the mean kernel of each sample to the N - 1 others; with classes, the mean over classes, weighted by
            their share, of the mean kernel to the others of that class. A class of one sample has no others; its place
            is taken by the sample itself.
        second_order: the variance of the mean of `means` that pairs of samples add to that of single ones. Blocks of
            classes with too few samples to tell are left out.
    """

    means: np.ndarray
    second_order: float


def kid(among: Among, to: np.ndarray, reference: float, strata: np.ndarray | None = None) -> Estimate:
    """KID of samples, with its 95 % interval over drawing them again, the reference being fixed.

    The interval is that of the jackknife, with the variance of second order counted once.

    Args:
        among: of the samples.
        to: [N] mean kernel of each sample to all of the reference, see `means_to`.
        reference: mean kernel over the pairs of the reference, see `mean_among`.
        strata: [N] int, the class of each sample where the number of each class was fixed.

    Returns:
        the estimate, which may be below zero where the truth is near it.

    Raises:
        EvaluationError: fewer than 3 samples.
    """
    means, count = among.means, len(among.means)
    if count < 3:
        raise EvaluationError(f"{count} samples; KID with its interval needs at least 3, sample more")
    value = means.mean() + reference - 2 * to.mean()
    pairs, cross = means.sum() * (count - 1), to.sum()
    without = (pairs - 2 * (count - 1) * means) / ((count - 1) * (count - 2)) - 2 * (cross - to) / (count - 1)
    return jackknife(value, without, strata, among.second_order)


def among(features: np.ndarray, strata: np.ndarray | None = None) -> Among:
    """The kernel among features [N, D]; `strata` [N] int, the class of each where the number of each was fixed.

    Raises:
        EvaluationError: not [N, D] with N >= 2, or not finite.
    """
    check_features(features, "features")
    values = np.asarray(features, np.float64)
    classes = [np.arange(len(values))] if strata is None else members_of(strata)
    sums, squares = np.zeros((len(values), len(classes))), np.zeros((len(classes), len(classes)))
    blocks = [
        (place, members[start : start + _ROWS])
        for place, members in enumerate(classes)
        for start in range(0, len(members), _ROWS)
    ]
    for turn, (g, rows) in enumerate(blocks):
        for h, columns in blocks[turn:]:  # the kernel is symmetric
            kernel = _kernel(values[rows], values[columns])
            if rows is columns:
                kernel[np.diag_indices(len(rows))] = 0
            else:
                sums[columns, g] += kernel.sum(axis=0)
            sums[rows, h] += kernel.sum(axis=1)
            squares[g, h] += np.vdot(kernel, kernel) * (2 if g == h and rows is not columns else 1)
    sizes = np.array([len(members) for members in classes])
    second_order = sum(
        2 * _second_order(sums, squares, classes, g, h) * (1 if g == h else 2)
        for g in range(len(classes))
        for h in range(g, len(classes))
    )
    others = np.tile(sizes, (len(values), 1))
    for place, members in enumerate(classes):
        if len(members) > 1:
            others[members, place] -= 1
        else:
            sums[members, place] = (np.square(values[members]).sum() / values.shape[1] + 1) ** 3
    return Among((sums / others) @ sizes / len(values), float(second_order) / len(values) ** 4)


def _second_order(sums: np.ndarray, squares: np.ndarray, classes: list[np.ndarray], g: int, h: int) -> float:
    """E r^2 of the pairs of classes g and h, times their sizes n_g n_h (n_g^3 / (n_g - 1) for h = g).

    Args:
        sums: [N, K] of the kernel of each sample to the others of each class.
        squares: [K, K] sums of the squared kernel over pairs of different samples.
    """
    rows, columns, n, m = sums[classes[g], h], sums[classes[h], g], len(classes[g]), len(classes[h])
    if g == h:
        if n < 4:
            return 0.0
        effects = (rows - rows.mean()) / (n - 2)
        left = squares[g, g] - rows.sum() ** 2 / (n * (n - 1)) - 2 * (n - 2) * np.square(effects).sum()
        return float(left / (n * (n - 3)) * n**3 / (n - 1))
    if min(n, m) < 2:
        return 0.0
    left = squares[g, h] - np.square(rows).sum() / m - np.square(columns).sum() / n + rows.sum() ** 2 / (n * m)
    return float(left / ((n - 1) * (m - 1)) * n * m)


def mean_among(features: np.ndarray, strata: np.ndarray | None = None) -> float:
    """Mean kernel over all pairs of different features [N, D]; `strata` and errors as `among`."""
    return float(among(features, strata).means.mean())


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
    sums = np.zeros(len(features))
    for start in range(0, len(features), _ROWS):
        block = np.asarray(features[start : start + _ROWS], np.float64)
        for first in range(0, len(others), _ROWS):
            sums[start : start + _ROWS] += _kernel(block, others[first : first + _ROWS]).sum(axis=1)
    return sums / len(others)


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """[N, M]"""
    product = x @ y.T
    product /= x.shape[1]
    product += 1
    cube = product * product
    cube *= product
    return cube
