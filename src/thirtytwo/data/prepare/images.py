"""One image file, or one array, to one 32x32 uint8 array; what is wrong with it, if it cannot be."""

import io
import struct
import warnings
import zlib

import numpy as np
from PIL import Image

from thirtytwo.settings.data import Preparation

__all__ = ["SIDE", "RejectedError", "to_array"]

SIDE = 32
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
_MAX_PIXELS = 50_000_000  # beyond any photograph of these sets; a bomb is 100 times as large
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
    """An image that is not kept.

    Attributes:
        reason: for the list of removed files.
        unreadable: it does not decode, as against a mode that the settings leave out.
    """

    def __init__(self, reason: str, unreadable: bool):
        super().__init__(reason)
        self.reason, self.unreadable = reason, unreadable


def to_array(content: bytes | np.ndarray, settings: Preparation) -> tuple[np.ndarray, str]:
    """[32, 32, channels] uint8 of a file's bytes, or of an array [H, W] or [H, W, 3] uint8, and its kind.

    The kind is rgb, grayscale, palette, rgba, cmyk or 16bit; that of a set with 3 channels is rgb, with 1 grayscale.
    Others are converted if `settings.convert` has them: transparent pixels become black, of 16 bits the upper 8
    are kept. Grayscale is the file's mode (L, LA or 1), not its look: an RGB file of grey pixels stays.

    Raises:
        RejectedError: it does not decode to the end, would unpack to over 50 million pixels, or is of another kind.
    """
    image = Image.fromarray(content) if isinstance(content, np.ndarray) else _decode(content)
    kind = _KINDS.get(image.mode, f"mode {image.mode}")
    own = "rgb" if settings.channels == 3 else "grayscale"
    if kind != own and kind not in settings.convert:
        raise RejectedError(kind, unreadable=False)
    image = _resized(_converted(image, "RGB" if own == "rgb" else "L"), settings)
    return np.asarray(image, np.uint8).reshape(SIDE, SIDE, settings.channels), kind


def _decode(content: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=_FORMATS)
        width, height = image.size
        if width * height > _MAX_PIXELS:
            raise Image.DecompressionBombError(f"{width}x{height}")
        image.load()  # Image.open reads the header alone
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise RejectedError(f"decompression bomb: {' '.join(str(error).split())}", unreadable=True) from None
    except _UNREADABLE as error:
        # an address in the message (of the stream object) would differ from run to run
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
    """32x32 by `settings.fit`: squash both sides; crop the central square; or pad with black, never enlarging."""
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
