"""Images from any model: converted like those of the data set."""

import numpy as np
from PIL import Image

from image_files import preparation
from thirtytwo.cli.images import read


def test_files_are_resized_as_the_data_set_is(tmp_path):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8))
    (tmp_path / "deep/er").mkdir(parents=True)
    for number in range(6):
        picture.save(tmp_path / f"deep/er/{number}.png")
    picture.convert("L").save(tmp_path / "b.png")
    picture.save(tmp_path / "c.bmp")
    squashed = np.asarray(picture.resize((32, 32), Image.Resampling.BICUBIC))
    given = read(tmp_path, preparation(), (), False)
    np.testing.assert_array_equal(given.images, [squashed] * 7)
    assert given.removed == (("b.png", "grayscale"),)
    assert given.labels.tolist() == [-1] * 7
    assert len(read(tmp_path, preparation(convert=["grayscale"]), (), False).images) == 8


def test_a_subset_is_drawn_without_replacement_or_is_the_first_images(tmp_path):
    pixels = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "ten.npz", images=pixels, labels=np.arange(10) % 2)
    given = read(tmp_path / "ten.npz", preparation(), ("a", "b"), False)
    assert given.subset(4, None).images[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    drawn = [given.subset(4, seed) for seed in range(20)]
    numbers = [tuple(subset.images[:, 0, 0, 0].tolist()) for subset in drawn]
    assert all(len(set(chosen)) == 4 for chosen in numbers)
    assert len(set(numbers)) > 1
    assert all(np.array_equal(subset.labels, subset.images[:, 0, 0, 0] % 2) for subset in drawn)
