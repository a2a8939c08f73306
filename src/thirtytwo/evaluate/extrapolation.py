"""Fréchet distance at infinitely many samples (Chong and Forsyth 2020, section 3: FD_infinity).

The distance of N samples is biased upwards by a term in 1/N that depends on the generator. A line through the
distances of subsets of many sizes, over 1/N, meets the axis at the distance without that bias.
"""

import numpy as np
from scipy import stats

from thirtytwo.core.intervals import Estimate, members_of
from thirtytwo.evaluate import frechet

__all__ = ["at_infinity"]

_SIZES = 15  # as in the paper
# Further terms, in 1/N^2, bend the line where N is not well above D: the paper's smallest subset is 5000 at D = 2048.
_LEAST_PER_DIMENSION = 2


def at_infinity(
    features: np.ndarray, mu: np.ndarray, sigma: np.ndarray, seed: int, strata: np.ndarray | None = None
) -> tuple[Estimate, str]:
    """The distance to the reference N(mu, sigma) that infinitely many samples would have, with its 95 % interval.

    Sizes run evenly from N/10 to N; at each, the distances of as many disjoint subsets as fit are averaged. New subsets
    of the same samples would carry no information about other samples, and all sizes share their samples, so that the
    points of the line are not independent. The interval therefore adds the variance of the distance over drawing the
    samples, by the delta method, to the variance of the line from its residuals. The bias from the reference's size
    remains.

    Args:
        features: [N, D].
        seed: of the subsets.
        strata: [N] int, the class of each sample where the number of each class was fixed: every subset then has the
            classes in the same proportions.

    Returns:
        the estimate, whose value is None where N is too small, and the reason for that.

    Raises:
        EvaluationError: as `frechet.distance_to`.
    """
    count, dimensions = features.shape
    needed = 10 * _LEAST_PER_DIMENSION * dimensions
    if count < needed:
        return Estimate(None), (
            f"N = {count} is too small to extrapolate: features of {dimensions} dimensions need {needed} samples or more"
        )
    distance, rng = frechet.Subsets(features, mu, sigma), np.random.default_rng(seed)
    sizes = np.linspace(count / 10, count, _SIZES).round().astype(int)
    means = []
    for size in sizes:
        parts = _order(rng, count, strata)[: count // size * size].reshape(-1, size)
        means.append(np.mean([distance(part) for part in parts]))
    line = stats.linregress(1 / sizes, means)
    error = float(np.hypot(line.intercept_stderr, frechet.standard_error(features, mu, sigma, strata)))
    value = float(line.intercept)
    return Estimate(value, value - 1.96 * error, value + 1.96 * error), ""


def _order(rng: np.random.Generator, count: int, strata: np.ndarray | None) -> np.ndarray:
    """A random order of `count` samples; with strata every run of it has the classes in proportion, up to one sample."""
    if strata is None:
        return rng.permutation(count)
    positions = np.empty(count)
    for members in members_of(strata):
        positions[members] = (rng.permutation(len(members)) + rng.random()) / len(members)
    return np.argsort(positions, kind="stable")
