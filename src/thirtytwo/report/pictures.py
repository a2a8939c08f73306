"""Pixels and plots as small files: lossless WebP for pictures, lossy for animations, few colours for plots."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

__all__ = ["animation", "grid_file", "pixels", "plot_file", "rows", "tile"]

_MARK = (255, 128, 0)  # of framed columns
_HEAD = 14  # height of the line of text above an animation
_HOLD = 4  # how many times longer the last frame of an animation stays
_COLOURS = 48  # of a plot: a few lines and their antialiasing


def tile(images: np.ndarray, framed: tuple[int, ...] = ()) -> np.ndarray:
    """uint8 images [R, K, H, W, C], a row each, as pixels [R (H + 1) + 1, K (W + 1) + 1, 3] with white lines between.

    The columns in `framed` have orange lines around them instead. Enlarging is left to the page, which does it by
    whole pixels: a picture of twice the size would be no sharper, only heavier.
    """
    count, columns, height, width, channels = images.shape
    board = np.full((count, height + 1, columns, width + 1, 3), 255, np.uint8)
    board[:, 1:, :, 1:] = images.transpose(0, 2, 1, 3, 4) if channels == 3 else images.transpose(0, 2, 1, 3, 4)[..., :1]
    board = board.reshape(count * (height + 1), columns * (width + 1), 3)
    whole = np.full((board.shape[0] + 1, board.shape[1] + 1, 3), 255, np.uint8)
    whole[:-1, :-1] = board
    for column in framed:
        left, right = column * (width + 1), (column + 1) * (width + 1)
        whole[:, [left, right]] = _MARK
        whole[:: height + 1, left : right + 1] = _MARK
    return whole


def rows(path: Path, images: np.ndarray, framed: tuple[int, ...] = ()) -> None:
    """Writes images [R, K, H, W, C] as lossless WebP; see `tile`."""
    pixels(path, tile(images, framed))


def pixels(path: Path, values: np.ndarray) -> None:
    """Writes uint8 [H, W, 3] as lossless WebP."""
    _lossless(Image.fromarray(values), path)


def grid_file(path: Path, grid: Path, most: int) -> None:
    """Writes the upper `most` rows of a stage's grid of 32x32 images, which is twice enlarged, at its own size."""
    with Image.open(grid) as image:
        small = image.convert("RGB").reduce(2)  # a mean over 2x2 equal pixels
    _lossless(small.crop((0, 0, small.width, min(small.height, most * 33 + 1))), path)


def animation(path: Path, frames: np.ndarray, titles: Sequence[str], side: int, milliseconds: int = 400) -> None:
    """Writes uint8 frames [F, N, H, W, C] as a WebP that plays three times: `side` images a row, below a title each."""
    pictures = []
    for images, title in zip(frames, titles, strict=True):
        shown = images[: len(images) // side * side]
        board = tile(shown.reshape(-1, side, *shown.shape[1:]))
        picture = Image.new("RGB", (board.shape[1], board.shape[0] + _HEAD), "white")
        picture.paste(Image.fromarray(board), (0, _HEAD))
        ImageDraw.Draw(picture).text((2, 1), title, fill="black")
        pictures.append(picture)
    pictures[0].save(
        path, "WEBP", save_all=True, append_images=pictures[1:], loop=3, quality=80, method=4,
        duration=[milliseconds] * (len(pictures) - 1) + [milliseconds * _HOLD],
    )  # fmt: skip


def plot_file(path: Path, png: bytes) -> None:
    """Writes a plot, given as PNG, in few colours."""
    with Image.open(io.BytesIO(png)) as image:
        few = image.convert("RGB").quantize(_COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    _lossless(few.convert("RGB"), path)


def _lossless(image: Image.Image, path: Path) -> None:
    image.save(path, "WEBP", lossless=True, quality=100, method=4)
