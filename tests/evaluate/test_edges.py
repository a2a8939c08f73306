"""Edge strength against images whose differences are known, and its direction under blur and noise."""

import numpy as np
import pytest
from scipy import ndimage

from thirtytwo.evaluate.edges import edge_strength, edges


def test_stripes_differ_in_one_direction_only():
    stripes = np.zeros((3, 32, 32, 1), np.uint8)
    stripes[0, :, ::2] = 100  # each horizontal pair differs by 100, no vertical one
    stripes[1, ::2] = 60
    stripes[2] = 200
    assert edge_strength(stripes).tolist() == [50, 30, 0]


def test_chunks_and_colours_make_no_difference():
    images = np.random.default_rng(0).integers(0, 256, (2100, 32, 32, 3), dtype=np.uint8)
    strengths = edge_strength(images)
    assert strengths.shape == (2100,)
    assert strengths == pytest.approx(255 / 3 + 1 / 3, rel=0.05)  # mean |a - b| of two uniform levels
    assert strengths[2050] == edge_strength(images[2050:2051])[0]


def test_blur_lowers_and_noise_raises_it():
    rng = np.random.default_rng(0)
    real = (rng.random((40, 4, 4, 1)) < 0.5).repeat(8, axis=1).repeat(8, axis=2) * np.uint8(200)
    level = float(edge_strength(real).mean())
    assert edges(real, level, None).value == pytest.approx(1)
    blurred = ndimage.gaussian_filter(real.astype(np.float64), (0, 3, 3, 0)).astype(np.uint8)
    noisy = np.clip(real + rng.normal(0, 20, real.shape), 0, 255).astype(np.uint8)
    for images, low, high in ((blurred, 0.2, 0.9), (noisy, 1.1, 3.0)):
        found = edges(images, level, np.arange(40) % 2)
        assert low < found.low < found.value < found.high < high


def test_without_edges_in_the_reference_nothing_is_measured():
    assert edges(np.zeros((2, 32, 32, 1), np.uint8), 0.0, None).value is None
