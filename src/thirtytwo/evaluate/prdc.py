"""Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

Around each feature lies a ball that reaches to its k-th nearest neighbour in its own set. With r_i, s_j the radii of
the real features x_i and of the samples' y_j,

precision = mean_j [some i: |x_i - y_j| < r_i]     recall = mean_i [some j: |x_i - y_j| < s_j]  (Kynkäänniemi, eq. 1, 2)
density = mean_j #{i: |x_i - y_j| < r_i} / k                                                  (Naeem, section 3.2)
coverage = mean_i [some j: |x_i - y_j| < r_i]                                                 (Naeem, section 3.2)

All four depend on both N; scores take as many real images as samples. Distances are taken a block of rows at a time,
and what remains of a block are the few pairs of a sample and a real feature of which one lies in the other's ball.

Intervals (95 %) are over drawing the samples again, the real images being fixed. A sample's part in precision and
density (in how many real balls it lies) depends on no other sample, so these are means of independent numbers. In
coverage the samples share balls, and in recall the balls are their own. A bootstrap that draws samples again fails
for both: each draw lacks a third of the samples, and copies of one sample shrink its ball to nothing. The jackknife
leaves out one sample at a time instead, and its variance errs on the safe side for any such score (Efron and
Stein 1981). Nothing has to be measured again for it: the real balls stay as they are, and without sample j the balls
of those samples that have j among their k nearest reach to the neighbour of rank k + 1.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from thirtytwo.evaluate import intervals
from thirtytwo.evaluate.distances import neighbours, squared
from thirtytwo.features.checks import check_features
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["Balls", "K", "balls", "prdc"]

K = 5  # Naeem et al. 2020: the least at which a perfect generator's coverage passes 0.95, at equal N


@dataclass(frozen=True)
class Balls:
    """Which samples lie in which real features' balls, and the reverse; all are [real, samples] sparse counts.

    Attributes:
        inside: the sample lies in the real feature's ball.
        around: the real feature lies in the sample's ball.
        beyond: the real feature lies in the sample's ball only once that reaches to the neighbour of rank k + 1.
        nearest: [samples, samples]: the second is among the k nearest of the first.
        k: whose neighbour a ball reaches to.
    """

    inside: sparse.csr_array
    around: sparse.csr_array
    beyond: sparse.csr_array
    nearest: sparse.csr_array
    k: int


def balls(real: np.ndarray, samples: np.ndarray, k: int) -> Balls:
    """The balls of features [M, D] and [N, D].

    Raises:
        EvaluationError: no features, of different dimensions, or not more than k + 1 of either.
    """
    for features, name in ((real, "real features"), (samples, "samples")):
        check_features(features, name)
        if len(features) < k + 2:
            raise EvaluationError(f"{name}: {len(features)}; neighbours of rank {k} need {k + 2}, sample more")
    if real.shape[1] != samples.shape[1]:
        raise EvaluationError(
            f"features of {real.shape[1]} and {samples.shape[1]} dimensions; use one extractor for both"
        )
    radii = neighbours(real, k)[0][:, -1]
    own, nearest = neighbours(samples, k + 1)
    found: list[list[np.ndarray]] = [[], [], []]
    for rows, distances in squared(samples, real):
        inner = distances < own[rows, k - 1, None]
        outer = distances < own[rows, k, None]
        for pairs, which in zip(found, (distances < radii, inner, outer & ~inner), strict=True):
            sample, image = np.nonzero(which)
            pairs.append(np.stack([image, sample + rows.start]).astype(np.int32))
    inside, around, beyond = (_counts(np.concatenate(pairs, axis=1), (len(real), len(samples))) for pairs in found)
    first = np.repeat(np.arange(len(samples)), k)
    own_nearest = _counts(np.stack([first, nearest[:, :k].ravel()]), (len(samples), len(samples)))
    return Balls(inside, around, beyond, own_nearest, k)


def prdc(found: Balls) -> dict[str, float | int]:
    """precision, recall, density, coverage, each with _low and _high; prdc_k, prdc_n, prdc_reference_n."""
    images, samples = found.inside.shape
    hits, covering, holding = found.inside.sum(axis=0), found.inside.sum(axis=1), found.around.sum(axis=1)
    only = found.inside[covering == 1].sum(axis=0)  # real balls that no other sample hits
    moved = (found.beyond @ found.nearest).tocsr()  # through how many other balls a real feature is gained without j
    gained = (moved[holding == 0] > 0).sum(axis=0)
    alone = found.around[holding == 1]
    lost = alone.sum(axis=0) - (alone.multiply(moved[holding == 1]) > 0).sum(axis=0)
    scores = {
        "precision": intervals.share((hits > 0).sum(), samples),
        "recall": _within_shares(intervals.jackknife((holding > 0).mean(), (gained - lost) / images)),
        "density": intervals.mean(hits / found.k),
        "coverage": _within_shares(intervals.jackknife((covering > 0).mean(), -only / images)),
    }
    result: dict[str, float | int] = {"prdc_k": found.k, "prdc_n": samples, "prdc_reference_n": images}
    for name, ends in scores.items():
        result |= intervals.named(name, ends)
    return result


def _within_shares(ends: tuple[float, float, float]) -> tuple[float, float, float]:
    """A share and its interval, which ends at 0 and 1; the jackknife's is symmetric and knows of neither."""
    value, low, high = ends
    return value, max(low, 0.0), min(high, 1.0)


def _counts(pairs: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    return sparse.csr_array((np.ones(pairs.shape[1], np.int32), pairs), shape=shape)
