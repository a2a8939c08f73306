"""What several trainings that differ in nothing but their seed say together."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

__all__ = ["mean_and_interval"]


def mean_and_interval(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each number over the rows, and as <name>_low and <name>_high the 95 % interval of that mean.

    It is Student's, mean -+ t s / sqrt(m) with m - 1 degrees of freedom, exact where the number varies normally from
    training to training (Student 1908, "The probable error of a mean"). It may reach beyond what a number can be, such
    as below 0 for a distance. One row is returned as it is, for it says nothing of how much another would differ.

    Args:
        rows: one a training, each with the same names.
    """
    if len(rows) == 1:
        return dict(rows[0])
    m, found = len(rows), dict[str, float]()
    t = float(stats.t.ppf(0.975, m - 1))
    for name in rows[0]:
        values = np.array([row[name] for row in rows], np.float64)
        mean, half = float(values.mean()), t * float(values.std(ddof=1)) / math.sqrt(m)
        found |= {name: mean, f"{name}_low": mean - half, f"{name}_high": mean + half}
    return found
