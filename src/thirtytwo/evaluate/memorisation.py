"""Does a generator repeat its training images? Nearest neighbours in features, judged against held-out images.

The images held out are the test split, whichever split the scores are taken against: a generator never saw them,
and they are as real as the training images. Where there is no test split (`test_fraction: 0.0`), or one of fewer
images than a quantile of 1 % takes, nothing is measured and the reason is given instead.

A nearest neighbour among more images is nearer for that alone, so `train_nearer` compares with equally many of both
(the idea of Meehan et al. 2020: a generator that copies is nearer to its training images than to held-out ones).
Where there are more training images M than held-out ones m, m of them are drawn, and a generator that copies
training images evenly gets 1/2 + m/2M. `copies` compares with all training images: a sample counts that is nearer
to one of them than all but 1 % of the held-out images are. Smooth samples from the middle of the data count as
well, so only both scores together speak of copies.
"""

import numpy as np
import pandas as pd

from thirtytwo.evaluate import intervals
from thirtytwo.evaluate.distances import nearest, squared

__all__ = ["NEAR", "copy_distance", "memorisation"]

NEAR = 0.01  # of the held-out images are as near to a training image as what counts as a copy
_LEAST = round(1 / NEAR)
_SHOWN = 10  # closest pairs
_COLUMNS = ["sample", "neighbour", "distance", "held_out_distance"]


def copy_distance(train: np.ndarray, held_out: np.ndarray) -> float:
    """Distance to the nearest of train [M, D] below which 1 % of held_out [m, D] lie; NaN where there are too few."""
    if len(held_out) < _LEAST or not len(train):
        return float("nan")
    return float(np.quantile(nearest(held_out, train)[0], NEAR))


def memorisation(
    samples: np.ndarray, features: np.ndarray, split: np.ndarray, threshold: float, seed: int
) -> tuple[dict[str, float | int | str | None], pd.DataFrame]:
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
            one of `copies_n` training images; 0.01 without memorisation. Both None where they cannot be measured,
            with memorisation_reason. And a table with columns sample, neighbour (indices of the sample and of the
            real image), distance, held_out_distance, closest first; without rows where there are no images of both.
    """
    rng = np.random.default_rng(seed)
    train, held_out = (rng.permutation(np.flatnonzero(split == code)) for code in (0, 1))
    names = [f"{score}{end}" for score in ("train_nearer", "copies") for end in ("", "_low", "_high")]
    if len(held_out) < _LEAST or not len(train):
        reason = f"{len(train)} training and {len(held_out)} held-out images; {_LEAST} held-out ones are needed"
        return dict.fromkeys(names) | {"memorisation_reason": reason}, pd.DataFrame(columns=_COLUMNS)
    equal = min(len(train), len(held_out))
    to_all, to_some, neighbour = np.empty(len(samples)), np.empty(len(samples)), np.empty(len(samples), np.int64)
    for rows, distances in squared(samples, features[train]):
        neighbour[rows] = train[distances.argmin(axis=1)]
        to_all[rows], to_some[rows] = (np.sqrt(part.min(axis=1)) for part in (distances, distances[:, :equal]))
    to_held_out, _ = nearest(samples, features[held_out[:equal]])
    nearer = intervals.share((to_some < to_held_out).sum(), len(samples))
    copies = intervals.share((to_all < threshold).sum(), len(samples))
    closest = np.argsort(to_all, kind="stable")[:_SHOWN]
    table = (closest, neighbour[closest], to_all[closest], to_held_out[closest])
    scores: dict[str, float | int | str | None] = dict(zip(names, nearer + copies, strict=True))
    return scores | {"train_nearer_n": equal, "copies_n": len(train)}, pd.DataFrame(
        dict(zip(_COLUMNS, table, strict=True))
    )
