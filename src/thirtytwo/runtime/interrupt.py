"""When a long stage has to stop, and how one process at a time works in a folder."""

import os
import platform
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from thirtytwo.runtime.errors import ProjectError, Stopped

__all__ = ["StopSignals", "alone", "exclusive", "in_use", "lock_file"]

_PATIENCE_SECONDS = 10.0  # a stage whose dvc was killed ends within 5 s


class StopSignals:
    """A watch for SIGTERM and SIGINT; the training loop calls `exit_code()` between steps, when its state is complete."""

    def __init__(self) -> None:
        self._signal = 0
        self._before = {number: signal.signal(number, self._remember) for number in (signal.SIGTERM, signal.SIGINT)}

    def release(self) -> None:
        """End the watch: from here on a signal ends the process, which no longer has anything to save.

        Raises:
            Stopped: a signal has come already.
        """
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if code := self.exit_code():
            raise Stopped(code)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self._signal = number

    def exit_code(self) -> int:
        """0 to continue; 143 after SIGTERM, 130 after SIGINT."""
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

    def poll(holder: str) -> None:
        if code := exit_code():
            raise Stopped(code)

    with _held(lock_file(folder), "the same work", poll):
        folder.mkdir(exist_ok=True)
        yield


@contextmanager
def alone(lock: Path, work: str, patience: float = _PATIENCE_SECONDS) -> Iterator[None]:
    """Do `work` in this process alone; another that wants it waits for `patience` seconds and then gives up.

    Args:
        lock: file that is locked until the block ends, or until the operating system ends the process.

    Raises:
        ProjectError: another process is still at it; names that process.
    """
    deadline = time.monotonic() + patience

    def poll(holder: str) -> None:
        if time.monotonic() > deadline:
            raise ProjectError(f"{work}: {holder} is still at it; wait until it has ended, or end it")

    with _held(lock, work, poll):
        lock.write_text(f"process {os.getpid()} on {platform.node()}\n", encoding="utf-8")
        yield


@contextmanager
def _held(path: Path, work: str, poll: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a file; while another process has it, `poll` is called with what the file says of that process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock, waiting = FileLock(path), False
    while not lock.is_locked:
        try:
            lock.acquire(timeout=0.5)
        except Timeout:
            holder = path.read_text(encoding="utf-8", errors="replace").strip() or "another process"
            poll(holder)
            if not waiting:
                print(f"waiting for {holder}, which is at {work} ({path})", flush=True)
            waiting = True
    try:
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
