"""The end of a stage whose dvc has died: killing dvc would leave its stage running, to write after a successor.

A process of its own watches, because Python runs neither a thread nor the handler of a signal while an import or a long
operation of an extension holds its lock. A stage calls this before it imports anything else.
"""

import os
import signal
import sys
import time

import psutil

from thirtytwo.runtime.alive import is_alive

__all__ = ["end_with_dvc"]

_LOOK_SECONDS = 0.25
_GRACE_SECONDS = 3.5  # for a training to finish its step and to save its state


def end_with_dvc() -> None:
    """If DVC started this stage, have it ended within 5 s of the death of that dvc, or of a process between the two.

    The stage gets SIGTERM, and SIGKILL if it goes on. A stage that a person started outlives the shell.
    """
    if (name := os.environ.get("DVC_STAGE")) is None:
        return
    stage = os.getpid()
    if os.fork() == 0:
        try:
            _watch(stage, name)
        finally:
            os._exit(0)


def _watch(stage: int, name: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # they reach the stage as well, which decides when to end
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    watched = _ancestors(stage, name)
    # If dvc died before, the stage now belongs to a process of the system, which is in another session.
    orphan = not watched or (os.getsid(stage) != stage and not _in_session(watched[-1], os.getsid(stage)))
    while os.getppid() == stage and not orphan:
        time.sleep(_LOOK_SECONDS)
        orphan = not all(process.is_running() and is_alive(process.pid) for process in watched)
    if os.getppid() != stage:
        return
    print(f"{name}: the dvc that started this stage has ended: stopping", file=sys.stderr, flush=True)
    os.kill(stage, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_SECONDS
    while os.getppid() == stage and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS / 5)
    if os.getppid() == stage:
        os.kill(stage, signal.SIGKILL)


def _ancestors(stage: int, name: str) -> list[psutil.Process]:
    """The processes from the parent, such as a shell, to dvc, the first that does not have the stage's environment."""
    found = []
    try:
        for process in psutil.Process(stage).parents():
            found.append(process)
            if process.environ().get("DVC_STAGE") != name:
                break
    except psutil.Error:  # another user's process, or one that has just ended
        pass
    return found


def _in_session(process: psutil.Process, session: int) -> bool:
    try:
        return os.getsid(process.pid) == session
    except OSError:
        return False
