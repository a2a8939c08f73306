"""Checkpoints: written atomically, named by their sha256, loaded as plain weights.

A file is `<step>-<sha256>.pt`: one rename publishes state and checksum together, so a crash cannot leave one
without the other. The folder keeps the two newest. Loading skips a damaged one with a warning and takes the one before.
"""

import hashlib
import re
import sys
from pathlib import Path
from typing import Any

import torch

from thirtytwo.core.weights import parse_weights, serialise
from thirtytwo.runtime import files

__all__ = ["load_latest", "save"]

KEPT = 2
_NAME = re.compile(r"(\d{9})-([0-9a-f]{64})\.pt\Z")


def save(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write the state after `step` steps, delete all but the two newest and return its path."""
    data = serialise(state)
    path = folder / f"{step:09d}-{hashlib.sha256(data).hexdigest()}.pt"
    files.write(path, data)
    for old in _newest_first(folder)[KEPT:]:
        old.unlink()
    return path


def load_latest(folder: Path, device: torch.device) -> dict[str, Any] | None:
    """Return the newest state that passes its checksum, or None; a warning on stderr names each damaged one.

    Raises:
        CheckpointError: the checksum holds but the content is not plain weights (a pickle that would run code).
    """
    for path in _newest_first(folder):
        match = _NAME.search(path.name)
        data = path.read_bytes()
        if match and hashlib.sha256(data).hexdigest() == match[2]:
            return parse_weights(data, path, device)
        print(f"warning: {path}: damaged (its sha256 differs from its name); trying the one before", file=sys.stderr)
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted((p for p in folder.glob("*.pt") if _NAME.search(p.name)), reverse=True)
