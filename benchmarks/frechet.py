"""Our Fréchet distance against clean-fid's, on equal features of 2048 dimensions: seconds, ratio, difference.

python benchmarks/frechet.py [dimensions] [N ...]

Both are timed from features on: mean and covariance of the samples, then the distance to known statistics. Seconds
are the processor's, so that other work on the machine changes little; set OMP_NUM_THREADS=1 for one thread.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
from cleanfid.fid import frechet_distance

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
    """As clean-fid's `fid_folder`, from features on, but for the mean, which it takes in float32."""
    mean = np.mean(samples, axis=0, dtype=np.float64)
    return float(frechet_distance(mean, np.cov(samples, rowvar=False), mu, sigma))


if __name__ == "__main__":
    size, *counts = [int(value) for value in sys.argv[1:]] or [2048]
    mu, sigma = statistics(features(10_000, size, 0))
    print(f"d = {size}, reference N = 10000")
    print(f"{'N':>6} {'ours s':>8} {'clean-fid s':>12} {'ratio':>6} {'relative difference':>20}")
    for count in counts or (50_000, 10_000, 5000, 1000):
        samples = features(count, size, 1)
        own, own_seconds = timed(lambda s=samples: distance_to(s, mu, sigma))
        other, other_seconds = timed(lambda s=samples: theirs(s, mu, sigma))
        ratio, difference = other_seconds / own_seconds, abs(own - other) / other
        print(f"{count:>6} {own_seconds:>8.2f} {other_seconds:>12.2f} {ratio:>6.1f} {difference:>20.1e}")
