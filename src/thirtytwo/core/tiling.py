"""Grids of images."""

import io

import numpy as np
from PIL import Image

__all__ = ["grid_png", "rows_png", "tile"]


def grid_png(images: np.ndarray, side: int, scale: int = 2) -> bytes:
    """Return a PNG of the first side x side images of uint8 [N, H, W, C], each enlarged `scale` times (nearest)."""
    return _png(tile(images[: side * side], side), scale)


def rows_png(images: np.ndarray, scale: int = 2) -> bytes:
    """Return a PNG of R rows of K images, uint8 [R, K, H, W, C]."""
    rows, columns, *shape = images.shape
    return _png(tile(images.reshape(rows * columns, *shape), columns), scale)


def tile(images: np.ndarray, columns: int) -> np.ndarray:
    """Arrange uint8 images [N, H, W, C] in rows of `columns`, with gaps of one pixel around each.

    The layout is that of torchvision's make_grid with padding=1, which takes 3 s to import.

    Returns:
        RGBA pixels [R (H + 1) + 1, columns (W + 1) + 1, 4]; gaps and missing images are transparent white.
    """
    count, height, width, _channels = images.shape
    rows, columns = -(-count // columns), min(columns, count)
    tiles = np.full((rows * columns, height + 1, width + 1, 4), (255, 255, 255, 0), np.uint8)
    tiles[:count, :height, :width, :3] = images  # broadcasts grey to RGB
    tiles[:count, :height, :width, 3] = 255
    joined = tiles.reshape(rows, columns, height + 1, width + 1, 4).swapaxes(1, 2)
    whole = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1, 4), (255, 255, 255, 0), np.uint8)
    whole[1:, 1:] = joined.reshape(rows * (height + 1), columns * (width + 1), 4)
    return whole


def _png(pixels: np.ndarray, scale: int) -> bytes:
    buffer = io.BytesIO()
    opaque = pixels[..., :3].repeat(scale, axis=0).repeat(scale, axis=1)
    Image.fromarray(opaque).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
