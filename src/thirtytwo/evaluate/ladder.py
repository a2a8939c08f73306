"""How the scores of real images against real images depend on N: what a perfect generator gets at each."""

import numpy as np
import pandas as pd

from thirtytwo.evaluate import frechet, kid
from thirtytwo.evaluate.floor import largest_pair
from thirtytwo.evaluate.intervals import bootstrap

__all__ = ["ladder"]

_DRAWS = 10
_LEAST = 50  # images; below, a Fréchet distance in a hundred dimensions is its bias and little else


def ladder(
    features: np.ndarray, split: np.ndarray, *, reference_split: str, samples: int, resamples: int, seed: int
) -> pd.DataFrame:
    """The floor at N, N/2, N/4 ... with the largest N that the data allow, and at the scores' own N below it.

    The reference is as large at every N. Values are means over draws; low and high are the interval of a single one.

    Args:
        features: [M, D] of all real images.
        split: [M] uint8, 0 train, 1 test.
        samples: N of the scores.

    Returns:
        columns n, fd_classifier, fd_classifier_low, fd_classifier_high, kid_classifier; a row an N, ascending.

    Raises:
        EvaluationError: too few images.
    """
    pair = largest_pair(split, reference_split, samples, seed)
    largest = len(pair.samples)
    halvings = int(np.log2(max(largest / _LEAST, 1)))
    sizes = sorted({largest // 2**turn for turn in range(halvings + 1)} | {min(samples, largest)})
    values, spreads = np.empty((_DRAWS, len(sizes), 2)), np.empty((len(sizes), 2))
    reference = np.empty(0, np.int64)
    for draw in range(_DRAWS):
        pair = largest_pair(split, reference_split, samples, seed, draw)
        if not np.array_equal(pair.reference, reference):  # a whole split is the same at every draw
            own, reference = features[pair.samples], pair.reference
            fitted = frechet.statistics(features[reference])
            distance = frechet.Subsets(own, *fitted)
            to, among = kid.means_to(own, features[reference]), kid.mean_among(features[reference])
        order = np.random.default_rng((seed, draw)).permutation(largest)
        for row, size in enumerate(sizes):
            part = order[:size]
            values[draw, row] = distance(part), kid.mean_among(own[part]) + among - 2 * to[part].mean()
            if draw == 0:
                alone = frechet.Subsets(own[part], *fitted)
                spreads[row] = bootstrap(alone, 0.0, size, resamples, seed)
    means = values.mean(axis=0)
    return pd.DataFrame({
        "n": sizes,
        "fd_classifier": means[:, 0],
        "fd_classifier_low": np.maximum(means[:, 0] + spreads[:, 0], 0),  # no distance is below
        "fd_classifier_high": means[:, 0] + spreads[:, 1],
        "kid_classifier": means[:, 1],
    })  # fmt: skip
