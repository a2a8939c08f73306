"""Which real images take the samples' place."""

import numpy as np
import pytest

from thirtytwo.evaluate.floor import largest_pair, real_pair
from thirtytwo.runtime.errors import EvaluationError

SPLIT = np.repeat(np.array([0, 1], np.uint8), [400, 100])


def test_a_floor_takes_held_out_images_where_there_are_enough():
    pair = real_pair(SPLIT, "train", 80, 1)
    assert pair.name == "test-vs-train"
    assert len(set(pair.samples)) == 80
    assert (SPLIT[pair.samples] == 1).all()
    assert (pair.reference == np.arange(400)).all()


@pytest.mark.parametrize(("samples", "used"), [(150, 150), (300, 200)])
def test_a_floor_takes_disjoint_halves_otherwise(samples, used):
    pair = real_pair(SPLIT, "train", samples, 1)
    assert pair.name == "train-vs-train"
    assert len(pair.samples) == used
    assert sorted([*pair.samples, *pair.reference]) == list(range(400))


def test_a_floor_needs_real_images():
    with pytest.raises(EvaluationError, match="has 0 images"):
        real_pair(np.zeros(50, np.uint8), "test", 10, 1)


def test_the_largest_pair_is_of_the_kind_of_the_floor():
    held_out = largest_pair(SPLIT, "train", 80, 1)
    assert (held_out.name, len(held_out.samples), len(held_out.reference)) == ("test-vs-train", 100, 400)
    halves = largest_pair(SPLIT, "train", 150, 1)
    assert (halves.name, len(halves.samples), len(halves.reference)) == ("train-vs-train", 200, 200)


def test_a_floor_against_all_images_takes_disjoint_halves_of_both_splits():
    pair = real_pair(SPLIT, "all", 150, 1)
    assert pair.name == "all-vs-all"
    assert {0, 1} == set(SPLIT[pair.samples]) == set(SPLIT[pair.reference])
    assert sorted([*pair.samples, *pair.reference]) == list(range(500))
    assert len(largest_pair(SPLIT, "all", 150, 1).samples) == 250


CLASSES = np.tile(np.arange(4), 125)


def test_a_floor_within_classes_has_as_many_images_of_each():
    held_out = real_pair(SPLIT, "train", 82, 1, strata=CLASSES)
    assert held_out.name == "test-vs-train"
    assert sorted(np.bincount(CLASSES[held_out.samples])) == [20, 20, 21, 21]
    assert (held_out.reference == np.arange(400)).all()
    halves = real_pair(SPLIT, "train", 160, 1, strata=CLASSES)
    assert halves.name == "train-vs-train"
    assert np.bincount(CLASSES[halves.samples]).tolist() == [40] * 4
    assert np.bincount(CLASSES[halves.reference]).tolist() == [60] * 4
    assert not set(halves.samples) & set(halves.reference)


def test_the_rest_keeps_the_proportions_of_its_classes():
    labels = np.repeat(np.arange(3), [100, 60, 40])
    pair = real_pair(np.zeros(200, np.uint8), "train", 60, 1, strata=labels)
    assert np.bincount(labels[pair.samples]).tolist() == [20, 20, 20]
    assert np.bincount(labels[pair.reference]).tolist() == [50, 30, 20]
