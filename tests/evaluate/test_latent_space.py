"""Path length and latent directions, against generators whose latent space is known."""

import numpy as np
import pytest

from thirtytwo.evaluate.latent_space import FactorReader, class_directions, directions, path_length
from thirtytwo.evaluate.scorecard import Measured
from thirtytwo.runtime.errors import EvaluationError


def scenes(factors: np.ndarray) -> np.ndarray:
    """[N, 32, 32, 3] uint8: a soft blob at (x, y) on a background level; factors [N, 4]: x, y, level, kind of colour."""
    y, x = np.mgrid[:32, :32]
    squared = (x - factors[:, 0, None, None]) ** 2 + (y - factors[:, 1, None, None]) ** 2
    blob = np.exp(-squared / 40)[..., None]
    colours = np.array([[255, 40, 40], [40, 255, 40], [40, 40, 255]])[factors[:, 3].astype(int)][:, None, None]
    level = factors[:, 2, None, None, None]
    return (level + blob * (colours - level)).round().astype(np.uint8)


def random_factors(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    columns = [rng.uniform(10, 22, count), rng.uniform(10, 22, count), rng.uniform(0, 60, count)]
    return np.stack([*columns, rng.integers(0, 3, count)], 1)


@pytest.fixture(scope="module")
def reader() -> FactorReader:
    factors = random_factors(1500, 0)
    return FactorReader(scenes(factors), factors, ["x", "y", "level", "colour"])


def from_latents(z: np.ndarray) -> np.ndarray:
    """Scenes whose x, y and level are linear in the first three of z, and whose colour is the sign of the fourth."""
    x, y, level = 16 + 2 * z[:, 0], 16 + 2 * z[:, 1], 30 + 8 * z[:, 2]
    return scenes(np.stack([x, y, level, np.where(z[:, 3] > 0, 2, 0)], 1))


def test_axes_that_are_the_factors_and_axes_that_are_not(reader):
    rng = np.random.default_rng(1)
    held_out = random_factors(300, 2)
    z = rng.standard_normal((2000, 6))
    rotation, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    real = (scenes(held_out), held_out)
    aligned = directions(reader, from_latents(z), z, real).scores
    turned = directions(reader, from_latents(z), z @ rotation, real).scores
    for name in ("x", "y", "level"):
        assert aligned[f"readable_r2_{name}"] > 0.95
        assert aligned[f"coordinate_r2_{name}"] > 0.9
        assert turned[f"direction_r2_{name}"] == pytest.approx(aligned[f"direction_r2_{name}"], abs=1e-6)
        assert turned[f"coordinate_r2_{name}"] < 0.75
    # the sign of a normal variable explains 2 / pi of its own variance, linearly
    assert aligned["direction_r2_colour"] == pytest.approx(2 / np.pi, abs=0.05)
    unrelated = directions(reader, from_latents(z), rng.standard_normal((2000, 6)), real).scores
    assert unrelated["direction_r2"] < 0.02


def test_few_images_and_a_factor_that_is_the_same_in_all():
    factors, held_out = random_factors(50, 0), random_factors(50, 1)
    factors[:, 3] = held_out[:, 3] = 2
    reader = FactorReader(scenes(factors), factors, ["x", "y", "level", "colour"])
    z = np.random.default_rng(1).standard_normal((400, 6))
    scores = directions(reader, from_latents(z), z, (scenes(held_out), held_out)).scores
    assert scores["readable_r2_x"] > 0.8
    assert scores["readable_r2_colour"] == 0
    assert "direction_r2_colour" not in scores


def test_classes_along_an_axis_and_along_a_direction_across_the_axes():
    z = np.random.default_rng(1).standard_normal((4000, 5))
    along = class_directions((z[:, 2] > 0).astype(int), 2, z).scores
    # the sign of a normal variable explains 2 / pi of its own variance, linearly
    assert along["direction_r2_class"] == pytest.approx(2 / np.pi, abs=0.03)
    assert along["coordinate_r2_class"] == pytest.approx(2 / np.pi, abs=0.03)
    across = class_directions((z.sum(axis=1) > 0).astype(int), 3, z).scores  # a class may be empty
    assert across["direction_r2_class"] == pytest.approx(2 / np.pi, abs=0.03)
    assert across["coordinate_r2_class"] == pytest.approx(2 / np.pi / 5, abs=0.03)
    assert class_directions(np.zeros(4000, int), 2, z) == Measured()


def test_a_factor_that_cannot_be_read_is_not_judged(reader):
    held_out = random_factors(300, 2)
    shuffled = held_out.copy()
    shuffled[:, 0] = np.random.default_rng(3).permutation(shuffled[:, 0])
    z = np.random.default_rng(1).standard_normal((500, 4))
    scores = directions(reader, from_latents(z), z, (scenes(held_out), shuffled)).scores
    assert scores["readable_r2_x"] < 0.1
    assert "direction_r2_x" not in scores
    assert "direction_r2_y" in scores


def test_path_length_of_a_linear_map_is_its_squared_speed():
    rng = np.random.default_rng(0)
    start, step = rng.standard_normal((400, 5)), rng.standard_normal((400, 5))
    measured = path_length(start, start + 1e-4 * step, 1e-4, 200, seed=1)
    length = measured.scores["path_length"]
    assert length.value == pytest.approx(np.square(step).sum(1).mean(), rel=1e-6)
    assert length.low < length.value < length.high
    assert measured.protocol == {"path_length_n": 400}


def test_latents_of_another_number_are_refused(reader):
    held_out = random_factors(10, 2)
    with pytest.raises(EvaluationError, match="a latent for each of the 10 samples, got 9"):
        directions(reader, scenes(held_out), np.zeros((9, 2)), (scenes(held_out), held_out))
