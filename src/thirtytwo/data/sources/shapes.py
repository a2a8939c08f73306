"""The procedural set `shapes`: five clean shapes in six hues on a dark background, with their factors recorded.

It is written as a folder of image files per class, of many sizes and some of them broken, so that preparation does
the same work as on a set from the wild. Its factors are known, so that disentanglement can be measured.
"""

import colorsys
import io
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from thirtytwo.data.factors import write_factors

__all__ = ["CLASSES", "FACTORS", "broken_files", "render", "write"]

CLASSES = ("circle", "cross", "square", "star", "triangle")
FACTORS = ("shape", "x", "y", "size", "rotation", "hue", "background")
_BROKEN = ("grayscale", "cmyk", "16bit", "corrupt", "truncated")
_HUES = (0.0, 0.09, 0.16, 0.36, 0.57, 0.80)  # red, orange, yellow, green, blue, violet, in turns
_SUPERSAMPLE = 4


def broken_files(images: int) -> int:
    """Number of broken files that `write` adds to `images` good ones, the same for each kind in `_BROKEN`."""
    return len(_BROKEN) * max(1, images // 1000)


def write(folder: Path, images: int, seed: int, progress: Iterable[int] | None = None) -> None:
    """Write <class>/<index>.jpg or .png below `folder`, and the factors of the good images.

    Args:
        images: number of good files: RGB JPEG and PNG, and some palette and RGBA PNG. `broken_files(images)` are
            added: grayscale, CMYK and 16-bit files, and some that do not decode.
        seed: image i depends on (seed, i) alone, so a larger set begins with the smaller one.
        progress: range(images + broken_files(images)), wrapped in a progress bar.
    """
    for name in CLASSES:
        (folder / name).mkdir(parents=True, exist_ok=True)
    recorded = {}
    for index in progress if progress is not None else range(images + broken_files(images)):
        rng = np.random.default_rng([seed, index])
        factors = _factors(rng, index % len(CLASSES))
        kind = _good_kind(rng) if index < images else _BROKEN[(index - images) % len(_BROKEN)]
        suffix, content = _encode(render(factors, _canvas(rng)), kind)
        file = f"{CLASSES[index % len(CLASSES)]}/{index:05d}.{suffix}"
        (folder / file).write_bytes(content)
        if index < images:
            recorded[file] = list(factors.values())
    write_factors(folder, FACTORS, recorded)


def render(factors: dict[str, float], canvas: tuple[int, int]) -> Image.Image:
    """Draw one RGB image of `canvas` = (width, height) pixels.

    The scene is a unit square stretched over the canvas, so squashing it back to a square leaves no distortion.
    `x`, `y` and `size` (the radius) are in units of the square's side, `rotation` is in radians, `hue` an index and
    `background` a grey level in [0, 1].
    """
    width, height = canvas
    mask = Image.new("L", (width * _SUPERSAMPLE, height * _SUPERSAMPLE))
    scale = np.array(mask.size) * 1.0
    points = _outline(CLASSES[int(factors["shape"])], factors["rotation"])
    centre = np.array([factors["x"], factors["y"]])
    ImageDraw.Draw(mask).polygon([(x, y) for x, y in (centre + factors["size"] * points) * scale], fill=255)
    mask = mask.resize(canvas, Image.Resampling.BOX)
    colour = colorsys.hsv_to_rgb(_HUES[int(factors["hue"])], 0.85, 1.0)
    level = round(255 * factors["background"])
    image = Image.new("RGB", canvas, (level, level, level))
    image.paste(tuple(round(255 * c) for c in colour), mask=mask)
    return image


def _factors(rng: np.random.Generator, shape: int) -> dict[str, float]:
    rotation = 0.0 if CLASSES[shape] == "circle" else rng.uniform(-0.35, 0.35)  # a rotated circle is the same image
    x, y = rng.uniform(0.40, 0.60, 2)
    size, hue, background = rng.uniform(0.27, 0.36), rng.integers(len(_HUES)), rng.uniform(0.03, 0.18)
    values = (shape, x, y, size, rotation, hue, background)
    return dict(zip(FACTORS, (float(value) for value in values), strict=True))


def _canvas(rng: np.random.Generator) -> tuple[int, int]:
    width = int(rng.integers(40, 97))
    height = width if rng.random() < 0.5 else int(rng.integers(40, 97))
    return width, height


def _outline(name: str, rotation: float) -> np.ndarray:
    """Corners of a shape around the origin, [P, 2], y pointing down; all shapes have similar areas."""
    if name == "circle":
        angles = np.linspace(0, 2 * math.pi, 96, endpoint=False)
        corners = 0.92 * np.stack([np.cos(angles), np.sin(angles)], 1)
    elif name == "square":
        corners = 0.82 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    elif name == "triangle":
        corners = 1.15 * _ring(3) + np.array([0, 0.2])
    elif name == "star":
        corners = np.stack([1.2 * _ring(5), 0.5 * _ring(5, math.pi / 5)], 1).reshape(-1, 2)
    else:
        a, b = 0.34, 1.05
        right = np.array([[a, -b], [a, -a], [b, -a], [b, a], [a, a], [a, b]])
        corners = np.concatenate([right, -right])
    cos, sin = math.cos(rotation), math.sin(rotation)
    return corners @ np.array([[cos, sin], [-sin, cos]])


def _ring(count: int, shift: float = 0.0) -> np.ndarray:
    """`count` points on the unit circle, the first at the top, all rotated by `shift` radians."""
    angles = shift + 2 * math.pi * np.arange(count) / count
    return np.stack([np.sin(angles), -np.cos(angles)], 1)


def _good_kind(rng: np.random.Generator) -> str:
    return str(rng.choice(["jpeg", "png", "palette", "rgba"], p=[0.7, 0.2, 0.05, 0.05]))


def _encode(image: Image.Image, kind: str) -> tuple[str, bytes]:
    """Suffix and content of an image file of the given kind."""
    if kind == "corrupt":
        return "jpg", b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4
    if kind == "16bit":
        grey = np.asarray(image.convert("L"), np.uint16) * 257
        return "png", _saved(Image.fromarray(grey), "PNG")
    if kind in ("png", "palette", "rgba"):
        modes = {"png": "RGB", "rgba": "RGBA"}
        return "png", _saved(image.quantize(128) if kind == "palette" else image.convert(modes[kind]), "PNG")
    content = _saved(image.convert({"grayscale": "L", "cmyk": "CMYK"}.get(kind, "RGB")), "JPEG")
    return "jpg", content[: len(content) // 2] if kind == "truncated" else content


def _saved(image: Image.Image, form: str) -> bytes:
    stream = io.BytesIO()
    # PNG: level 1 is several times faster than the default, and lossless all the same
    options = {"quality": 95, "subsampling": 0} if form == "JPEG" else {"compress_level": 1}
    image.save(stream, form, **options)
    return stream.getvalue()
