"""Image grids as PNG."""

import io

import numpy as np
import torch
from PIL import Image
from torchvision.utils import make_grid

__all__ = ["grid_png"]


def grid_png(images: np.ndarray, side: int, scale: int = 2, rows: int | None = None) -> bytes:
    """PNG bytes of uint8 [N, H, W, C] images, each enlarged `scale` times (nearest).

    The first `side` x `side` of them, or `rows` rows of `side`.
    """
    chosen = torch.from_numpy(images[: (rows or side) * side]).permute(0, 3, 1, 2)
    grid = make_grid(chosen, nrow=side, padding=1, pad_value=255)
    pixels = grid.permute(1, 2, 0).numpy().repeat(scale, axis=0).repeat(scale, axis=1)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
