"""Grids of images."""

import io

import numpy as np
from PIL import Image

__all__ = ["grid_png", "rows_png"]


def grid_png(images: np.ndarray, side: int, scale: int = 2) -> bytes:
    """Return a PNG of the first side x side images of uint8 [N, H, W, C], each enlarged `scale` times (nearest)."""
    return _png(_grid(images[: side * side], side, scale))


def rows_png(images: np.ndarray, scale: int = 2) -> bytes:
    """Return a PNG of R rows of K images, uint8 [R, K, H, W, C]."""
    rows, columns, *shape = images.shape
    return _png(_grid(images.reshape(rows * columns, *shape), columns, scale))


def _grid(images: np.ndarray, columns: int, scale: int) -> np.ndarray:
    """Arrange images like torchvision's make_grid with padding=1, which takes 3 s to import."""
    count, height, width, _channels = images.shape
    rows, columns = -(-count // columns), min(columns, count)
    tiles = np.full((rows * columns, height + 1, width + 1, 3), 255, np.uint8)
    tiles[:count, :height, :width] = images  # broadcasts grey to RGB
    joined = tiles.reshape(rows, columns, height + 1, width + 1, 3).swapaxes(1, 2)
    grid = joined.reshape(rows * (height + 1), columns * (width + 1), 3)
    return np.pad(grid, ((1, 0), (1, 0), (0, 0)), constant_values=255).repeat(scale, axis=0).repeat(scale, axis=1)


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
