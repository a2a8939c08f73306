"""How often 95 % intervals hold the truth, and how often equal generators are said to differ; by simulation.

python benchmarks/calibration.py [repetitions] [N ...]

The world: 10 classes, Gaussian in 16 dimensions, far apart, of which 4 000 real images are drawn once, as in the
pipeline. A generator with a bias and too little spread is drawn from `repetitions` times, with labels (the same number
in each class) and without. The truth of a score at N is its mean over all repetitions, since scores are compared at
equal N; that of fd_classifier_infinity and accuracy is known. Memorisation has new real images each time: its truth is
that of a generator that does not copy. Verdicts: the repetitions are dealt into groups of equal generators.
"""

import sys
import time

import numpy as np
from tabulate import tabulate

from thirtytwo.core.intervals import Estimate, share
from thirtytwo.evaluate import frechet
from thirtytwo.evaluate.comparison import rank
from thirtytwo.evaluate.extrapolation import at_infinity
from thirtytwo.evaluate.kid import kid, mean_among, means_among, means_to
from thirtytwo.evaluate.memorisation import copy_ratio, memorisation
from thirtytwo.evaluate.prdc import K, balls, prdc
from thirtytwo.evaluate.real import Scored
from thirtytwo.evaluate.scores import frechet_score

CLASSES, DIMENSIONS, REAL, RESAMPLES = 10, 16, 4000, 100
RNG = np.random.default_rng(0)
CENTRES = 2.5 * RNG.standard_normal((CLASSES, DIMENSIONS))
SHIFT, SPREAD = 0.15, 0.9  # of the generator
CORRECT = np.linspace(0.8, 1.0, CLASSES)  # accuracy of each class


def draw_real(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Features and classes; the same number of each."""
    labels = np.arange(count) % CLASSES
    return rng.standard_normal((count, DIMENSIONS)) + CENTRES[labels], labels


def draw(count: int, labelled: bool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Features of samples, and their classes."""
    labels = np.arange(count) % CLASSES if labelled else rng.integers(CLASSES, size=count)
    return SHIFT + SPREAD * rng.standard_normal((count, DIMENSIONS)) + CENTRES[labels], labels


def estimates(count: int, labelled: bool, seed: int, real: np.ndarray, classes: np.ndarray) -> dict[str, Estimate]:
    """Every score with an interval, of one set of samples."""
    rng = np.random.default_rng((seed, count, labelled))
    features, labels = draw(count, labelled, rng)
    strata = labels if labelled else None
    empty = np.zeros((count, 1))
    samples = Scored(features, empty, labels if labelled else np.full(count, -1))
    found = {"fd_classifier": frechet_score(samples, Scored(real, empty, classes), RESAMPLES, seed)}
    mu, sigma = frechet.statistics(real)
    found["fd_classifier_infinity"] = at_infinity(features, mu, sigma, seed, strata)[0]
    error = frechet.standard_error(features, mu, sigma, strata)
    value = frechet.distance_to(features, mu, sigma)
    found["delta method (fid)"] = Estimate(value, value - 1.96 * error, value + 1.96 * error)
    among = mean_among(real, classes if labelled else None)
    found["kid_classifier"] = kid(means_among(features, strata), means_to(features, real), among, strata)
    chosen = real[np.random.default_rng(0).permutation(REAL)[:count]]
    found |= prdc(balls(chosen, features[: len(chosen)], K), None if strata is None else strata[: len(chosen)]).scores
    if labelled:
        found["accuracy"] = share(rng.random(count) < CORRECT[labels], labels)
    world, _ = draw_real(REAL + REAL // 4, rng)
    split = (rng.permutation(len(world)) >= REAL).astype(np.uint8)
    found |= memorisation(features, world, split, copy_ratio(world, split), seed)[0].scores
    return found


def covered(name: str, estimate: Estimate, truth: float) -> bool:
    """Whether the interval holds the truth; of `copies`, whether no copies are reported."""
    return estimate.low <= 0.01 if name == "copies" else estimate.low <= truth <= estimate.high


def claims(values: list[Estimate], runs: int, trials: int = 1000) -> float:
    """Share of groups of `runs` equal generators in which any difference is claimed."""
    rng = np.random.default_rng(runs)
    groups = [[values[i] for i in rng.permutation(len(values))[:runs]] for _ in range(trials)]
    return float(np.mean([len(rank(dict(enumerate(group)), lower=True).better) > 0 for group in groups]))


def main(repetitions: int, sizes: list[int]) -> None:
    """Prints both tables."""
    real, classes = draw_real(REAL, np.random.default_rng(1))
    known = {
        "accuracy": float(CORRECT.mean()), "train_nearer": 0.5, "copies": 0.01,
        "fd_classifier_infinity": frechet.distance(
            CENTRES.mean(axis=0) + SHIFT,
            np.cov(CENTRES, rowvar=False, bias=True) + SPREAD**2 * np.eye(DIMENSIONS), *frechet.statistics(real)
        ),
    }  # fmt: skip
    rows, verdicts = [], []
    for count in sizes:
        for labelled in (False, True):
            start = time.process_time()
            found = [estimates(count, labelled, seed, real, classes) for seed in range(repetitions)]
            seconds = time.process_time() - start
            about = (count, "yes" if labelled else "no")
            for name in found[0]:
                truth = known.get(name, float(np.mean([one[name].value for one in found])))
                rate = np.mean([covered(name, one[name], truth) for one in found])
                rows.append((name, *about, 100 * rate))
            fds = [one["fd_classifier"] for one in found]
            verdicts += [(runs, *about, 100 * claims(fds, runs)) for runs in (2, 5, 12) if runs <= repetitions]
            print(f"N = {count}, labels {about[1]}: {seconds:.0f} s of CPU for {repetitions} repetitions", flush=True)
    print(tabulate(rows, ("score", "N", "labels", "interval holds, %"), floatfmt=".1f", tablefmt="github"))
    print()
    print(tabulate(verdicts, ("equal runs", "N", "labels", "difference claimed, %"), floatfmt=".1f", tablefmt="github"))


if __name__ == "__main__":
    arguments = [int(value) for value in sys.argv[1:]] or [100, 500, 2000]
    main(arguments[0], arguments[1:] or [500, 2000])
