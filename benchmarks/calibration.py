"""How often 95 % intervals hold the truth, and how often equal generators are said to differ; by simulation.

python benchmarks/calibration.py [repetitions] [N] [world ...]

The worlds: classes in 16 dimensions, far apart, of which 4 000 real images are drawn once, as in the pipeline; in `even`
10 equal classes, normally distributed, in `uneven` 5 classes of 40, 30, 15, 10 and 5 % with the tails of Student's t with
10 degrees of freedom. A generator with a bias and too little spread is drawn from `repetitions` times, with labels (each
class in proportion) and without. The truth of a score at N is its mean over all repetitions, since scores are compared at
equal N; that of fd_classifier_infinity and accuracy is known. Memorisation has new real images each time: its truth is
that of a generator that does not copy. Verdicts: repetitions / 2 groups of 12 equal generators are drawn anew.
"""

import sys
import time
from dataclasses import dataclass

import numpy as np
from tabulate import tabulate

from thirtytwo.core.intervals import Estimate, Z, share
from thirtytwo.evaluate import frechet
from thirtytwo.evaluate.comparison import rank
from thirtytwo.evaluate.extrapolation import at_infinity
from thirtytwo.evaluate.kid import among, kid, mean_among, means_to
from thirtytwo.evaluate.memorisation import copy_ratio, memorisation
from thirtytwo.evaluate.prdc import K, balls, prdc
from thirtytwo.evaluate.real import Scored
from thirtytwo.evaluate.scores import frechet_score

DIMENSIONS, REAL, RESAMPLES = 16, 4000, 100
CENTRES = 2.5 * np.random.default_rng(0).standard_normal((10, DIMENSIONS))
SHIFT, SPREAD = 0.15, 0.9  # of the generator
CORRECT = np.linspace(0.8, 1.0, 10)  # accuracy of each class


