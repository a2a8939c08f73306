"""From one image file, or one array, to a 32x32 uint8 array, or to the reason why it is rejected."""

import io
import struct
import warnings
import zlib

import numpy as np
from PIL import Image

from thirtytwo.settings.data import Preparation

__all__ = ["SIDE", "RejectedError", "native_kind", "to_array"]

SIDE = 32
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_MAX_PIXELS = 50_000_000  # more than any photograph of these sets has; a bomb has 100 times as many
_KINDS = {
    "RGB": "rgb", "RGBX": "rgb", "L": "grayscale", "1": "grayscale", "LA": "grayscale", "La": "grayscale",
    "P": "palette", "PA": "palette", "RGBA": "rgba", "RGBa": "rgba", "CMYK": "cmyk", "YCbCr": "rgb",
    "I;16": "16bit", "I;16L": "16bit", "I;16B": "16bit", "I;16N": "16bit", "I": "16bit",
}  # fmt: skip
_UNREADABLE = (
    OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, ArithmeticError, struct.error, zlib.error,
    Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip


class RejectedError(Exception):
    """An image that is left out.

    Attributes:
        reason: for the list of removed files.
        unreadable: whether it does not decode; otherwise the settings do not convert its kind.
    """

    def __init__(self, reason: str, unreadable: bool):
        super().__init__(reason)
        self.reason, self.unreadable = reason, unreadable


def native_kind(settings: Preparation) -> str:
    """The kind that needs no conversion: rgb for a set with 3 channels, grayscale for one with 1."""
    return "rgb" if settings.channels == 3 else "grayscale"


def to_array(content: bytes | np.ndarray, settings: Preparation) -> tuple[np.ndarray, str]:
    """Convert a file's bytes, or an array [H, W] or [H, W, 3] uint8, to [32, 32, channels] uint8; return it and its kind.

    The kind is rgb, grayscale, palette, rgba, cmyk or 16bit. Kinds other than the set's native one are converted if
    `settings.convert` lists them: transparent pixels become black, and of 16 bits the upper 8 are kept. Grayscale is
    the file's mode (L, LA or 1), not its look: an RGB file of grey pixels is rgb.

    Raises:
        RejectedError: it does not decode to the end, has more than 50 million pixels, or is of a kind that is not
            converted.
    """
    image = Image.fromarray(content) if isinstance(content, np.ndarray) else _decode(content)
    kind = _KINDS.get(image.mode, f"mode {image.mode}")
    if kind != native_kind(settings) and kind not in settings.convert:
        raise RejectedError(kind, unreadable=False)
    image = _resized(_converted(image, "RGB" if settings.channels == 3 else "L"), settings)
    return np.asarray(image, np.uint8).reshape(SIDE, SIDE, settings.channels), kind


def _decode(content: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=_FORMATS)
        width, height = image.size
        if width * height > _MAX_PIXELS:
            raise Image.DecompressionBombError(f"{width}x{height}")
        image.load()  # Image.open reads the header only
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise RejectedError(f"decompression bomb: {' '.join(str(error).split())}", unreadable=True) from None
    except _UNREADABLE as error:
        # the message may contain the stream object's memory address, which differs from run to run
        reason = "not an image" if isinstance(error, Image.UnidentifiedImageError) else " ".join(str(error).split())
        raise RejectedError(f"does not decode: {reason}", unreadable=True) from None
    return image


def _converted(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == mode:
        return image
    if _KINDS[image.mode] == "16bit":  # Image.convert would clip at 255, not scale
        levels = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        return Image.fromarray((levels >> 8).astype(np.uint8)).convert(mode)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image).convert(mode)
    return image.convert(mode)


def _resized(image: Image.Image, settings: Preparation) -> Image.Image:
    """Resize to 32x32 by `settings.fit`: squash both sides, crop the central square, or pad with black without enlarging."""
    resample = Image.Resampling[settings.resample.upper()]
    width, height = image.size
    if settings.fit == "pad":
        scale = min(1.0, SIDE / max(width, height))
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        canvas = Image.new(image.mode, (SIDE, SIDE))
        canvas.paste(image.resize(inner, resample), ((SIDE - inner[0]) // 2, (SIDE - inner[1]) // 2))
        return canvas
    if settings.fit == "crop":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    return image.resize((SIDE, SIDE), resample)
