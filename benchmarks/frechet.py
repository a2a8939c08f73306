"""Our Fréchet distance beside clean-fid's, on the same features of 2048 dimensions: seconds, ratio, difference.

python benchmarks/frechet.py [dimensions] [N ...]

Both are timed from the features: mean and covariance of the samples, then the distance to given statistics. Seconds
are CPU time, which other work on the machine changes little; set OMP_NUM_THREADS=1 for one thread. The last column is
the one product that a covariance in float64 needs, by BLAS: the least that either can take.

A second table tries the way that we do not take: products summed in float32 within blocks of 4096 rows, in float64
over the blocks. It saves half of the product, and its error grows as the spectrum of the features falls more steeply
and as the samples come closer to the reference. Here both are of one distribution, like those of a perfect generator.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
from cleanfid.fid import frechet_distance
from scipy.linalg.blas import dsyrk
from tabulate import tabulate

from thirtytwo.evaluate.frechet import distance, distance_to, statistics


def features(count: int, dimensions: int, seed: int, decay: float = 0.5) -> np.ndarray:
    """Rectified, with a decaying spectrum, like Inception's."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((dimensions, dimensions)) / np.arange(1, dimensions + 1)[:, None] ** decay
    return np.maximum(rng.standard_normal((count, dimensions)) @ mixing / 20 + 0.2, 0).astype(np.float32)


def timed(work: Callable[[], float]) -> tuple[float, float]:
    """The result of `work` and its seconds."""
    start = time.process_time()
    return work(), time.process_time() - start


def theirs(samples: np.ndarray, mu: np.ndarray, sigma: np.ndarray) -> float:
    """Like clean-fid's `fid_folder` after its features, except for the mean, which clean-fid computes in float32."""
    mean = np.mean(samples, axis=0, dtype=np.float64)
    return float(frechet_distance(mean, np.cov(samples, rowvar=False), mu, sigma))


def in_float32(samples: np.ndarray, mu: np.ndarray, sigma: np.ndarray) -> float:
    """`distance_to` with a covariance whose products are summed in float32 within blocks of rows."""
    mean = samples.mean(axis=0, dtype=np.float64)
    covariance = np.zeros_like(sigma)
    for start in range(0, len(samples), 4096):
        centred = samples[start : start + 4096] - mean.astype(np.float32)
        covariance += centred.T @ centred
    return distance(mean, covariance / (len(samples) - 1), mu, sigma)


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

    rows = []
    for decay in (0.5, 1.0, 2.0):
        real, samples = np.split(features(2 * max(counts, default=50_000), size, 0, decay), 2)
        mu, sigma = statistics(real)
        value, seconds = timed(lambda s=samples, m=mu, c=sigma: distance_to(s, m, c))
        other, other_seconds = timed(lambda s=samples, m=mu, c=sigma: in_float32(s, m, c))
        rows.append((decay, value, seconds, other_seconds, abs(value - other) / value))
    heads = ("decay", "distance", "float64, s", "float32, s", "relative difference")
    print(tabulate(rows, heads, floatfmt=("", ".3g", ".2f", ".2f", ".1e")))
