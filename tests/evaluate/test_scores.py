"""Class scores, intervals, floors and the refusal of unlike comparisons, against closed forms."""

import math

import numpy as np
import pytest
from thirtytwo.evaluate.classifier_metrics import (
    accuracy,
    best_of,
    class_counts,
    class_indices,
    class_scores,
    confusion,
)  # fmt: skip

from thirtytwo.evaluate.floor import largest_pair, real_pair
from thirtytwo.evaluate.frechet import Subsets, distance, distance_to, standard_error
from thirtytwo.evaluate.intervals import bootstrap, mean
from thirtytwo.evaluate.kid import mean_among
from thirtytwo.evaluate.ladder import ladder
from thirtytwo.evaluate.scores import (
    Real,
    Scored,
    classifier_floor,
    classifier_scores,
    join_floor,
    label_scores,
    per_class,
)  # fmt: skip
from thirtytwo.runtime.errors import EvaluationError

EVEN = np.array([100, 100, 100, 100])


def test_an_even_histogram_has_full_entropy_and_no_divergence():
    scores = class_scores(np.array([5, 5, 5, 5]), EVEN, 0.1)
    assert scores["class_entropy_bits"] == pytest.approx(2)
    assert scores["kl_to_uniform"] == pytest.approx(0, abs=1e-12)
    assert scores["modes_covered"] == 4


def test_a_collapsed_generator_covers_one_mode():
    scores = class_scores(np.array([0, 80, 0, 0]), EVEN, 0.1)
    assert scores["class_entropy_bits"] == pytest.approx(0, abs=1e-12)
    assert scores["kl_to_uniform"] == pytest.approx(2)
    assert scores["modes_covered"] == 1


def test_divergence_from_the_real_shares():
    scores = class_scores(np.array([30, 10]), np.array([10, 30]), 0.1)
    assert scores["kl_to_reference"] == pytest.approx(0.75 * math.log2(3) - 0.25 * math.log2(3))


def test_a_class_is_covered_from_a_tenth_of_its_real_share():
    # real share 0.25, so 2.5 % of 1000 samples are the least that counts
    assert class_scores(np.array([25, 325, 325, 325]), EVEN, 0.1)["modes_covered"] == 4
    assert class_scores(np.array([24, 326, 325, 325]), EVEN, 0.1)["modes_covered"] == 3


def test_classes_that_the_data_set_lacks_are_counted_apart():
    scores = class_scores(np.array([60, 0, 20, 20]), np.array([50, 50, 0, 0]), 0.1)
    assert (scores["classes"], scores["modes_covered"]) == (2, 1)
    assert scores["foreign_share"] == pytest.approx(0.4)
    assert scores["kl_to_uniform"] is None  # infinite
    assert scores["kl_to_reference"] is None
    inside = class_scores(np.array([75, 25, 0, 0]), np.array([50, 50, 0, 0]), 0.1)
    assert inside["kl_to_uniform"] == pytest.approx(1 - (0.75 * math.log2(4 / 3) + 0.25 * 2))


def test_class_names_are_found_among_those_of_the_classifier():
    assert class_indices(["frog", "cat"], ["bird", "cat", "frog"]).tolist() == [2, 1]
    with pytest.raises(EvaluationError, match=r"class 'dog' is not among those of the classifier \(bird, cat\)"):
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
    z, p = 1.959963984540054, hits / count
    centre, half = p + z * z / (2 * count), z * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    ends = [(centre + sign * half) / (1 + z * z / count) for sign in (-1, 1)]
    assert accuracy(predicted, labels) == pytest.approx((p, *ends), abs=1e-12)


def test_best_of_five_is_the_largest_of_five_binomials():
    rng = np.random.default_rng(0)
    labels = np.zeros(5000, np.int64)
    predicted = np.where(rng.random(5000) < 0.8, 0, 1)
    best, low, high, size = best_of(predicted, labels, 5, 1)
    assert size == 1000
    assert accuracy(predicted, labels)[0] <= best  # a maximum is no less than the mean
    marks = rng.binomial(1000, (predicted == 0).mean(), (20_000, 5)).max(axis=1) / 1000
    assert (low, high) == pytest.approx(np.percentile(marks, [2.5, 97.5]), abs=0.0015)
    assert low <= best <= high
    assert best_of(np.zeros(7, np.int64), np.zeros(7, np.int64), 5, 1) == (1, 1, 1, 1)
    with pytest.raises(EvaluationError, match="best of 5 needs 5 samples"):
        best_of(predicted[:4], labels[:4], 5, 1)


