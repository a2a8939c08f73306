"""How the scores of real images against real images depend on N: the score of a perfect generator at each."""

import numpy as np
import pandas as pd

from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate import frechet, kid
from thirtytwo.evaluate.floor import largest_pair
from thirtytwo.evaluate.frechet_interval import frechet_interval
from thirtytwo.evaluate.real import Real

__all__ = ["floor_by_size"]

_DRAWS = 10
_LEAST = 50  # images; below, a Fréchet distance in a hundred dimensions is little more than its bias


def floor_by_size(real: Real, *, samples: int, resamples: int, seed: int) -> pd.DataFrame:
    """The floor at N, N/2, N/4 ... with the largest N that the data allow, and at the scores' N.

    The reference has the same size at every N. Values are means over draws; low and high are the interval of one draw.

    Args:
        samples: N of the scores.

    Returns:
        columns n, fd_classifier, fd_classifier_low, fd_classifier_high, kid_classifier; a row an N, ascending.

    Raises:
        EvaluationError: too few images.
    """
    features, drawing = real.images.features, (real.split, real.reference_split, samples, seed)
    pair = largest_pair(*drawing)
    largest = len(pair.samples)
    halvings = int(np.log2(max(largest / _LEAST, 1)))
    sizes = sorted({largest // 2**turn for turn in range(halvings + 1)} | {min(samples, largest)})
    values, spreads = np.empty((_DRAWS, len(sizes), 2)), [Estimate(0.0)] * len(sizes)
    reference = np.empty(0, np.int64)
    for draw in range(_DRAWS):
        pair = largest_pair(*drawing, draw)
        if not np.array_equal(pair.reference, reference):  # a whole split is the same at every draw
            drawn, reference = features[pair.samples], pair.reference
            fitted = frechet.statistics(features[reference])
            distance = frechet.Subsets(drawn, *fitted)
            to, among = kid.means_to(drawn, features[reference]), kid.mean_among(features[reference])
        order = np.random.default_rng((seed, draw)).permutation(largest)
        for row, size in enumerate(sizes):
            part = order[:size]
            values[draw, row] = distance(part), kid.mean_among(drawn[part]) + among - 2 * to[part].mean()
            if draw == 0:
                alone = frechet_interval(drawn[part], *fitted, resamples, seed)
                assert alone.value is not None
                spreads[row] = alone - alone.value
    means = values.mean(axis=0)
    return pd.DataFrame({
        "n": sizes,
        "fd_classifier": means[:, 0],
        # no distance is below 0
        "fd_classifier_low": np.maximum(means[:, 0] + np.array([spread.low for spread in spreads]), 0),
        "fd_classifier_high": means[:, 0] + np.array([spread.high for spread in spreads]),
        "kid_classifier": means[:, 1],
    })  # fmt: skip
