"""Knows when a long stage has to stop: on SIGTERM or SIGINT, or when whoever started it is gone."""

import fcntl
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import psutil

__all__ = ["Guard", "exclusive"]

_SHELLS = {"sh", "bash", "dash", "zsh", "fish"}


class Guard:
    """Collects the reasons to stop; the loop asks `exit_code()` between steps, when its state is whole.

    Killing dvc leaves its stage running, so the guard also watches its parent, and the parent's parent where
    the parent is only the shell that dvc runs commands in.
    """

    def __init__(self) -> None:
        self._signal = 0
        parents = psutil.Process().parents()
        shells = [p for p in parents[:1] if p.name() in _SHELLS and "-c" in p.cmdline()]
        self._watched = parents[: 1 + len(shells)]
        self._next_look = 0.0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = number

    def exit_code(self) -> int:
        """0 to go on; 143 after SIGTERM or when orphaned, 130 after SIGINT."""
        if not self._signal and time.monotonic() > self._next_look:
            self._next_look = time.monotonic() + 0.5
            if any(not p.is_running() or p.status() == psutil.STATUS_ZOMBIE for p in self._watched):
                print("the process that started this stage is gone: stopping", file=sys.stderr)
                self._signal = signal.SIGTERM
        return 128 + self._signal if self._signal else 0


@contextmanager
def exclusive(folder: Path, wait_seconds: float = 60) -> Iterator[None]:
    """Holds the lock of `folder` so that two processes never train the same run into it.

    Raises:
        SystemExit: another process still holds it after `wait_seconds`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    with path.open("w") as file:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    sys.exit(f"error: {path} is held by another process that trains this run; wait for it or stop it")
                time.sleep(0.2)
        yield
