"""Our precision, recall, density and coverage beside those of the package prdc: seconds, peak memory, difference.

python benchmarks/neighbours.py [N] [dimensions]

The package holds three N x N arrays of distances in memory at once; choose N so that they fit.
"""

import multiprocessing
import resource
import sys
import time

import numpy as np
from tabulate import tabulate

Result = tuple[dict[str, float], float, float]


def features(count: int, dimensions: int, seed: int) -> np.ndarray:
    """Normal, with a decaying spectrum."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((count, dimensions)) / np.sqrt(np.arange(1, dimensions + 1))).astype(np.float32)


def ours(real: np.ndarray, samples: np.ndarray) -> dict[str, float]:
    """Imported here, so that the memory of the other process does not include it."""
    from thirtytwo.evaluate.prdc import K, balls, prdc

    return {name: estimate.value for name, estimate in prdc(balls(real, samples, K)).scores.items()}


def theirs(real: np.ndarray, samples: np.ndarray) -> dict[str, float]:
    """As the package is called."""
    from prdc import compute_prdc

    return {name: float(value) for name, value in compute_prdc(real, samples, nearest_k=5).items()}


def measured(work: str, count: int, dimensions: int) -> Result:
    """The scores, seconds, and GiB at the peak of the process, which must be fresh."""
    real, samples = features(count, dimensions, 0), features(count, dimensions, 1)
    start = time.perf_counter()
    scores = {"ours": ours, "prdc": theirs}[work](real, samples)
    return scores, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    count, dimensions = (int(value) for value in (sys.argv[1:] + ["10000", "128"][len(sys.argv) - 1 :])[:2])
    context = multiprocessing.get_context("spawn")  # a fresh process for each, with a peak of its own
    results: dict[str, Result] = {}
    for work in ("ours", "prdc"):
        with context.Pool(1) as pool:
            results[work] = pool.apply(measured, (work, count, dimensions))
    print(f"N = {count} samples and as many real images, d = {dimensions}")
    rows = [(work, seconds, peak) for work, (_, seconds, peak) in results.items()]
    print(tabulate(rows, ("", "seconds", "peak, GiB"), floatfmt=("", ".1f", ".2f")))
    largest = max(abs(results["ours"][0][name] - value) for name, value in results["prdc"][0].items())
    print(f"largest difference of a score: {largest:.1e}")
