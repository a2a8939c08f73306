"""Scores of predicted classes against closed forms."""

import math

import numpy as np
import pytest

from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate.classes import accuracy, best_of, class_counts, class_indices, class_scores, confusion
from thirtytwo.runtime.errors import EvaluationError

EVEN = np.array([100, 100, 100, 100])


def test_an_even_histogram_has_full_entropy_and_no_divergence():
    scores = class_scores(np.array([5, 5, 5, 5]), EVEN, 0.1).scores
    assert scores["class_entropy_bits"] == pytest.approx(2)
    assert scores["kl_to_uniform"] == pytest.approx(0, abs=1e-12)
    assert scores["modes_covered"] == 4


def test_a_collapsed_generator_covers_one_mode():
    scores = class_scores(np.array([0, 80, 0, 0]), EVEN, 0.1).scores
    assert scores["class_entropy_bits"] == pytest.approx(0, abs=1e-12)
    assert scores["kl_to_uniform"] == pytest.approx(2)
    assert scores["modes_covered"] == 1


def test_divergence_from_the_real_shares():
    scores = class_scores(np.array([30, 10]), np.array([10, 30]), 0.1).scores
    assert scores["kl_to_reference"] == pytest.approx(0.75 * math.log2(3) - 0.25 * math.log2(3))


def test_a_class_is_covered_from_a_tenth_of_its_real_share():
    # real share 0.25, so 2.5 % of 1000 samples are the least that counts
    assert class_scores(np.array([25, 325, 325, 325]), EVEN, 0.1).scores["modes_covered"] == 4
    assert class_scores(np.array([24, 326, 325, 325]), EVEN, 0.1).scores["modes_covered"] == 3


def test_classes_that_the_data_set_lacks_are_counted_apart():
    measured = class_scores(np.array([60, 0, 20, 20]), np.array([50, 50, 0, 0]), 0.1)
    scores = measured.scores
    assert (measured.protocol["classes"], scores["modes_covered"]) == (2, 1)
    assert scores["foreign_share"] == pytest.approx(0.4)
    assert scores["kl_to_uniform"] is None  # infinite
    assert scores["kl_to_reference"] is None
    inside = class_scores(np.array([75, 25, 0, 0]), np.array([50, 50, 0, 0]), 0.1).scores
    assert inside["kl_to_uniform"] == pytest.approx(1 - (0.75 * math.log2(4 / 3) + 0.25 * 2))


def test_class_names_are_found_among_those_of_the_classifier():
    assert class_indices(["frog", "cat"], ["bird", "cat", "frog"]).tolist() == [2, 1]
    with pytest.raises(EvaluationError, match=r"'dog'.*\(bird, cat\)"):
        class_indices(["dog"], ["bird", "cat"])


def test_histograms_that_do_not_fit_are_refused():
    with pytest.raises(EvaluationError, match="same classes"):
        class_scores(np.array([1, 2]), EVEN, 0.1)
    with pytest.raises(EvaluationError, match="some real images"):
        class_scores(np.array([1, 2]), np.array([0, 0]), 0.1)
    with pytest.raises(EvaluationError, match="class index"):
        class_counts(np.array([], np.int64), 3)
    with pytest.raises(EvaluationError, match=r"0\.\.2"):
        class_counts(np.array([0, 3]), 3)


@pytest.mark.parametrize(("hits", "count"), [(17, 20), (0, 20), (20, 20), (850, 1000)])
def test_accuracy_has_wilsons_interval(hits, count):
    labels = np.zeros(count, np.int64)
    predicted = np.where(np.arange(count) < hits, 0, 1)
    z, p = 1.96, hits / count
    centre, half = p + z * z / (2 * count), z * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    ends = [(centre + sign * half) / (1 + z * z / count) for sign in (-1, 1)]
    estimate = accuracy(predicted, labels)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((p, *ends), abs=1e-12)


def test_best_of_five_is_the_largest_of_five_binomials():
    rng = np.random.default_rng(0)
    labels = np.zeros(5000, np.int64)
    predicted = np.where(rng.random(5000) < 0.8, 0, 1)
    best, size = best_of(predicted, labels, 5, 1)
    assert size == 1000
    assert accuracy(predicted, labels).value <= best.value  # a maximum is no less than the mean
    marks = rng.binomial(1000, (predicted == 0).mean(), (20_000, 5)).max(axis=1) / 1000
    assert (best.low, best.high) == pytest.approx(np.percentile(marks, [2.5, 97.5]), abs=0.0015)
    assert best.low <= best.value <= best.high
    assert best_of(np.zeros(7, np.int64), np.zeros(7, np.int64), 5, 1) == (Estimate(1, 1, 1), 1)
    with pytest.raises(EvaluationError, match=r"best of 5.*5 samples"):
        best_of(predicted[:4], labels[:4], 5, 1)


def test_best_of_five_takes_each_sample_once():
    labels = np.arange(50) % 5
    only = {best_of(np.where(np.arange(50) == i, labels, labels + 1), labels, 5, 1)[0].value for i in range(50)}
    assert only == {0.1}  # one hit lies in just one set of ten


def test_confusion_counts_predicted_classes_by_requested_ones():
    requested, seen = np.array([0, 0, 0, 2, 2]), np.array([0, 1, 1, 2, 0])
    table = confusion(seen, requested, ["cat", "dog", "frog"])
    assert table.columns.tolist() == ["asked", "cat", "dog", "frog"]
    assert table.to_numpy().tolist() == [["cat", 1, 2, 0], ["dog", 0, 0, 0], ["frog", 1, 0, 1]]
    none = confusion(seen, np.full(5, -1), ["cat", "dog", "frog"])
    assert none.columns.tolist() == ["asked", "cat", "dog", "frog"]
    assert len(none) == 0
