"""The curves of a training, written while it runs: a CSV file that grows, and event files for TensorBoard."""

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from thirtytwo.runtime.files import write

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["CurveLog", "table", "to_csv"]

_INTERVAL = 5.0  # seconds between versions of the file

Rows = list[dict[str, float]]


def table(rows: Rows) -> pd.DataFrame:
    """Return the rows of a curve with one column for each term, in the order of their first appearance."""
    return pd.DataFrame(rows, columns=None if rows else ["step", "epoch"])


def to_csv(curve: pd.DataFrame) -> bytes:
    """Return the content of a curve's file."""
    return curve.to_csv(index=False, float_format="%.6g").encode()


class CurveLog:
    """Writes the curves of one training.

    Args:
        path: file of the training curve; None writes none.
        events: folder for TensorBoard's event files, with the scalars train/<term> and validation/<term>; None writes
            none.
    """

    def __init__(self, path: Path | None, events: Path | None) -> None:
        self._path, self._events = path, events
        self._written, self._rows = -_INTERVAL, -1
        self._writer: SummaryWriter | None = None
        self._logged = {"train": 0, "validation": 0}

    def update(self, curve: Rows, validation: Rows, saved: bool) -> None:
        """Write new rows; the file at most every five seconds, events to disk when the state has been `saved`."""
        now = time.monotonic()
        if self._path and len(curve) != self._rows and now - self._written >= _INTERVAL:
            write(self._path, to_csv(table(curve)))
            self._written, self._rows = now, len(curve)
        if self._events:
            self._log({"train": curve, "validation": validation}, self._events, saved)

    def _log(self, curves: dict[str, Rows], events: Path, saved: bool) -> None:
        if self._writer is None:
            self._writer = self._open(curves, events)
        for name, rows in curves.items():
            for row in rows[self._logged[name] :]:
                for term in row.keys() - {"step", "epoch"}:
                    self._writer.add_scalar(f"{name}/{term}", row[term], int(row["step"]))
            self._logged[name] = len(rows)
        if saved:
            self._writer.flush()

    def _open(self, curves: dict[str, Rows], events: Path) -> "SummaryWriter":
        """Continue the events of an interrupted training after its last checkpoint, or start afresh."""
        from torch.utils.tensorboard import SummaryWriter  # here, because the import takes seconds

        steps = [int(rows[-1]["step"]) for rows in curves.values() if rows]
        if not steps:
            shutil.rmtree(events, ignore_errors=True)
        elif events.exists():
            self._logged = {name: len(rows) for name, rows in curves.items()}
        return SummaryWriter(str(events), purge_step=max(steps, default=-1) + 1)