def test_best_of_five_takes_each_sample_once():
    labels = np.arange(50) % 5
    only = {best_of(np.where(np.arange(50) == i, labels, labels + 1), labels, 5, 1)[0] for i in range(50)}
    assert only == {0.1}  # one hit lies in just one set of ten


def test_confusion_counts_what_was_seen_of_what_was_asked():
    asked, seen = np.array([0, 0, 0, 2, 2]), np.array([0, 1, 1, 2, 0])
    table = confusion(seen, asked, ["cat", "dog", "frog"])
    assert table.columns.tolist() == ["asked", "cat", "dog", "frog"]
    assert table.to_numpy().tolist() == [["cat", 1, 2, 0], ["dog", 0, 0, 0], ["frog", 1, 0, 1]]
    none = confusion(seen, np.full(5, -1), ["cat", "dog", "frog"])
    assert none.columns.tolist() == ["asked", "cat", "dog", "frog"]
    assert len(none) == 0


def test_bootstrap_of_a_mean_is_its_normal_interval():
    values = np.random.default_rng(0).standard_normal(400)
    low, high = bootstrap(lambda i: values[i].mean(), values.mean(), 400, 2000, 1)
    half = 1.96 * values.std(ddof=1) / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)
    assert bootstrap(lambda i: values[i].mean(), values.mean(), 400, 50, 1) == bootstrap(
        lambda i: values[i].mean(), values.mean(), 400, 50, 1
    )


def test_the_interval_of_a_mean_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(2)
    found = [mean(rng.exponential(size=200)) for _ in range(500)]
    assert 0.91 < np.mean([low < 1 < high for _, low, high in found]) < 0.975


@pytest.mark.parametrize(
    ("count", "dimensions", "least", "most"),
    [(400, 6, 0.85, 1.15), (40, 60, 0.9, 1.5)],  # with fewer samples than dimensions on the safe side
)
def test_both_intervals_have_the_spread_of_repeated_draws(count, dimensions, least, most):
    rng = np.random.default_rng(0)
    mu, sigma = np.full(dimensions, 0.3), np.eye(dimensions) * 1.5
    draws = rng.standard_normal((300, count, dimensions))
    spread = np.std([distance_to(draw, mu, sigma) for draw in draws])
    errors = [standard_error(draw, mu, sigma) for draw in draws[:20]]
    assert least * spread < np.mean(errors) < most * spread
    if count > dimensions:
        low, high = bootstrap(Subsets(draws[0], mu, sigma), distance_to(draws[0], mu, sigma), count, 300, 1)
        assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.25)


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


