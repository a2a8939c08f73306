"""A number with its 95 % interval as one value, and the intervals that several sections of the code share."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit
from tqdm import tqdm

__all__ = [
    "Estimate", "behind_lowest", "bootstrap", "decimals", "jackknife", "mean", "mean_error", "members_of", "over_trainings", "read",
    "resampled", "share",
]  # fmt: skip

Z = 1.96  # standard errors on each side of a 95 % interval


@dataclass(frozen=True)
class Estimate:
    """A value with the ends of its 95 % interval; None where one of them is not known.

    In a JSON file it is an object with value, low and high; in a table the three columns x, x_low and x_high.

    Raises:
        ValueError: the value lies outside the interval.
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        value, low, high = self.value, self.low, self.high
        if value is not None and ((low is not None and low > value) or (high is not None and high < value)):
            raise ValueError(f"{value} lies outside its interval [{low}, {high}]")

    def __add__(self, shift: float) -> "Estimate":
        """The estimate moved up by a constant."""
        return Estimate(*(None if end is None else end + shift for end in (self.value, self.low, self.high)))

    def __sub__(self, shift: float) -> "Estimate":
        """The estimate moved down by a constant."""
        return self + -shift

    def rounded(self) -> "Estimate":
        """The estimate with two significant digits of the interval's width; without an interval with four of the value."""
        if self.value is None:
            return self
        if self.low is None or self.high is None or not 0 < self.high - self.low < math.inf:
            return Estimate(
                *(None if end is None else float(f"{end:.4g}") for end in (self.value, self.low, self.high))
            )
        digits = decimals(self.high - self.low)
        return Estimate(round(self.value, digits), round(self.low, digits), round(self.high, digits))


def decimals(width: float) -> int:
    """Decimals, 0 to 6, that show two significant digits of an interval's `width` > 0."""
    return min(max(1 - math.floor(math.log10(width)), 0), 6)


def read(row: Mapping[str, Any], name: str) -> Estimate:
    """The estimate `name` in a row of a table."""
    return Estimate(row.get(name), row.get(f"{name}_low"), row.get(f"{name}_high"))


def over_trainings(values: Sequence[float]) -> Estimate:
    """The mean over trainings that differ in their seed alone, with the 95 % interval of that mean.

    The interval is Student's, mean -+ t s / sqrt(m) with m - 1 degrees of freedom, exact for normally distributed values
    (Student 1908, "The probable error of a mean"). It may reach beyond the possible values, such as below 0 for a
    distance. One training has no interval, because it does not show how much another would differ.
    """
    m, array = len(values), np.array(values, np.float64)
    if m == 1:
        return Estimate(float(values[0]))
    centre, half = float(array.mean()), float(stdtrit(m - 1, 0.975)) * float(array.std(ddof=1)) / math.sqrt(m)
    return Estimate(centre, centre - half, centre + half)


def mean(values: np.ndarray, strata: np.ndarray | None = None) -> Estimate:
    """The mean of independent values [N >= 2], with its 95 % interval by the central limit theorem.

    Args:
        strata: [N] int, the class of each value where the number of each class was fixed, see `mean_error`.
    """
    centre, half = values.mean(dtype=np.float64), Z * mean_error(values, strata)
    return Estimate(float(centre), float(centre - half), float(centre + half))


def mean_error(values: np.ndarray, strata: np.ndarray | None = None) -> float:
    """Standard error of the mean of independent values [N].

    With `strata`, the values are drawn with a fixed number n_h in each class h, and only the spread within classes
    counts: the variance is sum_h n_h s_h^2 / N^2 (Cochran 1977, eq. 5.6). A class of one value has no spread of its own
    and takes the mean one.
    """
    values = np.asarray(values, np.float64)
    if strata is None:
        return float(values.std(ddof=1) / np.sqrt(len(values)))
    groups = [values[members] for members in members_of(strata)]
    spreads = [group.var(ddof=1) if len(group) > 1 else np.nan for group in groups]
    typical = np.nanmean(spreads) if not np.isnan(spreads).all() else values.var(ddof=1)
    total = sum(
        len(group) * (typical if np.isnan(spread) else spread) for group, spread in zip(groups, spreads, strict=True)
    )
    return float(np.sqrt(total) / len(values))


