"""A number with its 95 % interval as one value, and the intervals that several sections of the code share."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from tqdm import tqdm

__all__ = ["Estimate", "bootstrap", "flatten", "jackknife", "mean", "over_trainings", "read", "share"]


@dataclass(frozen=True)
class Estimate:
    """A value with the ends of its 95 % interval; None where one of them is not known.

    In a JSON file the estimate `x` is three entries: x, x_low and x_high.
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    def __add__(self, shift: float) -> "Estimate":
        """The estimate moved up by a constant."""
        return Estimate(*(None if end is None else end + shift for end in (self.value, self.low, self.high)))

    def __sub__(self, shift: float) -> "Estimate":
        """The estimate moved down by a constant."""
        return self + -shift


def flatten(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values for JSON: an `Estimate` becomes three entries, everything else stays as it is."""
    flat: dict[str, Any] = {}
    for name, score in scores.items():
        if isinstance(score, Estimate):
            flat |= {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}
        else:
            flat[name] = score
    return flat


def read(values: Mapping[str, Any], name: str) -> Estimate:
    """The estimate `name` among the plain values of a JSON file."""
    return Estimate(values.get(name), values.get(f"{name}_low"), values.get(f"{name}_high"))


def over_trainings(values: Sequence[float]) -> Estimate:
    """The mean over trainings that differ in their seed alone, with the 95 % interval of that mean.

    The interval is Student's, mean -+ t s / sqrt(m) with m - 1 degrees of freedom, exact for normally distributed values
    (Student 1908, "The probable error of a mean"). It may reach beyond the possible values, such as below 0 for a
    distance. One training has no interval, because it does not show how much another would differ.
    """
    m, array = len(values), np.array(values, np.float64)
    if m == 1:
        return Estimate(float(values[0]))
    centre, half = float(array.mean()), float(stats.t.ppf(0.975, m - 1)) * float(array.std(ddof=1)) / math.sqrt(m)
    return Estimate(centre, centre - half, centre + half)


def mean(values: np.ndarray) -> Estimate:
    """The mean of independent values [N >= 2], with its 95 % interval by the central limit theorem."""
    centre, half = values.mean(dtype=np.float64), 1.96 * values.std(ddof=1, dtype=np.float64) / np.sqrt(len(values))
    return Estimate(float(centre), float(centre - half), float(centre + half))


def share(hits: int, count: int) -> Estimate:
    """The share of `hits` among `count` >= 1 independent cases, with Wilson's 95 % interval (1927)."""
    ends = stats.binomtest(int(hits), count).proportion_ci(0.95, method="wilson")
    return Estimate(int(hits) / count, float(ends.low), float(ends.high))


def bootstrap(score: Callable[[np.ndarray], float], value: float, count: int, resamples: int, seed: int) -> Estimate:
    """`value`, the score of all samples, with its 95 % bootstrap interval over drawing `count` samples again.

    A Fréchet distance is biased upwards, more so for a resample, which repeats samples. Plain percentiles
    would then lie above the score itself. Scores are compared at equal N, where the bias is the same for all,
    so the percentiles' distances from the median are taken and laid around `value`, which they thus contain.

    Args:
        score: computes the score of the samples with the given indices [count].
        resamples: number of resamples.
        seed: of numpy's generator.
    """
    rng = np.random.default_rng(seed)
    turns = tqdm(range(resamples), desc="bootstrap", unit="resample", delay=2, mininterval=1.0)
    scores = np.array([score(rng.integers(count, size=count)) for _ in turns])
    low, high = np.percentile(scores, [2.5, 97.5]) - np.median(scores) + value
    return Estimate(value, float(low), float(high))


def jackknife(value: float, without: np.ndarray) -> Estimate:
    """A score with its 95 % interval by the jackknife (Efron and Stein 1981).

    Args:
        value: the score of all N samples.
        without: [N], the score without the i-th sample, up to a constant.
    """
    half = 1.96 * np.sqrt((len(without) - 1) * without.var())
    return Estimate(float(value), float(value - half), float(value + half))
