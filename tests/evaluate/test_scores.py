"""Scores and floors of real and shifted features, and the refusal of a floor of other features."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate import frechet
from thirtytwo.evaluate.floor import real_pair
from thirtytwo.evaluate.frechet import distance, distance_to, statistics
from thirtytwo.evaluate.kid import mean_among
from thirtytwo.evaluate.real import Real, Scored, Seen, read_real, read_seen, real_bytes, seen_bytes
from thirtytwo.evaluate.run import trajectory
from thirtytwo.evaluate.scorecard import Diagnosis, Floors, Measured, Scorecard, metrics
from thirtytwo.evaluate.scores import classifier_floor, label_scores, per_class, score, second_floor, second_scores
from thirtytwo.runtime.errors import EvaluationError, FileError
from thirtytwo.runtime.files import read_json, write_json

SPLIT = np.repeat(np.array([0, 1], np.uint8), [400, 100])


def gaussian(count: int, shift: float, labels: np.ndarray, seed: int = 0) -> Scored:
    rng = np.random.default_rng((count, seed))
    probabilities = np.full((count, 4), 0.1, np.float32)
    probabilities[np.arange(count), np.arange(count) % 4] = 0.7
    return Scored(rng.standard_normal((count, 6)).astype(np.float32) + shift, probabilities, labels)


def real_images() -> Real:
    images = gaussian(400, 0, np.arange(400) % 4)
    means = mean_among(images.features), mean_among(images.features, images.labels)
    names = ("a", "b", "c", "d")
    return Real(images, SPLIT[:400], "train", "0" * 64, *means, float("nan"), names, np.arange(4), "bicubic")


@pytest.fixture(scope="module")
def card() -> Scorecard:
    """Of samples shifted by 1 in each of six dimensions."""
    real = real_images()
    floor = classifier_floor(real, samples=100, resamples=50, seed=1, within_classes=True)
    return score(gaussian(100, 1, np.arange(100) % 4), real, floor, mode_share=0.1, resamples=50, seed=1)[0]


def test_after_a_training_on_all_images_no_image_tells_of_memorisation():
    real = real_images()
    floor = classifier_floor(real, samples=100, resamples=20, seed=1, within_classes=True)
    samples = gaussian(100, 0, np.arange(100) % 4)
    card, closest = score(samples, real, floor, train_on="all", mode_share=0.1, resamples=20, seed=1)
    assert card.measured.scores["copies"] == card.measured.scores["train_nearer"] == Estimate(None)
    assert card.measured.protocol["trained_on"] == "all"
    assert "0 held-out" in card.measured.protocol["memorisation_reason"]
    assert closest.empty


def test_scores_see_a_shift_that_the_floor_does_not(card):
    scores, floor = card.measured.scores, card.floor.scores
    assert scores["fd_classifier"].value == pytest.approx(6, rel=0.2)  # |shift|^2 in six dimensions
    for name in ("fd_classifier", "kid_classifier", "precision", "recall", "density", "coverage", "accuracy"):
        for estimate in (scores[name], floor[name]):
            assert estimate.low <= estimate.value <= estimate.high
    assert floor["fd_classifier"].value < 0.5
    covariance = np.cov(real_images().images.features, rowvar=False)
    mean_alone = distance(np.zeros(6), np.zeros((6, 6)), np.zeros(6), covariance)
    assert scores["reference_variance"] == pytest.approx(mean_alone, rel=1e-6)
    assert scores["sample_variance"] == pytest.approx(6, rel=0.2)  # one in each dimension
    assert scores["kid_classifier"].low > 0 > floor["kid_classifier"].low
    assert scores["coverage"].value < 0.5 * floor["coverage"].value
    assert scores["accuracy"].value == scores["best_of_5_accuracy"].value == 1
    assert scores["mean_confidence"] == pytest.approx(0.7)


def test_scores_that_cannot_be_measured_have_a_reason(card):
    assert card.measured.scores["fd_classifier_infinity"] == Estimate(None)
    assert "120 samples" in card.measured.protocol["fd_classifier_infinity_reason"]  # 10 * 2 * 6
    assert card.measured.scores["train_nearer"] == Estimate(None)
    assert "0 held-out" in card.measured.protocol["memorisation_reason"]


def test_scores_and_floors_are_read_back_from_their_files(card, tmp_path):
    floors = Floors(*(
        classifier_floor(real_images(), samples=100, resamples=50, seed=1, within_classes=within)
        for within in (False, True)
    ))  # fmt: skip
    for number, kept in enumerate((card, floors, Scorecard(Measured()))):
        path = tmp_path / f"{number}.json"
        write_json(path, kept, sealed=True)
        assert read_json(path, type(kept)) == kept
    assert isinstance(read_json(tmp_path / "0.json", Scorecard).measured.scores["modes_covered"], int)
    assert floors.of(None).protocol["drawn"] == "at random"
    assert floors.of(np.zeros(3)).protocol["drawn"] == "within classes"


def test_the_floor_of_a_score_is_of_the_same_number_of_images(card):
    assert card.floor.protocol["n"] == card.measured.protocol["n"] == card.floor.protocol["prdc_n"] == 100
    assert card.floor.protocol["same_n"] is True


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ('{"measured": {"scores": {"fd_classifier": {"value": "1", "low": 0, "high": 2}}}}', "fd_classifier"),
        ('{"measured": {"scores": [1]}}', r"measured\.scores"),
        ('{"fd_classifier": 1.0}', "measured"),
        ("{", "JSON"),
    ],
)
def test_a_damaged_file_of_scores_is_refused_in_one_line(content, place, tmp_path):
    path = tmp_path / "vae.json"
    path.write_text(content)
    with pytest.raises(FileError, match=rf"vae\.json: .*{place}.*; replace it") as caught:
        read_json(path, Scorecard, sealed=False)
    assert "\n" not in str(caught.value)


def test_metrics_are_eight_numbers_with_the_digits_that_their_intervals_support():
    scores = {
        "distortion": 51.458526341120404, "rate_nats": 32.3, "fid": Estimate(123.4567, 110.1, 137.2),
        "accuracy": Estimate(0.96104, 0.95163, 0.96862), "coverage": Estimate(0.0195, 0.00958, 0.0294),
        "precision": Estimate(0.0, 0.0, 0.0), "fd_classifier": Estimate(7.350324, 7.145387, 7.558262),
        "mean_confidence": 0.6, "fd_classifier_infinity": Estimate(None),
    }  # fmt: skip
    values = metrics(Scorecard(Measured(scores, {"n": 2000}), diagnosis=Diagnosis("healthy", "")))
    assert values == {
        "fd": 7.35, "fd_low": 7.15, "fd_high": 7.56, "precision": 0.0, "coverage": 0.019, "accuracy": 0.961,
        "fid": 123.0, "distortion": 51.46,
    }  # fmt: skip
    assert set(metrics(Scorecard(Measured({"fd_classifier": Estimate(1.0), "rate_nats": 2})))) == {"fd", "rate_nats"}


@pytest.mark.parametrize("key", ["features_sha256", "reference_split"])
def test_a_floor_of_other_features_or_another_split_is_refused(key, card):
    other = card.floor | Measured({}, {key: "other"})
    with pytest.raises(EvaluationError, match=f"floor: {key}"):
        score(gaussian(20, 1, np.arange(20) % 4), real_images(), other, mode_share=0.1, resamples=20, seed=1)


def test_another_reference_split_has_its_own_kernel_mean():
    real = replace(real_images(), split=np.repeat(np.array([0, 1], np.uint8), 200))
    held_out = real.against("test")
    assert held_out.reference.features.shape == (200, 6)
    assert held_out.kernel_mean == mean_among(real.images.features[200:])
    assert real.against("train") is real


def test_real_images_are_read_back_and_those_of_another_classifier_refused(tmp_path):
    real, path = real_images(), tmp_path / "real.npz"
    path.write_bytes(real_bytes(real, np.zeros((400, 0)), ()))
    again = read_real(path, "train", "0" * 64)
    np.testing.assert_array_equal(again.images.features, real.images.features)
    assert (again.kernel_mean, again.classes, again.resampler) == (real.kernel_mean, real.classes, "bicubic")
    with pytest.raises(EvaluationError, match=f"real.npz: .*{'0' * 64}.*{'1' * 64}"):
        read_real(path, "train", "1" * 64)


def test_accuracy_only_where_labels_were_requested():
    assert label_scores(gaussian(100, 0, np.full(100, -1)), 1) == Measured()
    with pytest.raises(EvaluationError, match="labels: 50 of 100"):
        label_scores(gaussian(100, 0, np.repeat([0, -1], 50)), 1)


def test_scores_of_each_class_are_those_of_its_samples_alone():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 400)
    real = Scored(rng.standard_normal((800, 3)) + 5 * labels[:, None], np.zeros((800, 3), np.float32), labels)
    shifted = real.features + np.array([2.0, 0, 0]) * (labels == 1)[:, None]
    seen = np.eye(3, dtype=np.float32)[np.where(np.arange(800) < 100, 2, labels)]
    table = per_class(Scored(shifted, seen, labels), real, ("cat", "frog", "ship"))
    assert table["count"].tolist() == [300, 400, 100]
    assert table["asked"].tolist() == [400, 400, 0]
    assert table["accuracy"].tolist()[:2] == [0.75, 1.0]
    assert table["fd_classifier"][0] == pytest.approx(0, abs=1e-9)
    assert table["fd_classifier"][1] == pytest.approx(4)  # the shift squared
    assert np.isnan(table["fd_classifier"][2])
    none = per_class(Scored(shifted, seen, np.full(800, -1)), real, ("cat", "frog", "ship"))
    assert list(none.columns) == ["class", "count", "share"]


def test_scores_along_the_training_are_those_of_each_snapshot():
    rng, labels = np.random.default_rng(4), np.arange(100) % 2
    images = rng.integers(0, 256, (2, 40, 32, 32, 1), dtype=np.uint8)
    features = {name: rng.standard_normal((40, 3)) for name in ("step 10", "step 20")}
    seen = {"step 10": np.eye(2)[[0] * 40], "step 20": np.eye(2)[labels[:40]]}
    reference = Scored(rng.standard_normal((50, 3)), np.zeros((50, 2)), np.zeros(50, int))
    real = SimpleNamespace(reference=reference, places=lambda labels: labels)
    extract = SimpleNamespace(images=lambda images, where: (features[where], seen[where]))
    probes = {"snapshot_steps": np.array([10, 20]), "snapshot_images": images}
    table = trajectory(probes, labels, real, extract, {})
    assert table["step"].tolist() == [10, 20]
    assert table["n"].tolist() == [40, 40]
    assert table["accuracy"].tolist() == [0.5, 1.0]
    assert table["fd_classifier"][1] == frechet.distance_to(
        features["step 20"], *frechet.statistics(reference.features)
    )
    assert "accuracy" not in trajectory(probes, np.full(100, -1), real, extract, {})


def test_a_floor_within_classes_is_lower_where_classes_lie_apart():
    rng, labels = np.random.default_rng(5), np.arange(600) % 4
    features = rng.standard_normal((600, 5)) + 6 * rng.standard_normal((4, 5))[labels]
    images = Scored(features, np.eye(4)[labels], labels)
    means = mean_among(features), mean_among(features, labels)
    real = Real(images, np.zeros(600, np.uint8), "train", "0", *means, np.nan, ("a", "b", "c", "d"), np.arange(4), "x")
    plain, within = (
        classifier_floor(real, samples=200, resamples=50, seed=1, within_classes=value).scores["fd_classifier"]
        for value in (False, True)
    )
    assert within.value < 0.5 * plain.value
    assert within.high - within.low < 0.5 * (plain.high - plain.low)


@pytest.mark.parametrize("labelled", [True, False])
def test_the_second_classifiers_scores_are_distance_and_accuracy_in_its_view(labelled):
    labels = np.arange(100) % 4
    samples = gaussian(100, 1, np.roll(labels, 1) if labelled else np.full(100, -1))
    real = real_images()
    second = Seen(real.images, SPLIT[:400], "train", "2" * 64)
    measured = second_scores(samples, second, resamples=50, seed=1)
    value = measured.estimate("fd_second")
    assert value.value == pytest.approx(distance_to(samples.features, *statistics(real.images.features)), rel=1e-6)
    assert value.low < value.value < value.high
    assert measured.protocol == {"second_sha256": "2" * 64}
    assert ("accuracy_second" in measured.scores) == labelled
    if labelled:  # the planted predictions are 0, 1, 2, 3 in turn, and every label is another
        assert measured.estimate("accuracy_second").value == 0


@pytest.mark.parametrize("within", [True, False])
def test_both_classifiers_have_floors_of_the_same_images(within):
    real, drawing = real_images(), {"samples": 100, "resamples": 50, "seed": 1, "within_classes": within}
    guesses = np.random.default_rng(1).dirichlet(np.ones(4), 400)  # right in a share of cases that varies with the draw
    real = replace(real, images=replace(real.images, probabilities=guesses))
    first = classifier_floor(real, **drawing)
    features, strata = real.images.features, real.images.labels if within else None
    pairs = [real_pair(real.split, "train", 100, 1, draw, strata) for draw in range(10)]
    values = [distance_to(features[p.samples], *statistics(features[p.reference])) for p in pairs]
    assert first.estimate("fd_classifier").value == pytest.approx(np.mean(values))
    second = second_floor(Seen(real.images, real.split, "train", "2" * 64), **drawing)
    assert second.estimate("fd_second") == first.estimate("fd_classifier")
    assert second.estimate("accuracy_second") == first.estimate("accuracy")
    doubled = replace(real.images, features=2 * real.images.features)  # a Fréchet distance is quadratic in features
    scaled = second_floor(Seen(doubled, real.split, "train", "2" * 64), **drawing).estimate("fd_second")
    assert scaled.value == pytest.approx(4 * first.estimate("fd_classifier").value)
    assert scaled.high == pytest.approx(4 * first.estimate("fd_classifier").high)


def test_what_the_second_classifier_sees_is_read_back_and_that_of_another_refused(tmp_path):
    split = np.repeat(np.array([0, 1], np.uint8), [300, 100])
    path, seen = tmp_path / "shapes.npz", Seen(real_images().images, split, "train", "2" * 64)
    path.write_bytes(seen_bytes(seen))
    again = read_seen(path, "test", "2" * 64)
    np.testing.assert_array_equal(again.images.features, seen.images.features)
    np.testing.assert_array_equal(again.images.labels, seen.images.labels)
    assert len(again.reference.labels) == 100
    with pytest.raises(EvaluationError, match=r"shapes\.npz: .*dvc repro floor"):
        read_seen(path, "train", "3" * 64)
