"""Checkpoints: written atomically, named by their sha256, loaded as plain weights.

A file is `<step>-<sha256>.pt`: one rename publishes state and checksum together, so a crash cannot leave one
without the other. The folder keeps the two newest. Loading skips a damaged one with a warning and takes the one before.
"""

import hashlib
import platform
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

__all__ = ["load_latest", "machines", "reserved", "save"]

KEPT = 2
_NAME = re.compile(r"(\d{9})-([0-9a-f]{64})\.pt\Z")


@contextmanager
def reserved(folder: Path, exit_code: Callable[[], int]) -> Iterator[Path]:
    """Reserve the folder of the checkpoints of one fingerprint, and delete it if the block succeeds.

    Copies of the project share the folder: if two of them run the same training, the second waits for the first.

    Args:
        folder: <run>/<fingerprint>, where the fingerprint is of everything that the weights depend on.
        exit_code: called while waiting; a result other than 0 ends the wait.

    Raises:
        Stopped: `exit_code` returned a code other than 0.
    """
    if not processes.first():
        yield folder
        return
    with exclusive(folder, exit_code):
        others = [path for path in folder.parent.iterdir() if path.is_dir() and path != folder]
        if others and not any(folder.iterdir()):
            print("settings, data or code differ from those of all checkpoints of this run: training starts afresh")
        yield folder
        shutil.rmtree(folder)


def machines(folder: Path, device: torch.device) -> list[str]:
    """Return the kinds of machine that have worked on a run, this one last; with a note where it is another than before.

    Kinds round differently, so that the last digits are then those of neither. A number of threads is a setting, and
    therefore part of the fingerprint. Only the first process keeps the list.

    Args:
        folder: of the run's checkpoints, which keeps the list.

    Raises:
        FileError: the list cannot be read or written.
    """
    if not processes.first():
        return []
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    cpu = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    kind = f"torch {torch.__version__} on {gpu}, {cpu}, {processes.count()} processes"
    path = folder / "machines.json"
    known = files.read_json(path, list[str], f"delete {path}", sealed=False) if path.exists() else []
    if known[-1:] == [kind]:
        return known
    if known:
        print(f"note: the checkpoints are of {known[-1]}; this is {kind}: the last digits will be those of neither")
    files.write_json(path, [*known, kind])
    return [*known, kind]


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

    With several processes, all of them return the state that the first one reads.

    Raises:
        CheckpointError: the checksum holds but the content is not plain weights (a pickle that would run code).
    """
    newest: tuple[bytes, Path] | None = processes.broadcast(_newest(folder) if processes.first() else None)
    return parse_weights(newest[0], newest[1], device) if newest else None


def _newest(folder: Path) -> tuple[bytes, Path] | None:
    """Return content and path of the newest undamaged file."""
    for path in _newest_first(folder):
        match = _NAME.search(path.name)
        data = path.read_bytes()
        if match and hashlib.sha256(data).hexdigest() == match[2]:
            return data, path
        print(f"warning: {path}: damaged (its sha256 differs from its name); trying the one before", file=sys.stderr)
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted((p for p in folder.glob("*.pt") if _NAME.search(p.name) and p.is_file()), reverse=True)
