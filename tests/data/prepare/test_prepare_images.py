"""One image file or array at a time: what each kind becomes, and what is rejected with which reason."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from image_files import ALL_KINDS, encoded, preparation, ramp
from thirtytwo.data.prepare.images import RejectedError, to_array


def bomb_png(side: int) -> bytes:
    """A valid PNG header of side x side pixels over a few bytes of data."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


RED = Image.new("RGB", (50, 40), (200, 40, 0))
MODES = [
    ("rgb", encoded(RED), (200, 40, 0)),
    ("grayscale", encoded(Image.new("L", (50, 40), 77)), (77, 77, 77)),
    ("grayscale", encoded(Image.new("L", (50, 40), 77), "JPEG"), (77, 77, 77)),
    ("grayscale", encoded(Image.new("1", (50, 40), 1)), (255, 255, 255)),
    ("grayscale", encoded(Image.new("LA", (50, 40), (200, 128))), (100, 100, 100)),  # half transparent over black
    ("palette", encoded(RED.quantize(4)), (200, 40, 0)),
    ("rgba", encoded(Image.new("RGBA", (50, 40), (200, 40, 0, 255))), (200, 40, 0)),
    ("rgba", encoded(Image.new("RGBA", (50, 40), (200, 40, 0, 0))), (0, 0, 0)),
    ("cmyk", encoded(Image.new("CMYK", (50, 40), (0, 255, 255, 55)), "TIFF"), (200, 0, 0)),
    ("16bit", encoded(Image.fromarray(np.full((40, 50), 0x4D80, np.uint16))), (0x4D, 0x4D, 0x4D)),
]


@pytest.mark.parametrize(("kind", "content", "expected"), MODES)
def test_each_mode_is_recognised_converted_or_left_out(kind, content, expected):
    pixels, recognised = to_array(content, preparation(convert=ALL_KINDS))
    assert recognised == kind
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - expected).max() <= 1
    if kind != "rgb":
        with pytest.raises(RejectedError, match=kind) as caught:
            to_array(content, preparation(convert=[m for m in ALL_KINDS if m != kind]))
        assert not caught.value.unreadable


def test_one_channel():
    grey = np.arange(784, dtype=np.uint8).reshape(28, 28)
    assert to_array(grey, preparation(channels=1, fit="pad"))[0].shape == (32, 32, 1)
    with pytest.raises(RejectedError, match="rgb"):
        to_array(encoded(RED), preparation(channels=1))
    pixels, kind = to_array(encoded(RED), preparation(channels=1, convert=["rgb"]))
    assert kind == "rgb"
    assert np.abs(pixels - (0.299 * 200 + 0.587 * 40)).max() <= 1  # ITU-R 601-2 luma


def test_a_grey_looking_rgb_jpeg_is_rgb():
    content = encoded(Image.new("L", (40, 40), 120).convert("RGB"), "JPEG")
    assert to_array(content, preparation())[1] == "rgb"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not an image"),
        (b"<html>", "not an image"),
        (encoded(ramp(200, 200), "JPEG")[:1500], "truncated"),
        (encoded(ramp())[:60], "does not decode"),
        (encoded(ramp())[:200] + bytes(100) + encoded(ramp())[300:], "does not decode"),
        (bomb_png(8000), "decompression bomb: 8000x8000"),
        (bomb_png(10_000), "decompression bomb"),
        (bomb_png(50_000), "decompression bomb"),
    ],
)
def test_what_does_not_decode_is_rejected_with_a_reason(content, reason):
    with pytest.raises(RejectedError, match=reason) as caught:
        to_array(content, preparation())
    assert caught.value.unreadable
    assert "0x7" not in caught.value.reason  # no address of an object: it would differ from run to run


def test_pad_crop_and_squash():
    digit = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    padded = to_array(digit, preparation(channels=1, fit="pad"))[0][..., 0]
    assert np.array_equal(padded, np.pad(digit, 2))
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, 20:60] = 255  # white in the centre, black to the left and right
    assert to_array(wide, preparation(fit="crop"))[0].min() == 255
    squashed = to_array(wide, preparation())[0]
    assert squashed[:, :6].max() == 0
    assert squashed[:, 10:22].min() == 255
    small = to_array(np.full((40, 80, 3), 255, np.uint8), preparation(fit="pad"))[0]
    assert small[8:24].min() == 255
    assert small[:8].max() == small[24:].max() == 0


@pytest.mark.parametrize("filter_name", ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"])
def test_resampling_is_pillows_filter_of_that_name(filter_name):
    expected = ramp(50, 70).resize((32, 32), getattr(Image, filter_name.upper()))
    pixels = to_array(encoded(ramp(50, 70)), preparation(resample=filter_name))[0]
    assert np.array_equal(pixels, np.asarray(expected))
