"""The Fréchet distance of samples with its interval over drawing them again.

To second order, the distance is a sum over single samples and one over pairs. Near the reference the pairs have the
greater part in its variance. The delta method counts that part twice and the bootstrap three times: taken at the
samples' own distribution, the first-order terms hold its noise (Efron and Stein 1981, theorem 2, for the jackknife). So
the variance is the delta method's less the part of the pairs, and no less than that part; a bootstrap gives the shape.
"""

import math

import numpy as np

from thirtytwo.core.intervals import Estimate, bootstrap, mean_error, members_of
from thirtytwo.evaluate import frechet
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["frechet_interval", "in_proportion"]

_SPLITS = 30  # the variance from so many has a standard error of a quarter


def frechet_interval(
    features: np.ndarray, mu: np.ndarray, sigma: np.ndarray, resamples: int, seed: int, strata: np.ndarray | None = None
) -> Estimate:
    """The distance of features [N, D] to the reference N(mu, sigma), with its 95 % interval.

    Args:
        resamples: number of bootstrap resamples.
        seed: of the resamples and of the division into halves.
        strata: [N] int, the class of each sample where the number of each class was fixed.

    Raises:
        EvaluationError: fewer than 4 samples; otherwise as `frechet.distance_to`.
    """
    if (count := len(features)) < 4:  # a covariance of each half needs two
        raise EvaluationError(f"{count} images; a Fréchet distance with its interval needs at least 4, sample more")
    distance = frechet.Subsets(features, mu, sigma)
    value = distance(np.arange(count))
    pairs = _second_order(distance, value, count, seed, strata)
    first = mean_error(frechet.influence(features, mu, sigma), strata) ** 2
    return bootstrap(distance, value, count, resamples, seed, strata, math.sqrt(max(first - pairs, pairs)))


def in_proportion(rng: np.random.Generator, count: int, strata: np.ndarray | None) -> np.ndarray:
    """A random order of `count` samples; with strata every run of it has the classes in proportion, up to one sample."""
    if strata is None:
        return rng.permutation(count)
    positions = np.empty(count)
    for members in members_of(strata):
        positions[members] = (rng.permutation(len(members)) + rng.random()) / len(members)
    return np.argsort(positions, kind="stable")


def _second_order(distance: frechet.Subsets, value: float, count: int, seed: int, strata: np.ndarray | None) -> float:
    """The variance that pairs of samples add to that of single ones.

    The mean distance of two halves less that of all samples is the bias, plus the sum over pairs with the sign + within
    a half and - across; over random halves its variance is that of the sum over all pairs.
    """
    rng, means = np.random.default_rng(seed), []
    for _ in range(_SPLITS):
        order = in_proportion(rng, count, strata)
        means.append((distance(order[: count // 2]) + distance(order[count // 2 :])) / 2 - value)
    return float(np.var(means, ddof=1))
