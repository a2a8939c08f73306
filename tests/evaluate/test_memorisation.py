"""Memorisation: copies are counted, new samples are not; neighbours against scikit-learn."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate import distances
from thirtytwo.evaluate.memorisation import copy_distance, memorisation

SPLIT = np.repeat(np.array([0, 1], np.uint8), [600, 300])


def drawn(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)


REAL = drawn(900, 1)
THRESHOLD = copy_distance(REAL[:600], REAL[600:])


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


def test_new_samples_are_as_near_to_training_as_to_held_out_images():
    real, split = drawn(4000, 6), np.repeat(np.array([0, 1], np.uint8), [1000, 3000])
    threshold = copy_distance(real[:1000], real[1000:])
    assert threshold == np.quantile(distances.nearest(real[1000:], real[:1000])[0], 0.01)
    measured, _ = memorisation(drawn(3000, 2), real, split, threshold, 1)
    assert measured.scores["train_nearer"].value == pytest.approx(
        0.5, abs=0.04
    )  # the real images are themselves random
    assert measured.scores["copies"].value == pytest.approx(0.01, abs=0.007)
    assert measured.protocol == {"train_nearer_n": 1000, "copies_n": 1000}


@pytest.mark.parametrize("part", [1.0, 0.4])
def test_copies_are_counted(part):
    noise = 1e-3 * drawn(1000, 3)
    copies = REAL[np.random.default_rng(4).integers(600, size=1000)] + noise
    samples = np.where((np.arange(1000) < part * 1000)[:, None], copies, drawn(1000, 5))
    measured, closest = memorisation(samples, REAL, SPLIT, THRESHOLD, 1)
    copied = measured.scores["copies"]
    assert copied.value == pytest.approx(part + 0.01 * (1 - part), abs=0.02)
    # half of the training images stand against the held-out ones, and the others' copies decide as new samples do
    assert measured.scores["train_nearer"].value == pytest.approx(0.5 + part / 4, abs=0.05)
    assert copied.low < copied.value <= copied.high
    assert len(closest) == 10
    assert closest["distance"].is_monotonic_increasing
    pairs = REAL[closest["neighbour"]] - samples[closest["sample"]]
    assert np.linalg.norm(pairs, axis=1) == pytest.approx(closest["distance"], abs=1e-5)
    assert (closest["neighbour"] < 600).all()
    assert (closest["distance"] < closest["held_out_distance"]).all()


def test_without_held_out_images_nothing_is_measured_and_the_reason_given():
    measured, closest = memorisation(drawn(50, 2), REAL, np.zeros(900, np.uint8), float("nan"), 1)
    assert measured.scores == {"train_nearer": Estimate(None), "copies": Estimate(None)}
    for part in ("900 training", "0 held-out", "100"):
        assert part in measured.protocol["memorisation_reason"]
    assert closest.columns.tolist() == ["sample", "neighbour", "distance", "held_out_distance"]
    assert np.isnan(copy_distance(REAL, REAL[:99]))
