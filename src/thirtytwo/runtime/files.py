"""Atomic writing of files and folders, and their sha256."""

import dataclasses
import glob
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
from pydantic import TypeAdapter, ValidationError

from thirtytwo.runtime.errors import FileError

__all__ = ["IMAGE_SUFFIXES", "read_json", "replacing", "sha256", "write", "write_arrays", "write_json"]

T = TypeVar("T")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path for a file or a folder, which replaces `path` if the block ends without error.

    The temporary path contains the process id. Temporary paths of dead processes are removed first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        pid = leftover.name.rsplit(".", 2)[1]
        if pid.isdecimal() and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid))):
            _remove(leftover)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        _remove(temporary)


def write(path: Path, content: bytes) -> None:
    """Write a file atomically: after a crash or power cut `path` has either its previous or its new content.

    Raises:
        FileError: the disk is full or permission is denied; `path` is unchanged.
    """
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise FileError(f"{path}: cannot be written ({error.strerror}); the previous file is kept") from None


def write_json(path: Path, values: Any, sort_keys: bool = False) -> None:
    """Write `values` as indented JSON; dataclasses become objects."""
    content = json.dumps(values, indent=1, sort_keys=sort_keys, default=_fields)
    write(path, content.encode() + b"\n")


def read_json(path: Path, kind: type[T], remedy: str = "recreate it with `dvc repro`") -> T:
    """Read a JSON file as `kind`, such as a dataclass or dict[str, float].

    Args:
        remedy: for messages, what to do about a file that cannot be read.

    Raises:
        FileError: the file is missing or is not of this kind.
    """
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = "".join(f"{part}: " for part in [".".join(map(str, first["loc"]))] if part)
        message = f"{path}: {key}{first['msg'][:1].lower()}{first['msg'][1:]}; {remedy}"
        raise FileError(message) from None


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], compressed: bool = True) -> None:
    """Write `arrays` as an .npz; equal arrays give equal bytes, which depend on zlib's version if compressed."""
    buffer = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(buffer, **arrays)  # type: ignore[arg-type]  # numpy's stubs also match `allow_pickle`
    write(path, buffer.getvalue())


def sha256(path: Path) -> str:
    """Return the hexadecimal sha256 of a file.

    Raises:
        FileError: the file does not exist or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); recreate it with `dvc repro`") from None


def _fields(value: Any) -> dict[str, Any]:
    """The fields of a dataclass instance by name."""
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
