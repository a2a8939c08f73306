"""Atomic writing of files and folders, and their sha256."""

import dataclasses
import errno
import hashlib
import io
import json
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError

from thirtytwo.runtime.alive import is_alive
from thirtytwo.runtime.errors import FileError, ProjectError
from thirtytwo.runtime.project import Project, remedy
from thirtytwo.runtime.sealed import json_is_whole, seal_json, seal_zip, unseal_json

__all__ = [
    "IMAGE_SUFFIXES", "UNSEALED", "is_abandoned", "read_bytes", "read_json", "replacing", "sha256", "write", "write_arrays", "write_json",
]  # fmt: skip

T = TypeVar("T")
_WEEK = 7 * 24 * 3600  # seconds
_HOST = re.sub(r"\W", "_", platform.node())[:60] or "host"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
UNSEALED = "damaged: its sha256 is not the one that it carries, or it carries none"
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path for a file or a folder, which replaces `path` if the block ends without error.

    It lies in the project's folder of temporary files, so that what a killed process leaves is never part of a result;
    outside a project, or where `path` is on another disk, beside it. What dead processes left there is removed first.

    Raises:
        FileError: the disk is full, a quota is spent or the file too large; `path` is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder, digest = _temporary_folder(path), hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:8]
    temporary = folder / f".{path.name[:80]}.{digest}.{_HOST}-{os.getpid()}.tmp"
    for leftover in folder.glob(".*.tmp"):
        if leftover == temporary or is_abandoned(leftover):
            _remove(leftover)
    try:
        yield temporary
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise FileError(
            f"{path}: cannot be written ({error.strerror}); the former one is kept; free some space"
        ) from None
    finally:
        _remove(temporary)


def is_abandoned(temporary: Path) -> bool:
    """Whether the process that `replacing` gave this path to has ended; of one on another machine, after a week."""
    writer = temporary.name.rsplit(".", 2)[-2]
    host, _, pid = writer.rpartition("-")
    try:
        old = time.time() - temporary.lstat().st_mtime > _WEEK
    except FileNotFoundError:  # its own process has just removed it
        return False
    return pid.isdecimal() and host != "" and (old or (host == _HOST and not is_alive(int(pid))))


def _temporary_folder(path: Path) -> Path:
    try:
        project = Project.containing(path.parent)
    except ProjectError:
        return path.parent
    folder = project.temporary
    if not folder.parent.is_dir():
        return path.parent
    folder.mkdir(exist_ok=True)
    return folder if folder.stat().st_dev == path.parent.stat().st_dev else path.parent


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
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path}: cannot be written ({error.strerror}); the previous file is kept") from None


def write_json(path: Path, values: Any, sort_keys: bool = False, *, sealed: bool = False) -> None:
    """Write `values` as indented JSON; dataclasses become objects.

    Args:
        sealed: add the content's sha256 as the key `checksum`; for results that another stage reads.
    """
    content = json.dumps(values, indent=1, sort_keys=sort_keys, default=_fields).encode() + b"\n"
    write(path, seal_json(content) if sealed else content)


def read_json(path: Path, kind: type[T], todo: str = "", *, sealed: bool = True) -> T:
    """Read a JSON file as `kind`, such as a dataclass or dict[str, float]; numbers must be finite.

    Args:
        todo: for messages, what to do about a file that cannot be read; "": make it again.
        sealed: whether the file must carry its sha256; one that is there is checked in any case.

    Raises:
        FileError: the file is missing, damaged or not of this kind.
    """
    todo, data = todo or remedy(path), read_bytes(path, todo)
    content = unseal_json(data)
    if (sealed or content != data) and not json_is_whole(data):
        raise FileError(f"{path}: {UNSEALED}; {todo}")
    try:
        json.loads(content, parse_constant=_refuse)  # pydantic takes NaN and Infinity
        return TypeAdapter(kind).validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = "".join(f"{part}: " for part in [".".join(map(str, first["loc"]))] if part)
        raise FileError(f"{path}: {key}{first['msg'][:1].lower()}{first['msg'][1:]}; {todo}") from None
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path}: not valid JSON ({' '.join(str(error).split())}); {todo}") from None


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], compressed: bool = True) -> None:
    """Write `arrays` as a sealed .npz; equal arrays give equal bytes, which depend on zlib's version if compressed."""
    buffer = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(buffer, **arrays)  # type: ignore[arg-type]  # numpy's stubs also match `allow_pickle`
    write(path, seal_zip(buffer.getvalue()))


def read_bytes(path: Path, todo: str = "") -> bytes:
    """Return the content of a file.

    Args:
        todo: for the message, what to do about a file that cannot be read; "": make it again.

    Raises:
        FileError: the file does not exist or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error, todo) from None


def sha256(path: Path) -> str:
    """Return the hexadecimal sha256 of a file.

    Raises:
        FileError: the file does not exist or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError, todo: str = "") -> FileError:
    missing = isinstance(error, FileNotFoundError)
    reason = "no such file" if missing else f"cannot be read ({error.strerror})"
    return FileError(f"{path}: {reason}; {todo or remedy(path, missing)}")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant}; expected finite numbers")


def _fields(value: Any) -> dict[str, Any]:
    """The fields of a dataclass instance by name."""
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
