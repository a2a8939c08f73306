"""When a long stage has to stop, and how one process at a time works in a folder."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import psutil
from filelock import FileLock, Timeout

from thirtytwo.runtime.errors import Stopped

__all__ = ["StopSignals", "exclusive", "in_use", "lock_file"]

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
def exclusive(folder: Path, exit_code: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """Create `folder` for this process alone; another process that wants it waits until the block ends.

    The lock file lies beside the folder, which may be deleted inside the block. It stays after the block; the
    operating system releases the lock itself even when the process is killed.

    Args:
        exit_code: called twice a second while waiting; a result other than 0 ends the wait.

    Raises:
        Stopped: `exit_code` returned a code other than 0.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock, waiting = FileLock(lock_file(folder)), False
    while not lock.is_locked:
        try:
            lock.acquire(timeout=0.5)
        except Timeout:
            if code := exit_code():
                raise Stopped(code) from None
            if not waiting:
                print(f"waiting for another process with the same work, which holds {lock.lock_file}", flush=True)
            waiting = True
    try:
        folder.mkdir(exist_ok=True)
        yield
    finally:
        lock.release()


def lock_file(folder: Path) -> Path:
    """Return the file that `exclusive` locks."""
    return folder.with_name(f"{folder.name}.lock")


def in_use(folder: Path) -> bool:
    """Whether a process is inside `exclusive(folder)`."""
    try:
        with exclusive(folder, lambda: 1):
            return False
    except Stopped:
        return True
