"""Does a generator repeat its training images? Nearest neighbours in features, beside held-out images.

The held-out images are the test split, whichever split is the reference of the scores: a generator never saw them, and
they are as real as the training images. Without a test split (`test_fraction: 0.0`), or with too few test images, the
scores are None and the reason is given.

`copies` looks at each sample x alone: the ratio of its distance to the nearest training image and of its distance to
the nearest held-out image. Images between many others are near to both, so the ratio does not fall for smooth samples,
as the distance to the nearest training image does; it is near 0 for a copy. The threshold is the ratio below which 1 %
of other held-out images lie, which take the samples' place.

`train_nearer` looks at all samples together: the share of them whose nearest image, out of equally many training and
held-out ones, is a training image (the idea of Meehan et al. 2020). All samples share those images, and some images are
the nearest of many samples; so the share differs from 1/2 by more than the number of samples suggests. A generator that
does not know which images were training images would have got any other division of them with equal probability.
The interval has the standard deviation over all such divisions: with c_j the number of samples whose nearest image is
j, of 2m images, the count of a random half has the variance m s^2 / 2, s^2 being the variance of c_j (Cochran 1977,
eq. 2.9).
"""

import numpy as np
import pandas as pd

from thirtytwo.core.intervals import Estimate, Z, share
from thirtytwo.evaluate.distances import nearest
from thirtytwo.evaluate.scorecard import Measured

__all__ = ["COPY_QUANTILE", "copy_ratio", "memorisation", "unknown"]

COPY_QUANTILE = 0.01  # of held-out images lie below the ratio at which a sample counts as a copy
_LEAST = 2 * round(1 / COPY_QUANTILE)
_SHOWN = 10  # closest pairs
_COLUMNS = ["sample", "neighbour", "distance", "held_out_distance"]


def copy_ratio(features: np.ndarray, split: np.ndarray) -> float:
    """The ratio of distances below which 1 % of one half of the held-out images lie; NaN where there are too few.

    Args:
        features: [M, D] of all real images.
        split: [M] uint8, 0 train, 1 test.
    """
    train, (tested, held_out) = np.flatnonzero(split == 0), _halves(split)
    if not len(train) or len(tested) + len(held_out) < _LEAST:
        return float("nan")
    return float(np.quantile(_ratios(features[tested], features[train], features[held_out]), COPY_QUANTILE))


def memorisation(
    samples: np.ndarray, features: np.ndarray, split: np.ndarray, threshold: float, seed: int
) -> tuple[Measured, pd.DataFrame]:
    """Scores of memorisation and the ten closest pairs.

    Args:
        samples: [N, D].
        features: [M, D] of all real images.
        split: [M] uint8, 0 train, 1 test.
        threshold: `copy_ratio` of the same real images.
        seed: of the choice among the images of the larger split.

    Returns:
        copies: share of the samples below the threshold; 0.01 without memorisation. Its lower end is above 0.01 where
            more samples are below it than chance, in the samples or in the threshold, explains.
        train_nearer: share of the samples nearer to one of `train_nearer_n` training images than to any of as many
            held-out ones; 0.5 without memorisation.
        Both are None where they cannot be measured, for the memorisation_reason in the protocol. And a table with
        columns sample, neighbour (indices of the sample and of the real image), distance, held_out_distance, closest
        first; without rows where images of either split are missing.
    """
    rng = np.random.default_rng(seed)
    train, held_out = (rng.permutation(np.flatnonzero(split == code)) for code in (0, 1))
    if len(held_out) < _LEAST or not len(train):
        reason = f"{len(train)} training and {len(held_out)} held-out images; {_LEAST} held-out ones are needed"
        return unknown(reason), pd.DataFrame(columns=_COLUMNS)
    equal, tested = min(len(train), len(held_out)), len(_halves(split)[0])
    to_train, neighbour = nearest(samples, features[train])
    some = train[:equal]
    to_some, of_train = (to_train, neighbour) if equal == len(train) else nearest(samples, features[some])
    to_held_out, of_held_out = nearest(samples, features[held_out[:equal]])
    is_train = to_some < to_held_out
    counts = np.bincount(np.where(is_train, of_train, equal + of_held_out), minlength=2 * equal)
    half = Z * np.sqrt(equal / 2 * counts.var(ddof=1)) / len(samples)
    value = float(is_train.mean())
    ratios = to_train / np.maximum(nearest(samples, features[_halves(split)[1]])[0], np.finfo(np.float64).tiny)
    scores = {
        "train_nearer": Estimate(value, max(value - half, 0.0), min(value + half, 1.0)),
        "copies": _beyond_threshold(ratios < threshold, tested),
    }
    protocol = {"train_nearer_n": equal, "copies_n": len(train)}
    closest = np.argsort(to_train, kind="stable")[:_SHOWN]
    table = (closest, train[neighbour[closest]], to_train[closest], to_held_out[closest])
    return Measured(scores, protocol), pd.DataFrame(dict(zip(_COLUMNS, table, strict=True)))


def unknown(reason: str) -> Measured:
    """The scores where they cannot be measured, or would mean nothing."""
    return Measured(dict.fromkeys(("train_nearer", "copies"), Estimate(None)), {"memorisation_reason": reason})


def _beyond_threshold(below: np.ndarray, tested: int) -> Estimate:
    """The share of samples below the threshold [N] bool, with the noise of the threshold in its interval.

    The threshold is a quantile of `tested` images, so that the share of all real images below it is as uncertain as a
    share of 1 % of so many; the two intervals are combined as those of a difference (Zou and Donner 2008).
    """
    samples = share(below)
    hits = round(COPY_QUANTILE * tested)
    real = share(np.arange(tested) < hits)
    assert samples.value is not None
    assert samples.low is not None
    assert samples.high is not None
    assert real.low is not None
    assert real.high is not None
    low = samples.value - np.hypot(samples.value - samples.low, real.high - COPY_QUANTILE)
    high = samples.value + np.hypot(samples.high - samples.value, COPY_QUANTILE - real.low)
    return Estimate(samples.value, max(float(low), 0.0), min(float(high), 1.0))


def _ratios(images: np.ndarray, train: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    return nearest(images, train)[0] / np.maximum(nearest(images, held_out)[0], np.finfo(np.float64).tiny)


def _halves(split: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The held-out images whose ratios set the threshold, and those that distances are taken to: always the same."""
    held_out = np.random.default_rng(0).permutation(np.flatnonzero(split == 1))
    return held_out[: len(held_out) // 2], held_out[len(held_out) // 2 :]
