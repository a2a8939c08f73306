"""When a long stage has to stop, and how one process at a time works in a folder."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import psutil
from filelock import FileLock, Timeout

from thirtytwo.runtime.errors import TrainingError

__all__ = ["StopSignals", "exclusive"]

_SHELLS = {"sh", "bash", "dash", "zsh", "fish"}


class StopSignals:
    """A watch for SIGTERM, SIGINT and the death of the process that started this one.

    The training loop calls `exit_code()` between steps, when its state is complete. Killing dvc leaves its stage
    running, so the parent process is watched too, and the grandparent if the parent is only the shell in which dvc
    runs its commands.
    """

    def __init__(self) -> None:
        self._signal = 0
        parents = psutil.Process().parents()
        shells = [p for p in parents[:1] if p.name() in _SHELLS and "-c" in p.cmdline()]
        self._watched = parents[: 1 + len(shells)]
        self._next_check = 0.0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._remember)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._signal = number

    def exit_code(self) -> int:
        """0 to continue; 143 after SIGTERM or when orphaned, 130 after SIGINT."""
        if not self._signal and time.monotonic() > self._next_check:
            self._next_check = time.monotonic() + 0.5
            if any(not p.is_running() or p.status() == psutil.STATUS_ZOMBIE for p in self._watched):
                print("the process that started this stage has ended: stopping", file=sys.stderr)
                self._signal = signal.SIGTERM
        return 128 + self._signal if self._signal else 0


@contextmanager
def exclusive(folder: Path, wait_seconds: float = 60) -> Iterator[None]:
    """Create `folder` and keep other processes that want it waiting, so that no two train one run at a time.

    The lock file lies beside the folder, which may be deleted inside the block. It stays after the block; the
    operating system releases the lock itself even when the process is killed.

    Raises:
        TrainingError: another process still holds the lock after `wait_seconds`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.with_name(f"{folder.name}.lock")
    try:
        lock = FileLock(path).acquire(timeout=wait_seconds)
    except Timeout:
        raise TrainingError(
            f"{path} is held by another process that trains this run; wait for it to end or stop it"
        ) from None
    with lock:
        yield
