"""The checkpoints of unfinished trainings: what `thirtytwo doctor` reports, and what `--clean` removes.

Copies of the project and other projects may share the folder, so the age decides what is removed, and a training that
is running keeps its checkpoints.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from thirtytwo.cli.finding import Finding
from thirtytwo.runtime.errors import Stopped
from thirtytwo.runtime.interrupt import exclusive, in_use
from thirtytwo.runtime.project import Project

__all__ = ["clean", "findings"]

_DAY = 24 * 60 * 60


def findings(project: Project) -> Iterator[Finding]:
    """Yield a line for each training that has checkpoints."""
    for lock in _locks(project):
        folder = lock.with_suffix("")
        if folder.is_dir():
            run = folder.parent.name
            what = f"{folder}: checkpoints of {run}, step {_step(folder)}, {_days(lock):.0f} days old"
            if in_use(folder):
                yield Finding("ok", f"{what}, training now")
            else:
                yield Finding("note", what, f"`dvc repro train@{run}` resumes if settings, data and code are the same")


def clean(project: Project, days: float) -> Iterator[Finding]:
    """Remove checkpoints, and locks of finished trainings, that are at least `days` old; yield what was removed."""
    for lock in _locks(project):
        folder, age = lock.with_suffix(""), _days(lock)
        if age < days:
            continue
        what = f"removed {folder}: step {_step(folder)}, {age:.0f} days old"
        finished = not folder.exists()
        try:
            with exclusive(folder, lambda: 1):
                shutil.rmtree(folder)
                lock.unlink()
        except Stopped:
            continue  # it is training
        if not finished:
            yield Finding("ok", what)


def _locks(project: Project) -> list[Path]:
    """Return the lock files <run>/<fingerprint>.lock, one for each training that has or had checkpoints."""
    return sorted(project.all_checkpoints.glob("*/*.lock"))


def _step(folder: Path) -> int:
    """Return the step of the newest checkpoint, over all trainings of the run."""
    return max((int(path.name[:9]) for path in folder.glob("*/*-*.pt") if path.name[:9].isdecimal()), default=0)


def _days(lock: Path) -> float:
    """Return the days since the last change of a training's files."""
    folder, changes = lock.with_suffix(""), []
    for path in (lock, *folder.glob("*"), *folder.glob("*/*")):
        with suppress(FileNotFoundError):  # a training removes its former checkpoint at any moment
            changes.append(path.stat().st_mtime)
    now = time.time()
    return (now - max(changes, default=now)) / _DAY
