"""Generators of known state, scored by the pipeline's own functions on real digits, are told apart."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate.diagnosis import diagnose
from thirtytwo.evaluate.kid import mean_among
from thirtytwo.evaluate.memorisation import copy_ratio
from thirtytwo.evaluate.real import Real, Scored
from thirtytwo.evaluate.scorecard import Measured, Scorecard
from thirtytwo.evaluate.scores import classifier_floor, score

N = 450
SPLIT = np.repeat(np.array([0, 1], np.uint8), [900, 447])


@pytest.fixture(scope="module")
def digits():
    """1 797 real digits of 8x8 pixels in random order: 900 train, 447 held out, 450 new ones; and a classifier."""
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(pixels))
    pixels, labels = pixels[order], labels[order]
    classifier = LogisticRegression(max_iter=300).fit(pixels[:900] / 16, labels[:900])

    def see(images: np.ndarray) -> Scored:
        return Scored(images, classifier.predict_proba(images / 16), np.full(len(images), -1))

    images = Scored(pixels[:1347], classifier.predict_proba(pixels[:1347] / 16), labels[:1347])
    names = tuple("0123456789")
    ratio = copy_ratio(pixels[:1347], SPLIT)
    real = Real(images, SPLIT, "train", "0", mean_among(pixels[:900]), 0.0, ratio, names, np.arange(10), "none")
    floor = classifier_floor(real, samples=N, resamples=50, seed=1, within_classes=False)

    def diagnosed(samples: np.ndarray) -> tuple[str, str]:
        card, _ = score(see(samples), real, floor, mode_share=0.1, resamples=50, seed=1)
        return card.diagnosis.word, card.diagnosis.reason

    return pixels, labels, diagnosed


def test_new_real_images_are_healthy(digits):
    pixels, _, diagnosed = digits
    word, reason = diagnosed(pixels[1347:])
    assert word == "healthy", reason
    assert "10 of 10 classes" in reason


def test_one_image_repeated_is_collapse(digits):
    pixels, _, diagnosed = digits
    grain = np.random.default_rng(1).normal(0, 1, (N, 64))
    for image in (pixels[0], pixels[950], np.zeros(64)):  # of the training set, not, and none of a digit
        word, reason = diagnosed(image + 0.1 * grain)
        assert word == "collapsed", reason
        assert "one image" in reason
    word, reason = diagnosed(pixels[950] + 0.7 * grain)
    assert word == "collapsed", reason
    assert "1 of 10 classes" in reason


def test_one_class_alone_is_collapse(digits):
    pixels, labels, diagnosed = digits
    one = pixels[900:][labels[900:] == 3]
    samples = one[np.random.default_rng(1).integers(len(one), size=N)] + np.random.default_rng(2).normal(
        0, 0.3, (N, 64)
    )
    word, reason = diagnosed(samples)
    assert word == "collapsed", reason


@pytest.mark.parametrize("part", [1.0, 0.5, 0.2])
def test_training_images_are_memorisation(digits, part):
    pixels, _, diagnosed = digits
    new, copied = round((1 - part) * N), round(part * N)
    samples = np.concatenate([pixels[1347 : 1347 + new], pixels[np.random.default_rng(1).permutation(900)[:copied]]])
    word, reason = diagnosed(samples + np.random.default_rng(2).normal(0, 0.05, samples.shape))
    assert word == "memorising", reason


def test_random_pixels_are_noise(digits):
    word, reason = digits[2](np.random.default_rng(1).integers(0, 17, (N, 64)).astype(float))
    assert word == "noise", reason


def test_digits_under_grain_are_poor(digits):
    pixels, _, diagnosed = digits
    for spread in (3.0, 4.0):  # at 4.0, precision is near 0, yet the digits are no noise
        word, reason = diagnosed(pixels[1347:] + np.random.default_rng(1).normal(0, spread, (N, 64)))
        assert word == "poor", reason


def test_six_classes_of_ten_are_narrow(digits):
    pixels, labels, diagnosed = digits
    some = pixels[900:][labels[900:] < 6]
    word, reason = diagnosed(some[np.random.default_rng(1).permutation(len(some))[:N]])
    assert word == "narrow", reason
    assert "6 of 10 classes" in reason


def test_samples_within_wide_balls_but_far_by_frechet_distance_are_not_healthy(digits):
    pixels, labels, diagnosed = digits
    new, shift = pixels[1347:], np.random.default_rng(1).normal(size=64)
    means = np.stack([pixels[:900][labels[:900] == label].mean(0) for label in labels[1347:]])
    for samples in (new + 11 * shift / np.linalg.norm(shift), means + 0.4 * (new - means)):  # tinted, or too alike
        word, reason = diagnosed(samples)
        assert word == "undecided", reason
        assert "as a set they are far" in reason


def test_what_is_missing_is_named():
    scores = dict.fromkeys(("coverage", "fd_classifier"), Estimate(1.0, 0.5, 2.0))
    scores |= {
        "precision": Estimate(0.5, 0.4, 0.6),
        "modes_covered": 1,
        "reference_variance": 1.0,
        "sample_variance": 1.0,
    }
    whole = Measured(scores, {"classes": 2})
    assert diagnose(Scorecard(whole)).word == "undecided"
    assert "precision_floor" in diagnose(Scorecard(whole)).reason
    lacking = Measured(scores | {"coverage": Estimate(None)}, {"classes": 2})
    assert "coverage" in diagnose(Scorecard(lacking, whole)).reason
    assert "classes" in diagnose(Scorecard(Measured(scores), whole)).reason
