"""Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

Around each feature lies a ball that reaches to its k-th nearest neighbour in the same set. With r_i, s_j the radii of
the real features x_i and of the samples' y_j,

precision = mean_j [some i: |x_i - y_j| < r_i]     recall = mean_i [some j: |x_i - y_j| < s_j]  (Kynkäänniemi, eq. 1, 2)
density = mean_j #{i: |x_i - y_j| < r_i} / k                                                  (Naeem, section 3.2)
coverage = mean_i [some j: |x_i - y_j| < r_i]                                                 (Naeem, section 3.2)

All four depend on both N; scores take as many real images as samples. Distances are taken a block of rows at a time,
and of each block only the few pairs of a sample and a real feature are kept of which one lies in the other's ball.

Intervals (95 %) are over drawing the samples again, the real images being fixed. A sample's part in precision and
density (in how many real balls it lies) depends on no other sample, so these are means of independent numbers. In
coverage the samples share balls, and in recall the balls are those of the samples. A bootstrap that draws samples again fails
for both: each draw lacks a third of the samples, and copies of one sample shrink its ball to nothing. The jackknife
leaves out one sample at a time instead, and its variance errs on the safe side for any such score (Efron and
Stein 1981). It needs no new distances: the real balls stay as they are, and without sample j the balls
of those samples that have j among their k nearest reach to the neighbour of rank k + 1.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from thirtytwo.core.arrays import check_features
from thirtytwo.core.intervals import Estimate, jackknife, mean, share
from thirtytwo.evaluate.distances import neighbours, squared
from thirtytwo.evaluate.scorecard import Measured
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["Balls", "K", "among_real", "balls", "prdc"]

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
    reach, nearest = neighbours(samples, k + 1)
    pairs: list[list[np.ndarray]] = [[], [], []]
    for rows, distances in squared(samples, real):
        inner = distances < reach[rows, k - 1, None]
        outer = distances < reach[rows, k, None]
        for blocks, which in zip(pairs, (distances < radii, inner, outer & ~inner), strict=True):
            sample, image = np.nonzero(which)
            blocks.append(np.stack([image, sample + rows.start]).astype(np.int32))
    inside, around, beyond = (_counts(np.concatenate(blocks, axis=1), (len(real), len(samples))) for blocks in pairs)
    first = np.repeat(np.arange(len(samples)), k)
    among = _counts(np.stack([first, nearest[:, :k].ravel()]), (len(samples), len(samples)))
    return Balls(inside, around, beyond, among, k)


def among_real(samples: np.ndarray, real: np.ndarray, k: int) -> np.ndarray:
    """Which of the samples [N, D] lie in the ball of a real feature [M, D], whose share is the precision: [N] bool."""
    radii = neighbours(real, k)[0][:, -1]
    return np.concatenate([(distances < radii).any(axis=1) for _, distances in squared(samples, real)])


def prdc(balls: Balls, strata: np.ndarray | None = None) -> Measured:
    """precision, recall, density, coverage; in the protocol prdc_k, prdc_n and prdc_reference_n.

    Args:
        strata: [samples] int, the class of each sample where the number of each class was fixed.
    """
    images, samples = balls.inside.shape
    hits, covering, holding = balls.inside.sum(axis=0), balls.inside.sum(axis=1), balls.around.sum(axis=1)
    only = balls.inside[covering == 1].sum(axis=0)  # real balls that no other sample hits
    moved = (balls.beyond @ balls.nearest).tocsr()  # through how many other balls a real feature is gained without j
    gained = (moved[holding == 0] > 0).sum(axis=0)
    alone = balls.around[holding == 1]
    lost = alone.sum(axis=0) - (alone.multiply(moved[holding == 1]) > 0).sum(axis=0)
    scores = {
        "precision": share(hits > 0, strata),
        "recall": _within_shares(jackknife((holding > 0).mean(), (gained - lost) / images, strata)),
        "density": mean(hits / balls.k, strata),
        "coverage": _within_shares(jackknife((covering > 0).mean(), -only / images, strata)),
    }
    return Measured(scores, {"prdc_k": balls.k, "prdc_n": samples, "prdc_reference_n": images})


def _within_shares(estimate: Estimate) -> Estimate:
    """The interval cut at 0 and 1: the jackknife's is symmetric and may reach beyond."""
    assert estimate.low is not None
    assert estimate.high is not None
    return Estimate(estimate.value, max(estimate.low, 0.0), min(estimate.high, 1.0))


def _counts(pairs: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    return sparse.csr_array((np.ones(pairs.shape[1], np.int32), pairs), shape=shape)
