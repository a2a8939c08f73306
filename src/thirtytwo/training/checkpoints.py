"""Checkpoints that are whole or absent: atomic, named by their own sha256, loaded weights-only.

A file is `<step>-<sha256>.pt`: one rename publishes state and checksum together, so no crash can leave one
without the other. The two newest are kept, and a damaged one is passed over aloud for the one before.
"""

import hashlib
import io
import os
import pickle
import re
import sys
from pathlib import Path
from typing import Any

import torch

__all__ = ["CheckpointError", "load_latest", "load_weights", "save", "serialise", "write_atomically"]

KEPT = 2
_NAME = re.compile(r"(\d{9})-([0-9a-f]{64})\.pt\Z")


class CheckpointError(RuntimeError):
    """A file of weights that cannot be written or trusted; the message is one line."""


def write_atomically(path: Path, data: bytes) -> None:
    """Writes `data` so that `path` holds either its former content or all of the new one, even after a crash.

    Raises:
        CheckpointError: no space or no permission; `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise CheckpointError(f"{path}: cannot be written ({error.strerror}); what was there before is kept") from error


def serialise(state: dict[str, Any]) -> bytes:
    """Bytes of `state`, equal for equal states: saving into a buffer keeps the file's name out of them."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def save(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Publishes the state after `step` steps and drops all but the newest two; returns its path."""
    data = serialise(state)
    path = folder / f"{step:09d}-{hashlib.sha256(data).hexdigest()}.pt"
    write_atomically(path, data)
    for old in _newest_first(folder)[KEPT:]:
        old.unlink()
    return path


def load_latest(folder: Path, device: torch.device) -> dict[str, Any] | None:
    """The newest state that passes its checksum, or None; each one passed over is named on stderr.

    Raises:
        CheckpointError: the checksum holds but the content is not plain weights (a pickle that would run code).
    """
    for path in _newest_first(folder):
        match = _NAME.search(path.name)
        data = path.read_bytes()
        if match and hashlib.sha256(data).hexdigest() == match[2]:
            return _load(data, path, device)
        print(f"warning: {path}: damaged (its sha256 differs from its name); trying the one before", file=sys.stderr)
    return None


def load_weights(path: Path, device: torch.device) -> dict[str, Any]:
    """A file of weights written with `serialise`.

    Raises:
        CheckpointError: missing, damaged or not plain weights.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; train the run first (`dvc repro train`)")
    return _load(path.read_bytes(), path, device)


def _load(data: bytes, path: Path, device: torch.device) -> dict[str, Any]:
    try:
        return torch.load(io.BytesIO(data), map_location=device, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{path}: not a file of plain weights, so it is not loaded ({reason}); delete it"
        ) from None


def _newest_first(folder: Path) -> list[Path]:
    return sorted((p for p in folder.glob("*.pt") if _NAME.search(p.name)), reverse=True)
