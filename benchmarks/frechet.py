"""Our Fréchet distance beside clean-fid's, on the same features of 2048 dimensions: seconds, ratio, difference.

python benchmarks/frechet.py [dimensions] [N ...]

Both are timed from the features: mean and covariance of the samples, then the distance to given statistics. Seconds
are CPU time, which other work on the machine changes little; set OMP_NUM_THREADS=1 for one thread. The last column is
the one product that a covariance in float64 needs, by BLAS: the least that either can take.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
from cleanfid.fid import frechet_distance
from scipy.linalg.blas import dsyrk
from tabulate import tabulate

from thirtytwo.evaluate.frechet import distance_to, statistics


def features(count: int, dimensions: int, seed: int) -> np.ndarray:
    """Rectified, with a decaying spectrum, like Inception's."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((dimensions, dimensions)) / np.sqrt(np.arange(1, dimensions + 1))[:, None]
    return np.maximum(rng.standard_normal((count, dimensions)) @ mixing / 20 + 0.2, 0).astype(np.float32)


def timed(work: Callable[[], float]) -> tuple[float, float]:
    """The result of `work` and its seconds."""
    start = time.process_time()
    return work(), time.process_time() - start


def theirs(samples: np.ndarray, mu: np.ndarray, sigma: np.ndarray) -> float:
    """Like clean-fid's `fid_folder` after its features, except for the mean, which clean-fid computes in float32."""
    mean = np.mean(samples, axis=0, dtype=np.float64)
    return float(frechet_distance(mean, np.cov(samples, rowvar=False), mu, sigma))


if __name__ == "__main__":
    size, *counts = [int(value) for value in sys.argv[1:]] or [2048]
    mu, sigma = statistics(features(10_000, size, 0))
    print(f"d = {size}, reference N = 10000")
    rows = []
    for count in counts or (50_000, 10_000, 5000, 1000):
        samples = features(count, size, 1)
        value, seconds = timed(lambda s=samples: distance_to(s, mu, sigma))
        other, other_seconds = timed(lambda s=samples: theirs(s, mu, sigma))
        doubles = samples.astype(np.float64).T
        _, least = timed(lambda x=doubles: dsyrk(1.0, x)[0, 0])
        rows.append((count, seconds, other_seconds, other_seconds / seconds, abs(value - other) / other, least))
    heads = ("N", "ours, s", "clean-fid, s", "ratio", "relative difference", "product, s")
    print(tabulate(rows, heads, floatfmt=("", ".2f", ".2f", ".1f", ".1e", ".2f")))
