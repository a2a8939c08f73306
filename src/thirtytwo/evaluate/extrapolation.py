"""Fréchet distance at infinitely many samples (Chong and Forsyth 2020, section 3: FD_infinity).

The distance of N samples is biased upwards by a term in 1/N that depends on the generator. A line through the
distances of subsets of many sizes, over 1/N, meets the axis at the distance without that bias.

The paper draws one subset of each size and fits by least squares, as if all points were equally precise. Here the
distances of all disjoint subsets of n samples are averaged. The average holds the pairs of samples that fall into one
subset, a share n/N of all, so its variance about the line is proportional to x = 1/n - 1/N and is 0 at n = N. Least
squares weighted by 1/x makes the line pass through the distance of all samples, with the slope sum y / sum x, y being
the averages less that distance (the ratio estimator; Cochran 1977, section 6.7).
"""

import math

import numpy as np

from thirtytwo.core.intervals import Estimate, Z
from thirtytwo.evaluate import frechet
from thirtytwo.evaluate.frechet_interval import in_proportion

__all__ = ["at_infinity"]

_SIZES = 15  # as in the paper
# Further terms, in 1/N^2, bend the line where N is not well above D: the paper's smallest subset is 5000 at D = 2048.
_LEAST_PER_DIMENSION = 2


def at_infinity(
    distance: Estimate, features: np.ndarray, mu: np.ndarray, sigma: np.ndarray, seed: int,
    strata: np.ndarray | None = None,
) -> tuple[Estimate, str]:  # fmt: skip
    """The distance to the reference N(mu, sigma) that infinitely many samples would have, with its 95 % interval.

    Sizes run evenly from N/10 to N. The interval is that of the distance of all samples, moved by the bias and combined
    with the line's own error, which comes from the division into subsets and is independent of it. The bias from the
    reference's size remains.

    Args:
        distance: of all samples, with its interval over drawing them again.
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
    of_subset, rng = frechet.Subsets(features, mu, sigma), np.random.default_rng(seed)
    sizes = np.linspace(count / 10, count, _SIZES).round().astype(int)[:-1]
    means = []
    for size in sizes:
        parts = in_proportion(rng, count, strata)[: count // size * size].reshape(-1, size)
        means.append(np.mean([of_subset(part) for part in parts]))
    assert distance.value is not None
    assert distance.low is not None
    assert distance.high is not None
    x, y = 1 / sizes - 1 / count, np.array(means) - distance.value
    slope = y.sum() / x.sum()
    noise = np.square(y - slope * x) / x
    half = Z * math.sqrt(noise.sum() / (len(x) - 1) / x.sum()) / count
    value = float(distance.value - slope / count)
    low, high = math.hypot(distance.value - distance.low, half), math.hypot(distance.high - distance.value, half)
    return Estimate(value, value - low, value + high), ""
