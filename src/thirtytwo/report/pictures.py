"""Images and plots as small files: lossless WebP for still images, lossy for animations, few colours for plots."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from thirtytwo.core.tiling import tile

__all__ = ["animation", "board", "plot_file", "rows", "slug", "spread_over_classes", "stage_tiles"]

_MARK = (255, 128, 0, 255)  # around framed columns
_GROUND = (28, 32, 36)  # behind the images of an animation
_HEAD = 14  # height of the line of text above an animation
_HOLD = 4  # how many times longer the last frame of an animation stays
_COLOURS = 48  # of a plot: a few lines and their antialiasing
_PITCH = 33  # pixels from one image of a stage's grid to the next, at the images' size


def slug(*parts: str) -> str:
    """A file name made of `parts`; characters other than letters, digits and underscores become dashes."""
    return "-".join(re.sub(r"[^A-Za-z0-9_]+", "-", part).strip("-") for part in parts) + ".webp"


def spread_over_classes(labels: np.ndarray, n: int) -> np.ndarray:
    """Indices [<= n] of images that take turns through the classes, each class in the order of the file."""
    turn = pd.Series(labels).groupby(labels).cumcount().to_numpy()
    return np.lexsort((labels, turn))[:n]


def stage_tiles(grid: Path) -> np.ndarray:
    """Images [R, K, 32, 32, 3] of a grid that a stage wrote, which enlarges them twice."""
    with Image.open(grid) as image:
        whole = np.asarray(image.convert("RGB").reduce(2))  # a mean over 2x2 equal pixels
    rows, columns = whole.shape[0] // _PITCH, whole.shape[1] // _PITCH
    inner = whole[: rows * _PITCH, : columns * _PITCH].reshape(rows, _PITCH, columns, _PITCH, 3)
    return inner[:, 1:, :, 1:].transpose(0, 2, 1, 3, 4)


def _framed(images: np.ndarray, columns: tuple[int, ...]) -> np.ndarray:
    """RGBA pixels of images [R, K, H, W, C], a row each, with orange lines around some columns."""
    rows, per_row, height, width, _channels = images.shape
    whole = tile(images.reshape(rows * per_row, *images.shape[2:]), per_row)
    for column in columns:
        left, right = column * (width + 1), (column + 1) * (width + 1)
        whole[:, [left, right]] = _MARK
        whole[:: height + 1, left : right + 1] = _MARK
    return whole


def board(path: Path, images: np.ndarray, columns: int, scale: int = 1) -> None:
    """Write images [N, H, W, C] in rows of `columns`, `scale` times enlarged; an incomplete last row is dropped."""
    complete = images[: len(images) // columns * columns]
    whole = tile(complete, columns)
    _lossless(Image.fromarray(whole.repeat(scale, axis=0).repeat(scale, axis=1)), path)


def rows(path: Path, images: np.ndarray, framed: tuple[int, ...] = (), levels: int = 256) -> None:
    """Write images [R, K, H, W, C], a row each, with orange lines around the columns in `framed`.

    Colours are rounded to `levels` values a channel: 64 differ from 256 by at most 2 of 255, which no eye sees, and halve
    the file of a noisy picture.

    The gaps are transparent. The page enlarges the picture by whole pixels; a larger file would be no sharper.
    """
    if levels < 256:
        images = np.round(np.round(images / 255 * (levels - 1)) * (255 / (levels - 1))).astype(np.uint8)
    _lossless(Image.fromarray(_framed(images, framed)), path)


def animation(path: Path, frames: np.ndarray, titles: Sequence[str], columns: int, milliseconds: int = 400) -> None:
    """Write uint8 frames [F, N, H, W, C] in rows of `columns`, each below its title; the WebP plays three times."""
    pictures = []
    for images, title in zip(frames, titles, strict=True):
        shown = images[: len(images) // columns * columns]
        whole = Image.fromarray(tile(shown, columns))
        picture = Image.new("RGB", (whole.width, whole.height + _HEAD), _GROUND)
        picture.paste(whole, (0, _HEAD), whole)
        ImageDraw.Draw(picture).text((4, 1), title, fill="white")
        pictures.append(picture)
    pictures[0].save(
        path, "WEBP", save_all=True, append_images=pictures[1:], loop=3, quality=80, method=4,
        duration=[milliseconds] * (len(pictures) - 1) + [milliseconds * _HOLD],
    )  # fmt: skip


def plot_file(path: Path, pixels: np.ndarray) -> None:
    """Write the RGBA pixels of a plot in few colours."""
    image = Image.fromarray(pixels).convert("RGB")
    # Without k-means, grid and lines would take on other colours; a quarter of the pixels shows it the same ones.
    quarter = image.resize((image.width // 2, image.height // 2), Image.Resampling.NEAREST)
    palette = quarter.quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=1)
    few = image.quantize(palette=palette, dither=Image.Dither.NONE)
    _lossless(few.convert("RGB"), path)


def _lossless(image: Image.Image, path: Path) -> None:
    image.save(path, "WEBP", lossless=True, quality=50, method=4, exact=True)
