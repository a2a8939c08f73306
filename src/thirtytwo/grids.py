"""Grids of images."""

import io

import numpy as np
import torch
from PIL import Image
from torchvision.utils import make_grid

__all__ = ["grid_png", "rows_png"]


def grid_png(images: np.ndarray, side: int, scale: int = 2) -> bytes:
    """PNG bytes of the first `side` x `side` of uint8 [N, H, W, C] images, each enlarged `scale` times (nearest)."""
    return _png(_grid(images[: side * side], side, scale))


def rows_png(images: np.ndarray, scale: int = 2) -> bytes:
    """PNG bytes of uint8 images [R, K, H, W, C], a row each."""
    rows, columns, *shape = images.shape
    return _png(_grid(images.reshape(rows * columns, *shape), columns, scale))


def _grid(images: np.ndarray, columns: int, scale: int) -> np.ndarray:
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    grid = make_grid(tensor, nrow=columns, padding=1, pad_value=255)
    return grid.permute(1, 2, 0).numpy().repeat(scale, axis=0).repeat(scale, axis=1)


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