def share(hits: np.ndarray, strata: np.ndarray | None = None) -> Estimate:
    """The share of True among independent `hits` [N] bool, with Wilson's 95 % interval (1927).

    With `strata` (see `mean_error`) N is replaced by the number of cases drawn at random whose share has the same
    variance; it is larger than N where classes differ in their share.
    """
    count, p = float(len(hits)), float(hits.mean())
    if strata is not None and 0 < p < 1 and (error := mean_error(hits, strata)) > 0:
        count = max(count, p * (1 - p) / error**2)
    centre = (p + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z * math.sqrt(p * (1 - p) / count + Z**2 / (4 * count**2)) / (1 + Z**2 / count)
    return Estimate(p, min(max(centre - half, 0.0), p), max(min(centre + half, 1.0), p))


def bootstrap(
    score: Callable[[np.ndarray], float], value: float, count: int, resamples: int, seed: int,
    strata: np.ndarray | None = None, error: float | None = None,
) -> Estimate:  # fmt: skip
    """`value`, the score of all samples, with its 95 % bootstrap interval over drawing `count` samples again.

    A Fréchet distance is biased upwards, more so for a resample, which repeats samples. Plain percentiles
    would then lie above the score itself. Scores are compared at equal N, where the bias is the same for all,
    so the percentiles' distances from the median are taken and laid around `value`, which they thus contain.

    Args:
        score: computes the score of the samples with the given indices [count].
        resamples: number of resamples.
        seed: of numpy's generator.
        strata: [count] int, the class of each sample where the number of each class was fixed: each class is then
            resampled within itself, so that every resample has the same number of each.
        error: the standard error where it is known better than from the resamples, which are then scaled to it.
    """
    scores = resampled([score], count, resamples, seed, strata)[0]
    spread = float(scores.std(ddof=1))
    scale = 1.0 if error is None or not spread else error / spread
    # quantiles of R values at p (R + 1): those between the extremes alone lie too near to each other (Hyndman and Fan 1996)
    ends = np.percentile(scores, [2.5, 97.5], method="weibull") - np.median(scores)
    low, high = (float(value + min(scale * ends[0], 0)), float(value + max(scale * ends[1], 0)))
    return Estimate(value, low, high)


def resampled(
    scores: Sequence[Callable[[np.ndarray], float]], count: int, resamples: int, seed: int,
    strata: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Scores of the same resamples of `count` samples, [len(scores), resamples]: paired, where samples correspond.

    Args:
        scores, resamples, seed, strata: as in `bootstrap`.
    """
    rng = np.random.default_rng(seed)
    turns = tqdm(range(resamples), desc="bootstrap", unit="resample", delay=2, mininterval=1.0)
    classes = [np.arange(count)] if strata is None else members_of(strata)
    rows = []
    for _ in turns:
        chosen = np.concatenate([members[rng.integers(len(members), size=len(members))] for members in classes])
        rows.append([score(chosen) for score in scores])
    return np.array(rows).T


def behind_lowest(values: Sequence[float], draws: np.ndarray) -> list[Estimate]:
    """Each score less the lowest of all, with an interval from paired resamples; the lowest itself has 0.

    Samplers that start from the same noise with the same weights make images that correspond, so their scores vary
    together and differences vary less than those of independent runs. The lowest was chosen by its score, hence
    the intervals of the differences of all pairs hold at once: each has the half-width q s, where s is the standard
    deviation of the difference over resamples and q the 95 % point of the largest standardised difference.

    Args:
        values: P scores of all samples.
        draws: [P, R] of `resampled`.
    """
    lowest = int(np.argmin(values))
    centred = draws - draws.mean(axis=1, keepdims=True)
    gaps = centred[:, None] - centred[None]  # [P, P, R]
    spread = gaps.std(axis=2, ddof=1)
    known = spread > 0
    standardised = np.abs(gaps[known]) / spread[known][:, None]
    q = max(float(np.quantile(standardised.max(axis=0), 0.95)), Z) if known.any() else Z
    halves = q * spread[:, lowest]
    differences = [float(value - values[lowest]) for value in values]
    return [Estimate(gap, gap - float(half), gap + float(half)) for gap, half in zip(differences, halves, strict=True)]


def jackknife(
    value: float, without: np.ndarray, strata: np.ndarray | None = None, second_order: float = 0.0
) -> Estimate:
    """A score with its 95 % interval by the jackknife (Efron and Stein 1981).

    Args:
        value: the score of all N samples.
        without: [N], the score without the i-th sample, up to a constant.
        strata: see `mean_error`; the jackknife then leaves out one sample of its class at a time.
        second_order: the part of the score's variance that pairs of samples add to that of single ones. The jackknife
            counts it twice (Efron and Stein 1981, theorem 2); with it known, it is counted once, and the rest is not negative.
    """
    count = len(without)
    error = (count - 1) * mean_error(without, strata) if strata is not None else np.sqrt((count - 1) * without.var())
    half = Z * math.sqrt(max(float(error) ** 2 - second_order, second_order))
    return Estimate(float(value), float(value - half), float(value + half))


def members_of(strata: np.ndarray) -> list[np.ndarray]:
    """The indices of each class in `strata` [N] int, in the order of the classes."""
    order = np.argsort(strata, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(strata[order])) + 1)
