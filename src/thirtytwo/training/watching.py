"""Following a training while it runs: its curve as a file that grows, and event files for TensorBoard."""

import shutil
import time
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from thirtytwo.runtime.errors import TrainingError
from thirtytwo.runtime.files import write

__all__ = ["CurveFile", "TensorBoard", "Watcher", "table", "to_csv", "watchers"]

_INTERVAL = 5.0  # seconds between versions of the curve's file


class Watcher(Protocol):
    """Follows the curves of one training, of which it is told at its start, at each new row and at each checkpoint."""

    def update(self, curve: list[dict[str, float]], validation: list[dict[str, float]], due: bool) -> None:
        """Take the rows so far; `due`: the state has just been saved, or the training begins."""


def table(rows: list[dict[str, float]]) -> pd.DataFrame:
    """Rows of a curve; the columns are the terms in the order in which they appear."""
    return pd.DataFrame(rows, columns=None if rows else ["step", "epoch"])


def to_csv(curve: pd.DataFrame) -> bytes:
    """The content of a curve's file."""
    return curve.to_csv(index=False, float_format="%.6g").encode()


class CurveFile:
    """Keeps a file of the training's curve up to date, at most once in five seconds between checkpoints."""

    def __init__(self, path: Path) -> None:
        self.path, self.written, self.rows = path, -_INTERVAL, -1

    def update(self, curve: list[dict[str, float]], validation: list[dict[str, float]], due: bool) -> None:
        now = time.monotonic()
        if len(curve) != self.rows and (due or now - self.written >= _INTERVAL):
            write(self.path, to_csv(table(curve)))
            self.written, self.rows = now, len(curve)


class TensorBoard:
    """Writes the rows of both curves as scalars train/<term> and validation/<term> into event files.

    Raises:
        TrainingError: the package tensorboard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter  # an optional package, which takes seconds to import
        except ImportError:
            raise TrainingError(
                "--log tensorboard: the package tensorboard is not installed; `pip install tensorboard`"
            ) from None
        self.folder, self.new = folder, SummaryWriter
        self.writer: Any = None
        self.seen = {"train": 0, "validation": 0}

    def update(self, curve: list[dict[str, float]], validation: list[dict[str, float]], due: bool) -> None:
        rows = {"train": curve, "validation": validation}
        if self.writer is None:  # an interrupted process has written the rows so far, and some that were not saved
            if not curve and not validation:
                shutil.rmtree(self.folder, ignore_errors=True)
            steps = [int(part[-1]["step"]) for part in rows.values() if part]
            self.writer = self.new(str(self.folder), purge_step=max(steps) + 1 if steps else None)
            self.seen = {name: len(part) for name, part in rows.items()}
        for name, part in rows.items():
            for row in part[self.seen[name] :]:
                for term, value in row.items():
                    if term not in ("step", "epoch"):
                        self.writer.add_scalar(f"{name}/{term}", value, int(row["step"]))
            self.seen[name] = len(part)
        if due:
            self.writer.flush()


def watchers(curve: Path, events: Path | None, training: int) -> list[Watcher]:
    """Those of one training, counted from 0; the curve's file is that of the first one."""
    logs: list[Watcher] = [TensorBoard(events / str(training))] if events else []
    return logs if training else [*logs, CurveFile(curve)]
