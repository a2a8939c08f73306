"""Checkpoints that are whole or absent: atomic, named by their own sha256, loaded weights-only.

A file is `<step>-<sha256>.pt`: one rename publishes state and checksum together, so no crash can leave one
without the other. The two newest are kept, and a damaged one is passed over aloud for the one before.
"""

import hashlib
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from thirtytwo.core import processes
from thirtytwo.core.weights import parse_weights, serialise
from thirtytwo.runtime import files
from thirtytwo.runtime.interrupt import exclusive

__all__ = ["load_latest", "reserved", "save"]

KEPT = 2
_NAME = re.compile(r"(\d{9})-([0-9a-f]{64})\.pt\Z")


@contextmanager
def reserved(run: Path, fingerprint: str, about: dict[str, str], exit_code: Callable[[], int]) -> Iterator[Path]:
    """The folder of the checkpoints of one fingerprint, for this process alone; deleted when the block has succeeded.

    Copies of the project share it: one that does the same training at the same time waits for the other to end.

    Args:
        run: folder of the checkpoints of the run, of all fingerprints.
        fingerprint: of all that the weights depend on.
        about: what `thirtytwo doctor` compares with the current settings.
        exit_code: see `loop.train`.

    Raises:
        Stopped: by a signal while waiting.
    """
    folder = run / fingerprint
    with exclusive(folder, exit_code):
        others = [path for path in run.iterdir() if path.is_dir() and path != folder]
        if others and not any(folder.iterdir()):
            print("settings, data or code changed since the last checkpoint: training starts afresh", flush=True)
        files.write_json(folder / "about.json", about)
        yield folder
        shutil.rmtree(folder)


def save(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Publishes the state after `step` steps and drops all but the newest two; returns its path."""
    data = serialise(state)
    path = folder / f"{step:09d}-{hashlib.sha256(data).hexdigest()}.pt"
    files.write(path, data)
    for old in _newest_first(folder)[KEPT:]:
        old.unlink()
    return path


def load_latest(folder: Path, device: torch.device) -> dict[str, Any] | None:
    """The newest state that passes its checksum, or None; each one passed over is named on stderr.

    Several processes all take the state that the first one reads.

    Raises:
        CheckpointError: the checksum holds but the content is not plain weights (a pickle that would run code).
    """
    newest = processes.shared(_newest(folder) if processes.first() else None)
    return None if newest is None else parse_weights(*newest, device)


def _newest(folder: Path) -> tuple[bytes, Path] | None:
    """Content and path of the newest undamaged file."""
    for path in _newest_first(folder):
        match = _NAME.search(path.name)
        data = path.read_bytes()
        if match and hashlib.sha256(data).hexdigest() == match[2]:
            return data, path
        print(f"warning: {path}: damaged (its sha256 differs from its name); trying the one before", file=sys.stderr)
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted((p for p in folder.glob("*.pt") if _NAME.search(p.name)), reverse=True)
