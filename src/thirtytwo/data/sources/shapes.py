"""The procedural set `shapes`: five shapes in six hues on a dark background, with their factors recorded.

It is written as a folder of image files per class, of many sizes and some of them broken, so that preparation does
the same work as on a set from the wild. Its true factors are known, so that disentanglement can be measured. Like
photographs, the easy variant also differs in focus, brightness and light from image to image. No factor records that:
it makes neighbouring images as different as real ones, so that precision and coverage agree with the eye.
"""

import colorsys
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from thirtytwo.data.factors import write_factors

__all__ = ["CLASSES", "FACTORS", "broken_files", "render", "write"]

CLASSES = ("circle", "cross", "square", "star", "triangle")
FACTORS = ("shape", "x", "y", "size", "rotation", "hue", "background")
_BROKEN = ("grayscale", "cmyk", "16bit", "corrupt", "truncated")
_HUES = (0.0, 0.09, 0.16, 0.36, 0.57, 0.80)  # red, orange, yellow, green, blue, violet, in turns
_SUPERSAMPLE = 4
_EDGE_PARTS = 8

Range = tuple[float, float]


@dataclass(frozen=True)
class Ranges:
    """The ranges of the uniform distributions of factors and nuisances.

    Attributes:
        position: of the centre, in each direction, in units of the image's side.
        size: of the radius, in the same units.
        rotation: in radians, either way.
        background: grey level in [0, 1].
        softness: standard deviation of the Gaussian blur of the outline, in pixels of a 32x32 image.
        brightness: of the shape, as a factor of its colour.
        bend: standard deviation of the coefficients that bend the outline like a shape cut by hand, see `_bent`.
        light: change of the light from one side of the image to the other, either way, as a share of it.
    """

    position: Range
    size: Range
    rotation: float
    background: Range
    softness: Range
    brightness: Range
    bend: float
    light: float


Difficulty = Literal["easy", "hard"]
RANGES: dict[Difficulty, Ranges] = {
    "easy": Ranges((0.46, 0.54), (0.33, 0.39), 0.2, (0.05, 0.15), (0.4, 1.2), (0.75, 1.0), 0.05, 0.25),
    "hard": Ranges((0.40, 0.60), (0.27, 0.36), 0.35, (0.03, 0.18), (0.0, 0.0), (1.0, 1.0), 0.0, 0.0),
}


@dataclass(frozen=True)
class Nuisance:
    """Variation between images that no factor records; see `Ranges`.

    Attributes:
        softness, brightness: one draw each.
        bend: [2, 5] coefficients.
        light: along the width and the height.
    """

    softness: float = 0.0
    brightness: float = 1.0
    bend: np.ndarray = field(default_factory=lambda: np.zeros((2, 5)))
    light: Range = (0.0, 0.0)


def broken_files(images: int) -> int:
    """Number of broken files that `write` adds to `images` good ones, the same for each kind in `_BROKEN`."""
    return len(_BROKEN) * max(1, images // 1000)


def write(
    folder: Path, images: int, seed: int, progress: Iterable[int] | None = None, difficulty: Difficulty = "easy"
) -> None:
    """Write <class>/<index>.jpg or .png below `folder`, and the factors of the good images.

    Args:
        images: number of good files: RGB JPEG and PNG, and some palette and RGBA PNG. `broken_files(images)` are
            added: grayscale, CMYK and 16-bit files, and some that do not decode.
        seed: image i depends on (seed, i) alone, so a larger set begins with the smaller one.
        progress: range(images + broken_files(images)), wrapped in a progress bar.
        difficulty: "easy" for narrow ranges, soft outlines and uneven light; "hard" for wide ranges and sharp ones.
    """
    for name in CLASSES:
        (folder / name).mkdir(parents=True, exist_ok=True)
    recorded = {}
    for index in progress if progress is not None else range(images + broken_files(images)):
        rng = np.random.default_rng([seed, index])
        factors = _factors(rng, index % len(CLASSES), RANGES[difficulty])
        kind = _good_kind(rng) if index < images else _BROKEN[(index - images) % len(_BROKEN)]
        suffix, content = _encode(render(factors, _canvas(rng), _nuisance(rng, RANGES[difficulty])), kind)
        file = f"{CLASSES[index % len(CLASSES)]}/{index:05d}.{suffix}"
        (folder / file).write_bytes(content)
        if index < images:
            recorded[file] = list(factors.values())
    write_factors(folder, FACTORS, recorded)


def render(factors: dict[str, float], canvas: tuple[int, int], nuisance: Nuisance = Nuisance()) -> Image.Image:
    """Draw one RGB image of `canvas` = (width, height) pixels.

    The scene is a unit square stretched over the canvas, so squashing it back to a square leaves no distortion.
    `x`, `y` and `size` (the radius) are in units of the square's side, `rotation` is in radians, `hue` an index and
    `background` a grey level in [0, 1].
    """
    width, height = canvas
    mask = Image.new("L", (width * _SUPERSAMPLE, height * _SUPERSAMPLE))
    scale = np.array(mask.size) * 1.0
    points = _bent(_outline(CLASSES[int(factors["shape"])], factors["rotation"]), nuisance.bend)
    centre = np.array([factors["x"], factors["y"]])
    ImageDraw.Draw(mask).polygon([(x, y) for x, y in (centre + factors["size"] * points) * scale], fill=255)
    mask = mask.resize(canvas, Image.Resampling.BOX)
    if nuisance.softness:
        mask = mask.filter(ImageFilter.GaussianBlur((nuisance.softness * width / 32, nuisance.softness * height / 32)))
    cover = np.asarray(mask, np.float64)[:, :, None] / 255
    colour = np.array(colorsys.hsv_to_rgb(_HUES[int(factors["hue"])], 0.85, nuisance.brightness))
    u, v = (np.arange(side) / side - 0.5 for side in canvas)
    light = 1 + nuisance.light[0] * u + nuisance.light[1] * v[:, None]
    pixels = (cover * colour + (1 - cover) * factors["background"]) * light[:, :, None]
    return Image.fromarray((255 * pixels.clip(0, 1)).round().astype(np.uint8))


def _factors(rng: np.random.Generator, shape: int, ranges: Ranges) -> dict[str, float]:
    turn = rng.uniform(-ranges.rotation, ranges.rotation)
    rotation = 0.0 if CLASSES[shape] == "circle" else turn  # a turned circle is the same image
    x, y = rng.uniform(*ranges.position, 2)
    size, hue, background = rng.uniform(*ranges.size), rng.integers(len(_HUES)), rng.uniform(*ranges.background)
    values = (shape, x, y, size, rotation, hue, background)
    return dict(zip(FACTORS, (float(value) for value in values), strict=True))


def _nuisance(rng: np.random.Generator, ranges: Ranges) -> Nuisance:
    softness, brightness = rng.uniform(*ranges.softness), rng.uniform(*ranges.brightness)
    x, y = rng.uniform(-ranges.light, ranges.light, 2)
    return Nuisance(softness, brightness, ranges.bend * rng.standard_normal((2, 5)), (float(x), float(y)))


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


def _bent(corners: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """The outline [P, 2], its edges divided into parts and moved by bend @ (x, y, x^2, xy, y^2)."""
    parts = np.arange(_EDGE_PARTS)[:, None] / _EDGE_PARTS
    points = (corners[:, None] + parts * (np.roll(corners, -1, 0) - corners)[:, None]).reshape(-1, 2)
    x, y = points.T
    return points + np.stack([x, y, x * x, x * y, y * y], 1) @ bend.T


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
