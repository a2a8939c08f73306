"""The display of `thirtytwo repro`: a live view of running stages in a terminal, one line for each event elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from thirtytwo.repro.worker import Outcome

__all__ = ["View", "view"]

_STATES = {"ran": "done", "cached": "restored from the cache", "unchanged": "unchanged"}


@contextmanager
def view(total: int) -> Iterator["View"]:
    """Display the execution of `total` stages on standard output until the block ends."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        yield View(total, console, None)
        return
    last = Column(no_wrap=True, overflow="ellipsis")
    columns = (
        TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[steps]}"),
        TextColumn("{task.fields[left]}"), TimeElapsedColumn(),
        TextColumn("{task.fields[terms]}", style="dim", table_column=last),
    )  # fmt: skip
    with Progress(*columns, console=console, refresh_per_second=4) as bars:
        yield View(total, console, bars)


class View:
    """The number of finished stages and the progress of the running ones."""

    def __init__(self, total: int, console: Console, bars: Progress | None) -> None:
        self._total, self._finished, self._console, self._bars = total, 0, console, bars
        self._rows: dict[str, TaskID] = {}
        self._all = bars.add_task("all stages", total=total, steps=f"0/{total}", left="", terms="") if bars else None

    def say(self, text: str) -> None:
        """Print a line above the live view."""
        self._console.print(text, markup=False)

    def news(self, stage: str, started: bool = False, progress: dict[str, Any] | None = None) -> None:
        """Display that a stage has started, or its latest line."""
        if self._bars is None:
            if started:
                self.say(f"{stage}: started")
            return
        if stage not in self._rows:
            self._rows[stage] = self._bars.add_task(f"  {stage}", total=None, steps="", left="", terms="")
        if not progress:
            return
        if progress["percent"] is None:
            self._bars.update(self._rows[stage], terms=progress["text"])
            return
        left = f"{progress['left']} left" if progress["left"] not in ("", "?") else ""
        terms = " ".join(text for text in (progress["text"], progress["terms"]) if text)
        self._bars.update(
            self._rows[stage], total=100, completed=progress["percent"], steps=progress["steps"], left=left, terms=terms
        )

    def finished(self, outcome: Outcome, log: str) -> None:
        """Count a stage and print how it ended."""
        self._finished += 1
        if self._bars is not None:
            if (row := self._rows.pop(outcome.stage, None)) is not None:
                self._bars.remove_task(row)
            if self._all is not None:
                self._bars.update(self._all, completed=self._finished, steps=f"{self._finished}/{self._total}")
        count = f"[{self._finished:{len(str(self._total))}}/{self._total}] {outcome.stage}"
        if outcome.state in _STATES:
            self.say(f"{count}: {_STATES[outcome.state]} in {outcome.seconds:.1f} s")
        elif outcome.state == "failed":
            self.say(f"{count}: failed after {outcome.seconds:.1f} s, see {log}")
        elif outcome.state == "stopped":
            self.say(f"{count}: stopped")
