"""Files that carry their own sha256, so that a flipped bit anywhere is noticed when they are read.

A zip file, which .npz and PyTorch's .pt are, carries it as the archive's comment: other programs read the file as before.
A JSON object carries it as its last key, `checksum`. Equal content gives equal bytes.
"""

import hashlib
import io
import re
import struct
import tokenize
import zipfile
import zlib

import numpy as np
from psutil import virtual_memory

__all__ = [
    "BROKEN_ARRAYS",
    "arrays_in",
    "json_is_whole",
    "read_member",
    "seal_json",
    "seal_zip",
    "unseal_json",
    "zip_is_whole",
]

_MARK = b"sha256 "
_LENGTH = len(_MARK) + 64
_END = b"PK\x05\x06"  # signature of the end of central directory record, APPNOTE.TXT 4.3.16
_END_SIZE = 22
LARGEST = 8 * 2**30  # bytes of all arrays of a file: more than a million images and their features
_KEY = re.compile(rb',\n "checksum": "([0-9a-f]{64})"\n}\n\Z')

# What `arrays_in` may raise; a message of Python's own says what is broken.
BROKEN_ARRAYS = (
    ValueError, TypeError, KeyError, EOFError, SyntaxError, RuntimeError, NotImplementedError, MemoryError, OSError,
    RecursionError, OverflowError, zipfile.BadZipFile, zlib.error, tokenize.TokenError,
)  # fmt: skip


def seal_zip(data: bytes) -> bytes:
    """Return a zip file without comment as one whose comment is the sha256 of all bytes before it."""
    if data[-_END_SIZE:-18] != _END:
        raise ValueError("expected a zip file without comment")
    body = data[:-2] + struct.pack("<H", _LENGTH)
    return body + _MARK + hashlib.sha256(body).hexdigest().encode()


def zip_is_whole(data: bytes) -> bool:
    """Whether `data` is what `seal_zip` returned."""
    body = memoryview(data)[:-_LENGTH]
    return data[-_LENGTH:] == _MARK + hashlib.sha256(body).hexdigest().encode()


def seal_json(data: bytes) -> bytes:
    """Return an indented JSON object, which ends in a line with its brace, with its sha256 as the last key."""
    if not data.endswith(b"\n}\n"):
        raise ValueError("expected an indented JSON object that is not empty")
    return data[:-3] + b',\n "checksum": "' + hashlib.sha256(data).hexdigest().encode() + b'"\n}\n'


def unseal_json(data: bytes) -> bytes:
    """Return the argument of `seal_json`; other data as they are."""
    found = _KEY.search(data)
    return data[: found.start()] + b"\n}\n" if found else data


def json_is_whole(data: bytes) -> bool:
    """Whether `data` is what `seal_json` returned."""
    content = unseal_json(data)
    return content != data and seal_json(content) == data


def arrays_in(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of an .npz by name; each member is read to its end, so that its CRC-32 is checked.

    Raises:
        One of BROKEN_ARRAYS: not an .npz, damaged, or holding Python objects, which would run code.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        announced, most = sum(info.file_size for info in archive.infolist()), min(LARGEST, virtual_memory().available)
        if announced > most:
            raise ValueError(f"unpacks to {announced} bytes; expected at most {most}")
        return {info.filename.removesuffix(".npy"): _array(read_member(archive, info)) for info in archive.infolist()}


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The content of a member, never more bytes than it announces: `archive.read` unpacks all of it before it compares."""
    piece = 2**20 if info.compress_type == zipfile.ZIP_STORED else 2**12  # 4 kB may expand a thousandfold
    with archive.open(info) as stream:
        return b"".join(iter(lambda: stream.read(piece), b""))


def _array(content: bytes) -> np.ndarray:
    """The array in the content of an .npy file, whose length must be that which its header announces."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, by_column, dtype = headers[version](stream)
    if dtype.hasobject:
        raise ValueError("holds Python objects")
    flat = np.frombuffer(memoryview(content)[stream.tell() :], dtype)
    return flat.reshape(shape, order="F" if by_column else "C").copy()
