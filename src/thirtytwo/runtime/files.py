"""Files and folders that are either whole or absent, and their sha256."""

import glob
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from thirtytwo.runtime.errors import ThirtyTwoError

__all__ = ["IMAGE_SUFFIXES", "FileError", "replacing", "sha256", "write", "write_arrays", "write_json"]

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


class FileError(ThirtyTwoError, OSError):
    """A file cannot be read or written."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, for a file or a folder; it takes `path`'s place if the block ends without error.

    Each process has its own temporary path. Those of processes that were killed are removed first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        pid = left.name.rsplit(".", 2)[1]
        if pid.isdecimal() and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid))):
            _remove(left)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        _remove(temporary)


def write(path: Path, content: bytes) -> None:
    """Writes a file: `path` holds its former content or all of the new one, even after a crash or a power cut.

    Raises:
        FileError: no space or no permission; `path` is as it was.
    """
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise FileError(f"{path}: cannot be written ({error.strerror}); the previous file is kept") from None


def write_json(path: Path, values: Any, sort_keys: bool = False) -> None:
    """Writes `values` as indented JSON."""
    write(path, json.dumps(values, indent=1, sort_keys=sort_keys).encode() + b"\n")


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], compressed: bool = True) -> None:
    """Writes `arrays` as an .npz; equal arrays give equal bytes, which depend on zlib's version if compressed."""
    buffer = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(buffer, **arrays)  # type: ignore[arg-type]  # one of its keywords takes no array
    write(path, buffer.getvalue())


def sha256(path: Path) -> str:
    """The hexadecimal sha256 of a file.

    Raises:
        FileError: the file does not exist or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); `dvc repro` makes it again") from None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