@dataclass(frozen=True)
class World:
    """Classes, as a pattern that the labels of any number of images repeat, and the degrees of freedom of the tails."""

    pattern: np.ndarray
    freedom: float

    def draw(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Noise of variance 1 [N, D]."""
        size = (len(labels), DIMENSIONS)
        if self.freedom == np.inf:
            return rng.standard_normal(size)
        return rng.standard_t(self.freedom, size) * np.sqrt(1 - 2 / self.freedom)

    def real(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Features and classes, in proportion."""
        labels = self.pattern[np.arange(count) % len(self.pattern)]
        return self.draw(labels, rng) + CENTRES[labels], labels

    def samples(self, count: int, labelled: bool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Features of samples, and their classes."""
        places = np.arange(count) % len(self.pattern) if labelled else rng.integers(len(self.pattern), size=count)
        labels = self.pattern[places]
        return SHIFT + SPREAD * self.draw(labels, rng) + CENTRES[labels], labels


WORLDS = {"even": World(np.arange(10), np.inf), "uneven": World(np.repeat(np.arange(5), (8, 6, 3, 2, 1)), 10)}


def estimates(
    world: World, count: int, labelled: bool, seed: int, reference: Scored, kernel_mean: float
) -> dict[str, Estimate]:
    """Every score with an interval, of one set of samples."""
    rng = np.random.default_rng((seed, count, labelled))
    features, labels = world.samples(count, labelled, rng)
    strata, real = labels if labelled else None, reference.features
    samples = Scored(features, np.zeros((count, 1)), labels if labelled else np.full(count, -1))
    mu, sigma = frechet.statistics(real)
    distance = frechet_score(samples, reference, RESAMPLES, seed)
    found = {"fd_classifier": distance}
    found["fd_classifier_infinity"] = at_infinity(distance, features, mu, sigma, seed, strata)[0]
    half = Z * frechet.standard_error(features, mu, sigma, strata)
    found["delta method (fid)"] = Estimate(distance.value, distance.value - half, distance.value + half)
    found["kid_classifier"] = kid(among(features, strata), means_to(features, real), kernel_mean, strata)
    chosen = real[np.random.default_rng(0).permutation(REAL)[:count]]
    found |= prdc(balls(chosen, features[: len(chosen)], K), None if strata is None else strata[: len(chosen)]).scores
    if labelled:
        found["accuracy"] = share(rng.random(count) < CORRECT[labels], labels)
    images, _ = world.real(REAL + REAL // 4, rng)
    split = (rng.permutation(len(images)) >= REAL).astype(np.uint8)
    found |= memorisation(features, images, split, copy_ratio(images, split), seed)[0].scores
    return found


def covered(name: str, estimate: Estimate, truth: float) -> bool:
    """Whether the interval holds the truth; of `copies`, whether no copies are reported."""
    return estimate.low <= 0.01 if name == "copies" else estimate.low <= truth <= estimate.high


def claims(about: World, count: int, labelled: bool, groups: int, reference: Scored) -> list[float]:
    """Share of groups of 2, 5 and 12 equal generators, each drawn anew, in which any difference is claimed."""
    claimed = []
    for group in range(groups):
        values = {}
        for run in range(12):
            features, labels = about.samples(count, labelled, np.random.default_rng((group, run, count, labelled)))
            samples = Scored(features, np.zeros((count, 1)), labels if labelled else np.full(count, -1))
            values[run] = frechet_score(samples, reference, RESAMPLES, 12 * group + run)
        first = [{run: values[run] for run in range(runs)} for runs in (2, 5, 12)]
        claimed.append([len(rank(runs, lower=True).better) > 0 for runs in first])
    return list(np.mean(claimed, axis=0))


def main(repetitions: int, count: int, world: str) -> None:
    """Prints both tables."""
    about, rng = WORLDS[world], np.random.default_rng(1)
    real, classes = about.real(REAL, rng)
    reference, correct = Scored(real, np.zeros((REAL, 1)), classes), float(CORRECT[about.pattern].mean())
    between = np.cov(CENTRES[about.pattern], rowvar=False, bias=True)
    generator = CENTRES[about.pattern].mean(axis=0) + SHIFT, between + SPREAD**2 * np.eye(DIMENSIONS)
    known = {"accuracy": correct, "train_nearer": 0.5, "copies": 0.01}
    known["fd_classifier_infinity"] = frechet.distance(*generator, *frechet.statistics(real))
    columns, verdicts = [], []
    for labelled in (False, True):
        start, kernel_mean = time.process_time(), mean_among(real, classes if labelled else None)
        found = [estimates(about, count, labelled, seed, reference, kernel_mean) for seed in range(repetitions)]
        column = {}
        for name in found[0]:
            values = np.array([one[name].value for one in found])
            truth = known.get(name, float(values.mean()))
            halves = np.array([one[name].high - one[name].low for one in found]) / (2 * Z)
            rate = np.mean([covered(name, one[name], truth) for one in found])
            column[name] = (100 * rate, np.sqrt(np.square(halves).mean()) / values.std(ddof=1))
        columns.append(column)
        verdicts.append([100 * rate for rate in claims(about, count, labelled, repetitions // 2, reference)])
        words, seconds = "with" if labelled else "without", time.process_time() - start
        print(f"{world}, N = {count}, {words} labels: {seconds:.0f} s of CPU for {repetitions} repetitions", flush=True)
    rows = [(name, *columns[0].get(name, ("", "")), *columns[1][name]) for name in columns[1]]
    heads = [f"{what}, {who}" for who in ("no labels", "labels") for what in ("interval holds, %", "error / spread")]
    print(tabulate(rows, ("score", *heads), floatfmt=("", ".1f", ".2f", ".1f", ".2f"), tablefmt="github"))
    rows = [(runs, *rates) for runs, *rates in zip((2, 5, 12), *verdicts, strict=True)]
    heads = [f"difference claimed, %, {who}" for who in ("no labels", "labels")]
    print(f"\n{tabulate(rows, ('equal runs', *heads), floatfmt='.1f', tablefmt='github')}\n", flush=True)


if __name__ == "__main__":
    numbers = [int(value) for value in sys.argv[1:3]]
    for each in sys.argv[3:] or WORLDS:
        main(*(numbers + [100, 500][len(numbers) :]), each)
