"""Grids of images, still and moving."""

import io

import numpy as np
import torch
from PIL import Image, ImageDraw
from torchvision.utils import make_grid

__all__ = ["animation_webp", "grid_png", "rows_png"]

_MARK = (213, 94, 0)  # of framed columns
_HOLD = 4  # how many times longer the last frame of an animation stays


def grid_png(images: np.ndarray, side: int, scale: int = 2) -> bytes:
    """PNG bytes of the first `side` x `side` of uint8 [N, H, W, C] images, each enlarged `scale` times (nearest)."""
    return _png(_grid(images[: side * side], side, scale))


def rows_png(images: np.ndarray, framed: tuple[int, ...] = (), scale: int = 2) -> bytes:
    """PNG bytes of uint8 images [R, K, H, W, C], a row each; the columns in `framed` have an orange frame."""
    rows, columns, height, width, _ = images.shape
    pixels = _grid(images.reshape(rows * columns, *images.shape[2:]), columns, scale)
    picture = Image.fromarray(pixels)
    draw = ImageDraw.Draw(picture)
    step_x, step_y = scale * (width + 1), scale * (height + 1)
    for row in range(rows):
        for column in framed:
            x, y = column * step_x, row * step_y
            draw.rectangle((x, y, x + step_x + scale - 1, y + step_y + scale - 1), outline=_MARK, width=2 * scale)
    return _png(np.asarray(picture))


def animation_webp(frames: np.ndarray, steps: list[int], side: int, scale: int = 2, milliseconds: int = 400) -> bytes:
    """WebP of uint8 frames [F, N, H, W, C]: the first side x side images of each, below the step; plays three times."""
    pictures = []
    for images, step in zip(frames, steps, strict=True):
        pixels = _grid(images[: side * side], side, scale)
        picture = Image.new("RGB", (pixels.shape[1], pixels.shape[0] + 18), "white")
        picture.paste(Image.fromarray(pixels), (0, 18))
        ImageDraw.Draw(picture).text((4, 3), f"step {step:,}", fill="black")
        pictures.append(picture)
    durations = [milliseconds] * (len(pictures) - 1) + [milliseconds * _HOLD]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, "WEBP", save_all=True, append_images=pictures[1:], duration=durations, loop=3, quality=70, method=4
    )
    return buffer.getvalue()


def _grid(images: np.ndarray, columns: int, scale: int) -> np.ndarray:
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
    grid = make_grid(tensor, nrow=columns, padding=1, pad_value=255)
    return grid.permute(1, 2, 0).numpy().repeat(scale, axis=0).repeat(scale, axis=1)


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
