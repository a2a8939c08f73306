"""Does a generator repeat its training images? Nearest neighbours in features, judged against held-out images.

The held-out images are the test split, whichever split is the reference of the scores: a generator never saw them, and
they are as real as the training images. Without a test split (`test_fraction: 0.0`), or with too few test images for a
quantile of 1 %, the scores are None and the reason is given.

A nearest neighbour among more images is nearer for that alone, so `train_nearer` compares with equally many of both
(the idea of Meehan et al. 2020: a generator that copies is nearer to its training images than to held-out ones).
Where there are more training images M than held-out ones m, m of them are drawn, and a generator that copies
training images evenly gets 1/2 + m/2M. `copies` compares with all training images: a sample counts that is nearer
to one of them than all but 1 % of the held-out images are. Smooth samples from the middle of the data count as
well, so only both scores together speak of copies.
"""

import numpy as np
import pandas as pd

from thirtytwo.core.intervals import Estimate, share
from thirtytwo.evaluate.distances import nearest, squared
from thirtytwo.evaluate.scorecard import Measured

__all__ = ["COPY_QUANTILE", "copy_distance", "memorisation"]

COPY_QUANTILE = 0.01  # of the held-out images lie within the distance at which a sample counts as a copy
_LEAST = round(1 / COPY_QUANTILE)
_SHOWN = 10  # closest pairs
_COLUMNS = ["sample", "neighbour", "distance", "held_out_distance"]


def copy_distance(train: np.ndarray, held_out: np.ndarray) -> float:
    """Distance to the nearest of train [M, D] below which 1 % of held_out [m, D] lie; NaN where there are too few."""
    if len(held_out) < _LEAST or not len(train):
        return float("nan")
    return float(np.quantile(nearest(held_out, train)[0], COPY_QUANTILE))


def memorisation(
    samples: np.ndarray, features: np.ndarray, split: np.ndarray, threshold: float, seed: int
) -> tuple[Measured, pd.DataFrame]:
    """Scores of memorisation and the ten closest pairs.

    Args:
        samples: [N, D].
        features: [M, D] of all real images.
        split: [M] uint8, 0 train, 1 test.
        threshold: `copy_distance` of the same real images.
        seed: of the choice among the images of the larger split.

    Returns:
        train_nearer: share of the samples nearer to a training image than to any held-out one, from
            `train_nearer_n` of each; 0.5 without memorisation. copies: share of the samples below the threshold to
            one of `copies_n` training images; 0.01 without memorisation. Both are None where they cannot be measured,
            for the memorisation_reason in the protocol. And a table with columns sample, neighbour (indices of the sample and of the
            real image), distance, held_out_distance, closest first; without rows where there are no images of both.
    """
    rng = np.random.default_rng(seed)
    train, held_out = (rng.permutation(np.flatnonzero(split == code)) for code in (0, 1))
    if len(held_out) < _LEAST or not len(train):
        reason = f"{len(train)} training and {len(held_out)} held-out images; {_LEAST} held-out ones are needed"
        unknown = dict.fromkeys(("train_nearer", "copies"), Estimate(None))
        return Measured(unknown, {"memorisation_reason": reason}), pd.DataFrame(columns=_COLUMNS)
    equal = min(len(train), len(held_out))
    to_all, to_some, neighbour = np.empty(len(samples)), np.empty(len(samples)), np.empty(len(samples), np.int64)
    for rows, distances in squared(samples, features[train]):
        neighbour[rows] = train[distances.argmin(axis=1)]
        to_all[rows], to_some[rows] = (np.sqrt(part.min(axis=1)) for part in (distances, distances[:, :equal]))
    to_held_out, _ = nearest(samples, features[held_out[:equal]])
    scores = {
        "train_nearer": share((to_some < to_held_out).sum(), len(samples)),
        "copies": share((to_all < threshold).sum(), len(samples)),
    }
    closest = np.argsort(to_all, kind="stable")[:_SHOWN]
    table = (closest, neighbour[closest], to_all[closest], to_held_out[closest])
    protocol = {"train_nearer_n": equal, "copies_n": len(train)}
    return Measured(scores, protocol), pd.DataFrame(dict(zip(_COLUMNS, table, strict=True)))
