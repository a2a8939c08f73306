"""Grids of images against torchvision's."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.utils import make_grid

from thirtytwo.core.tiling import grid_png, rows_png


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def theirs(images: np.ndarray, columns: int) -> np.ndarray:
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    grid = make_grid(tensor, nrow=columns, padding=1, pad_value=255).permute(1, 2, 0).numpy()
    return grid.repeat(2, axis=0).repeat(2, axis=1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("count", [2, 9, 11])
def test_grid_equals_torchvisions(count: int, channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (count, 32, 32, channels), np.uint8)
    np.testing.assert_array_equal(pixels(grid_png(images, 3)), theirs(images[:9], 3))


def test_rows_equal_torchvisions_grid() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 32, 32, 3), np.uint8)
    np.testing.assert_array_equal(pixels(rows_png(images)), theirs(images.reshape(10, 32, 32, 3), 5))
