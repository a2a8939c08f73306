"""Intervals of scores over the drawing of the samples."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats
from tqdm import tqdm

__all__ = ["bootstrap", "jackknife", "mean", "named", "share"]


def bootstrap(
    score: Callable[[np.ndarray], float], value: float, count: int, resamples: int, seed: int
) -> tuple[float, float]:
    """The 95 % bootstrap interval of `value`, the score of all samples, over drawing `count` samples again.

    A Fréchet distance is biased upwards, more so for a resample, which repeats samples. Plain percentiles
    would then lie above the score itself. Scores are compared at equal N, where the bias is the same for all,
    so the percentiles' distances from the median are taken, and laid around `value`, which they thus contain.

    Args:
        score: of the samples with the given indices [count].
        resamples: how many.
        seed: of numpy's generator.
    """
    rng = np.random.default_rng(seed)
    turns = tqdm(range(resamples), desc="bootstrap", unit="resample", delay=2, mininterval=1.0)
    scores = np.array([score(rng.integers(count, size=count)) for _ in turns])
    low, high = np.percentile(scores, [2.5, 97.5]) - np.median(scores) + value
    return float(low), float(high)


def jackknife(value: float, without: np.ndarray) -> tuple[float, float, float]:
    """A score with the ends of its 95 % interval by the jackknife (Efron and Stein 1981).

    Args:
        value: of all N samples.
        without: [N], the score without the i-th sample, up to a constant.
    """
    half = 1.96 * np.sqrt((len(without) - 1) * without.var())
    return float(value), float(value - half), float(value + half)


def mean(values: np.ndarray) -> tuple[float, float, float]:
    """Mean of independent values [N >= 2], with the ends of its 95 % interval by the central limit theorem."""
    centre, half = values.mean(dtype=np.float64), 1.96 * values.std(ddof=1, dtype=np.float64) / np.sqrt(len(values))
    return float(centre), float(centre - half), float(centre + half)


def share(hits: int, count: int) -> tuple[float, float, float]:
    """Share of `hits` among `count` >= 1 independent cases, with the ends of Wilson's 95 % interval (1927)."""
    ends = stats.binomtest(int(hits), count).proportion_ci(0.95, method="wilson")
    return int(hits) / count, float(ends.low), float(ends.high)


def named(score: str, ends: Sequence[float | None]) -> dict[str, Any]:
    """A value and the ends of its interval as <score>, <score>_low and <score>_high."""
    return dict(zip((score, f"{score}_low", f"{score}_high"), ends, strict=True))
