"""Memorisation: copies are counted, new samples are not; neighbours against scikit-learn."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate import distances
from thirtytwo.evaluate.memorisation import copy_ratio, memorisation

SPLIT = np.repeat(np.array([0, 1], np.uint8), [600, 300])


def drawn(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)


REAL = drawn(900, 1)
THRESHOLD = copy_ratio(REAL, SPLIT)


def test_neighbours_are_those_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(distances, "_BYTES", 8 * 600 * 13)
    found, indices = distances.nearest(REAL[600:], REAL[:600])
    expected, neighbours = NearestNeighbors(n_neighbors=1).fit(REAL[:600].astype(float)).kneighbors(REAL[600:])
    assert found == pytest.approx(expected[:, 0], rel=1e-9)
    assert (indices == neighbours[:, 0]).all()
    ranks, neighbours = NearestNeighbors(n_neighbors=5).fit(REAL.astype(float)).kneighbors()  # without the points
    found, indices = distances.neighbours(REAL, 5)
    assert np.sqrt(found) == pytest.approx(ranks, rel=1e-9)
    assert (indices == neighbours).all()


# Classes of images far apart, as features of a classifier are
CENTRES = 4 * np.random.default_rng(7).standard_normal((5, 8))


def draw_world(seed: int, trained: int = 800, held_out: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Real features, and their split."""
    labels = np.random.default_rng((seed, 1)).integers(5, size=trained + held_out)
    return drawn(trained + held_out, seed) + CENTRES[labels], np.repeat(np.array([0, 1], np.uint8), [trained, held_out])


def measure(seed: int, spread: float, copied: float, count: int = 800) -> tuple[Estimate, Estimate]:
    """train_nearer and copies of new images, drawn `spread` times as widely around their class, and of copies."""
    real, split = draw_world(3 * seed)
    rng = np.random.default_rng((seed, 2))
    samples = spread * drawn(count, 3 * seed + 1) + CENTRES[rng.integers(5, size=count)]
    copies = rng.random(count) < copied
    samples[copies] = real[rng.integers(800, size=copies.sum())] + 1e-2 * drawn(int(copies.sum()), 3 * seed + 2)
    scores = memorisation(samples, real, split, copy_ratio(real, split), 1)[0].scores
    return scores["train_nearer"], scores["copies"]


@pytest.mark.parametrize("spread", [1.0, 0.6, 1.5])  # a perfect generator, a smooth one and a noisy one
def test_new_images_are_hardly_ever_taken_for_copies(spread):
    trials = [measure(seed, spread, 0.0) for seed in range(60)]
    nearer = np.mean([one.low <= 0.5 <= one.high for one, _ in trials])
    false_alarms = np.mean([copies.low > 0.01 for _, copies in trials])
    assert nearer >= 0.88  # 95 %, less three standard errors of 60 trials and a bit
    assert false_alarms <= 0.08  # 2.5 %, and as much


@pytest.mark.parametrize("part", [0.05, 0.2, 1.0])
def test_planted_copies_are_found(part):
    trials = [measure(seed, 1.0, part) for seed in range(10)]
    assert np.mean([copies.low > 0.01 for _, copies in trials]) >= 0.9
    assert np.mean([copies.value for _, copies in trials]) == pytest.approx(part + 0.01 * (1 - part), abs=0.02)
    if part == 1:
        assert min(nearer.low for nearer, _ in trials) > 0.6


def test_the_closest_pairs_are_listed():
    copies = REAL[np.random.default_rng(4).integers(600, size=400)] + 1e-3 * drawn(400, 3)
    measured, closest = memorisation(copies, REAL, SPLIT, THRESHOLD, 1)
    assert measured.protocol == {"train_nearer_n": 300, "copies_n": 600}
    assert len(closest) == 10
    assert closest["distance"].is_monotonic_increasing
    pairs = REAL[closest["neighbour"]] - copies[closest["sample"]]
    assert np.linalg.norm(pairs, axis=1) == pytest.approx(closest["distance"], abs=1e-5)
    assert (closest["neighbour"] < 600).all()
    assert (closest["distance"] < closest["held_out_distance"]).all()


def test_without_held_out_images_nothing_is_measured_and_the_reason_given():
    measured, closest = memorisation(drawn(50, 2), REAL, np.zeros(900, np.uint8), float("nan"), 1)
    assert measured.scores == {"train_nearer": Estimate(None), "copies": Estimate(None)}
    for part in ("900 training", "0 held-out", "200"):
        assert part in measured.protocol["memorisation_reason"]
    assert closest.columns.tolist() == ["sample", "neighbour", "distance", "held_out_distance"]
    assert np.isnan(copy_ratio(REAL[:799], SPLIT[:799]))
