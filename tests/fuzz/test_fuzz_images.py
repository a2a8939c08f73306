"""Random damage to image files: each is converted, or removed with its reason."""

import io
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from image_files import ALL_KINDS, preparation, ramp
from mutations import bounded_memory, damaged, one_line
from thirtytwo.data.prepare.images import RejectedError, to_array

MOST = 700 * 2**20  # bytes: 50 million pixels, as they were and converted


def _files() -> list[bytes]:
    """A small file of each format, mode and compression."""
    rgb, files = ramp(9, 7), []
    modes = {
        "PNG": ("RGB", "L", "1", "LA", "P", "RGBA", "I;16"), "JPEG": ("RGB", "L", "CMYK"), "BMP": ("RGB", "L", "1", "P"),
        "GIF": ("P", "L"), "WEBP": ("RGB", "RGBA"), "PPM": ("RGB", "L", "1", "I;16"),
        "TIFF": ("RGB", "L", "1", "CMYK", "LAB", "I;16", "F", "P", "RGBA"),
    }  # fmt: skip
    for form, names in modes.items():
        for name in names:
            image = Image.fromarray(np.arange(63, dtype=np.uint16).reshape(7, 9)) if name == "I;16" else rgb
            if name == "LAB":
                image = Image.new("LAB", (9, 7))
            elif name != "I;16":
                image = rgb.convert(name)
            options: list[dict[str, Any]] = [{}]
            if form == "JPEG":
                options.append({"progressive": True})
            if form == "TIFF" and name == "RGB":
                options += [{"compression": kind} for kind in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")]
            if form == "GIF":
                options.append({"save_all": True, "append_images": [image] * 2, "transparency": 0})
            for option in options:
                stream = io.BytesIO()
                image.save(stream, form, **option)
                files.append(stream.getvalue())
    return files


FILES = _files()
SETTINGS = [
    preparation(channels=channels, fit=fit, resample=resample, convert=convert)
    for channels in (1, 3)
    for fit in ("squash", "crop", "pad")
    for resample in ("bicubic", "box")
    for convert in ([], ALL_KINDS)
]


@given(content=st.sampled_from(FILES).flatmap(damaged), settings=st.sampled_from(SETTINGS))
def test_damaged_images(content: bytes, settings: Any):
    try:
        with bounded_memory(MOST):
            pixels, _ = to_array(content, settings)
        assert (pixels.shape, pixels.dtype) == ((32, 32, settings.channels), np.uint8)
    except RejectedError as error:
        one_line(error)
        reason = error.reason
        if "\n" in reason or "0x" in reason:  # 0x: the address of an object, which differs from run to run
            raise
