"""The procedural set: its pictures show their factors, and its bytes depend on the seed alone."""

import hashlib
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from thirtytwo.data.factors import read_factors
from thirtytwo.data.sources import shapes


def tree(folder):
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("shapes")
    shapes.write(path, 200, 1)
    return path


def test_files_classes_and_factors(folder):
    files = [p for p in folder.rglob("*") if p.suffix in (".jpg", ".png")]
    assert len(files) == 200 + shapes.broken_files(200) == 205
    good = [str(p.relative_to(folder)) for p in files if int(p.stem) < 200]
    names, factors = read_factors(folder, good)
    assert (tuple(names), factors.shape) == (shapes.FACTORS, (200, 7))
    assert Counter(file.split("/")[0] for file in good) == dict.fromkeys(shapes.CLASSES, 40)
    assert [shapes.CLASSES[int(shape)] for shape in factors[:, 0]] == [file.split("/")[0] for file in good]
    sizes = {Image.open(folder / file).size for file in good}
    assert len(sizes) > 50
    assert any(width != height for width, height in sizes)
    assert {Image.open(folder / file).mode for file in good} == {"RGB", "P", "RGBA"}


def test_a_smaller_set_begins_a_larger_one_and_the_seed_counts(folder, tmp_path):
    shapes.write(tmp_path / "same", 200, 1)
    assert tree(tmp_path / "same") == tree(folder)
    shapes.write(tmp_path / "small", 50, 1)
    small, large = tree(tmp_path / "small"), tree(folder)
    assert all(large[f] == small[f] for f in small if f.endswith(("jpg", "png")) and int(f.split("/")[1][:5]) < 50)
    shapes.write(tmp_path / "other", 50, 2)
    assert not set(tree(tmp_path / "other").values()) & set(small.values()) - {small["star/00053.jpg"]}


@pytest.mark.parametrize("shape", range(5))
def test_pictures_show_their_factors(shape):
    rng = np.random.default_rng(shape)
    for _ in range(10):
        hue, level = int(rng.integers(6)), rng.uniform(0.03, 0.18)
        x, y, size = rng.uniform(0.4, 0.6), rng.uniform(0.4, 0.6), rng.uniform(0.27, 0.36)
        factors = {"shape": shape, "x": x, "y": y, "size": size, "rotation": 0.2, "hue": hue, "background": level}
        pixels = np.asarray(shapes.render(factors, (96, 64)), float)
        assert np.allclose(pixels[0, 0], round(255 * level))  # the corners are background
        assert np.allclose(pixels[-1, -1], round(255 * level))
        weight = np.abs(pixels - pixels[0, 0]).sum(2)
        weight /= weight.max()
        height, width = weight.shape
        centre_x = (weight.sum(0) * (np.arange(width) + 0.5)).sum() / weight.sum() / width
        centre_y = (weight.sum(1) * (np.arange(height) + 0.5)).sum() / weight.sum() / height
        assert abs(centre_x - x) < 0.07  # the triangle's centroid lies a little below its centre
        assert abs(centre_y - y) < 0.07
        # area over the square of the size: pi r^2 = 2.66 for the circle (r 0.92), 1.64^2 = 2.69 for the square
        area = weight.mean() / size**2
        expected = {"circle": np.pi * 0.92**2, "square": 1.64**2, "triangle": 3 * np.sqrt(3) / 4 * 1.15**2}
        expected |= {"cross": 4 * 0.34 * (2 * 1.05 - 0.34), "star": 10 * 0.5 * 1.2 * 0.5 * np.sin(np.pi / 5)}
        assert area == pytest.approx(expected[shapes.CLASSES[shape]], rel=0.04)
