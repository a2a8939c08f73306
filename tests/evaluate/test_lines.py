"""Scores along lines through a latent space, against the authors' package and generators whose images are known."""

import numpy as np
import prdc as published
import pytest

from thirtytwo.evaluate.lines import PLACES, along_lines
from thirtytwo.runtime.errors import EvaluationError


def lines(z1: np.ndarray, z2: np.ndarray) -> np.ndarray:
    """[P, 20, D]: z1 + i/9 (z2 - z1) for i = -5 ... 14."""
    fractions = np.arange(-5, 15)[None, :, None] / 9
    return z1[:, None] + fractions * (z2 - z1)[:, None]


def test_each_place_has_the_precision_of_its_images_by_the_authors_package():
    rng = np.random.default_rng(0)
    features, real = rng.standard_normal((70, 20, 6)), rng.standard_normal((300, 6))
    features *= np.linspace(0.5, 2.5, 20)[None, :, None]  # further out, fewer lie among the real ones
    measured = along_lines(features, np.zeros((70, 20), int), real)
    for i in PLACES:
        expected = published.compute_prdc(real, features[:, i + 5], nearest_k=5)["precision"]
        assert measured.scores[f"line_precision_i{i}"].value == pytest.approx(expected, abs=1e-12)
    assert measured.protocol == {"line_n": 70}


def test_a_generator_whose_images_lie_on_a_ring_leaves_it_between_and_beyond_samples():
    rng = np.random.default_rng(1)
    real, z1, z2 = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in rng.standard_normal((3, 400, 2)))
    scores = along_lines(lines(z1, z2), np.zeros((400, 20), int), real).scores
    assert scores["line_precision_i0"].value > 0.98
    assert scores["line_precision_i4"].high < 0.3  # the chord of an angle above 40 degrees leaves the ring
    assert scores["line_precision_i14"].high < 0.3


def test_the_classes_of_a_line_are_those_between_its_ends():
    predicted = np.array([[7] * 5 + [1] * 10 + [8] * 5, [1] * 9 + [2] * 11, [3] * 20])
    features = np.random.default_rng(2).standard_normal((3, 20, 4))
    found = along_lines(features, predicted, np.random.default_rng(3).standard_normal((50, 4))).scores["line_classes"]
    assert found.value == pytest.approx((1 + 2 + 1) / 3)


@pytest.mark.parametrize(("count", "images"), [(1, 20), (3, 16)])
def test_other_lines_are_refused(count, images):
    features = np.zeros((count, images, 4))
    with pytest.raises(EvaluationError, match=f"{count} lines of {images} images; expected two lines or more, of 20"):
        along_lines(features, np.zeros((count, images), int), np.zeros((10, 4)))