# Held-out images against the others, where all draws are of the same 110 images; halves.
@pytest.mark.parametrize(("samples", "rel"), [(100, 0.8), (120, 0.25)])
def test_the_floor_falls_with_n_as_the_bias_of_a_frechet_distance_does(samples, rel):
    rng = np.random.default_rng(3)
    split = np.repeat(np.array([0, 1], np.uint8), [800, 110])
    table = ladder(rng.standard_normal((910, 4)), split, reference_split="train", samples=samples, resamples=50, seed=1)
    largest = 110 if samples == 100 else 400
    assert table["n"].tolist() == sorted({largest // 2**i for i in range(4) if largest // 2**i >= 50} | {samples})
    assert (table["fd_classifier_low"] < table["fd_classifier"]).all()
    assert (table["fd_classifier"] < table["fd_classifier_high"]).all()
    assert table["kid_classifier"].abs().max() < 0.05  # unbiased, so near 0 at every N
    first, last = table.iloc[0], table.iloc[-1]
    # For equal Gaussians in D dimensions the means give D (1/N + 1/M), the covariances D (D + 1) / 4 (1/N + 1/M).
    expected = [(4 + 4 * 5 / 4) * (1 / n + 1 / (800 if samples == 100 else 400)) for n in (first["n"], last["n"])]
    assert [first["fd_classifier"], last["fd_classifier"]] == pytest.approx(expected, rel=rel)


def gaussian(count: int, shift: float, labels: np.ndarray, seed: int = 0) -> Scored:
    rng = np.random.default_rng((count, seed))
    probabilities = np.full((count, 4), 0.1, np.float32)
    probabilities[np.arange(count), np.arange(count) % 4] = 0.7
    return Scored(rng.standard_normal((count, 6)).astype(np.float32) + shift, probabilities, labels)


def real_images() -> Real:
    images = gaussian(400, 0, np.arange(400) % 4)
    return Real(images, SPLIT[:400], "train", mean_among(images.features), float("nan"))


PROTOCOL = {"reference_split": "train", "features_sha256": "0" * 64}


def test_scores_see_a_shift_the_floor_does_not():
    real = real_images()
    scores, closest = classifier_scores(
        gaussian(100, 1, np.arange(100) % 4), real, mode_share=0.1, resamples=50, seed=1
    )
    floor = classifier_floor(real.images, real.split, reference_split="train", samples=100, resamples=50, seed=1)
    joined = join_floor(scores | PROTOCOL, floor | PROTOCOL)
    assert joined["fd_classifier"] == pytest.approx(6, rel=0.2)  # |shift|^2 in six dimensions
    for name in ("fd_classifier", "kid_classifier", "precision", "recall", "density", "coverage", "accuracy"):
        assert joined[f"{name}_low"] <= joined[name] <= joined[f"{name}_high"]
        assert joined[f"{name}_floor_low"] <= joined[f"{name}_floor"] <= joined[f"{name}_floor_high"]
    assert joined["fd_classifier_floor"] < 0.5
    covariance = np.cov(real.images.features, rowvar=False)
    mean_alone = distance(np.zeros(6), np.zeros((6, 6)), np.zeros(6), covariance)
    assert joined["reference_variance"] == pytest.approx(mean_alone, rel=1e-6)
    assert joined["sample_variance"] == pytest.approx(6, rel=0.2)  # one in each dimension
    assert joined["kid_classifier_low"] > 0 > joined["kid_classifier_floor_low"]
    assert joined["coverage"] < 0.5 * joined["coverage_floor"]
    assert joined["fd_classifier_infinity"] is None
    assert "120 samples" in joined["fd_classifier_infinity_reason"]  # 10 * 2 * 6
    assert joined["fd_classifier_floor_n"] == joined["n"] == joined["prdc_n"] == joined["prdc_floor_n"] == 100
    assert joined["fd_classifier_floor_same_n"]
    assert joined["accuracy"] == joined["best_of_5_accuracy"] == 1
    assert joined["mean_confidence"] == pytest.approx(0.7)
    assert joined["train_nearer"] is None  # no image is held out
    assert len(closest) == 0


def test_a_floor_of_other_features_or_split_is_refused():
    scores = {"n": 5, "fd_classifier": 1.0, "features_sha256": "a", "reference_split": "train"}
    floor = {"n": 4, "reference_n": 9, "split": "test-vs-train", "features_sha256": "a", "reference_split": "train",
             "fd_classifier_floor": 0.5, "accuracy_floor": 0.9}  # fmt: skip
    joined = join_floor(scores, floor)
    assert joined["fd_classifier_floor_same_n"] is False
    assert joined["fd_classifier_floor"] == 0.5
    assert "accuracy_floor" not in joined  # there is no accuracy beside it
    for key in ("features_sha256", "reference_split"):
        with pytest.raises(EvaluationError, match=key):
            join_floor(scores, floor | {key: "other"})


def test_accuracy_only_where_labels_were_asked_for():
    assert label_scores(gaussian(100, 0, np.full(100, -1)), 1) == {}
    with pytest.raises(EvaluationError, match="50 of 100 samples"):
        label_scores(gaussian(100, 0, np.repeat([0, -1], 50)), 1)


def test_scores_of_each_class_are_those_of_its_samples_alone():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 400)
    real = Scored(rng.standard_normal((800, 3)) + 5 * labels[:, None], np.zeros((800, 3), np.float32), labels)
    shifted = real.features + np.array([2.0, 0, 0]) * (labels == 1)[:, None]
    seen = np.eye(3, dtype=np.float32)[np.where(np.arange(800) < 100, 2, labels)]
    table = per_class(Scored(shifted, seen, labels), real, ["cat", "frog", "ship"])
    assert table["count"].tolist() == [300, 400, 100]
    assert table["asked"].tolist() == [400, 400, 0]
    assert table["accuracy"].tolist()[:2] == [0.75, 1.0]
    assert table["fd_classifier"][0] == pytest.approx(0, abs=1e-9)
    assert table["fd_classifier"][1] == pytest.approx(4)  # the shift squared
    assert np.isnan(table["fd_classifier"][2])
    none = per_class(Scored(shifted, seen, np.full(800, -1)), real, ["cat", "frog", "ship"])
    assert list(none.columns) == ["class", "count", "share"]
