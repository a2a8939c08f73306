"""What `thirtytwo doctor` reports of checkpoints that unfinished trainings have left, and what `--clean` removes."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from thirtytwo.cli.finding import Finding
from thirtytwo.runtime.interrupt import in_use, lock_file
from thirtytwo.runtime.project import Project

__all__ = ["Unfinished", "clean", "findings", "unfinished"]

_DAY = 24 * 60 * 60


@dataclass(frozen=True)
class Unfinished:
    """A training that has left checkpoints.

    Attributes:
        folder: of the checkpoints, <run>/<fingerprint>.
        run: its name.
        step: of the newest checkpoint, over all trainings of the run.
        days: since the newest checkpoint.
        current: its settings are those that params.yaml gives the run.
    """

    folder: Path
    run: str
    step: int
    days: float
    current: bool


def unfinished(project: Project, configs: dict[str, str]) -> list[Unfinished]:
    """Every training that has left checkpoints.

    Args:
        configs: sha256 of the resolved training settings of each run.
    """
    found = []
    for about in sorted(project.all_checkpoints.glob("*/*/about.json")):
        folder, run = about.parent, about.parent.parent.name
        states = [path for path in folder.glob("*/*-*.pt") if path.name[:9].isdecimal()]
        newest = max(path.stat().st_mtime for path in [about, *states])
        config = json.loads(about.read_text(encoding="utf-8"))["config"]
        step = max((int(path.name[:9]) for path in states), default=0)
        found.append(Unfinished(folder, run, step, (time.time() - newest) / _DAY, configs.get(run) == config))
    return found


def findings(project: Project, configs: dict[str, str]) -> Iterator[Finding]:
    """A line for each training that has left checkpoints."""
    for left in unfinished(project, configs):
        what = f"{left.folder}: checkpoints of {left.run}, step {left.step}, {left.days:.0f} days old"
        if in_use(left.folder):
            yield Finding("ok", f"{what}, training now")
        elif left.current:
            yield Finding("note", what, f"`dvc repro train@{left.run}` resumes if data and code are the same")
        else:
            yield Finding("note", f"{what}, of other settings than the current ones", "`thirtytwo doctor --clean`")


def clean(project: Project, configs: dict[str, str], days: float) -> Iterator[Finding]:
    """Remove checkpoints older than `days`, or of settings that no current run has, and lock files that nobody holds.

    Trainings that are running keep theirs.
    """
    for left in unfinished(project, configs):
        if in_use(left.folder) or (left.current and left.days <= days):
            continue
        reason = f"{left.days:.0f} days old" if left.current else "no run has these settings now"
        shutil.rmtree(left.folder)
        yield Finding("ok", f"removed {left.folder} ({left.run}, step {left.step}): {reason}")
    for lock in project.all_checkpoints.glob("*/*.lock"):
        folder = lock.with_suffix("")
        if not folder.exists() and not in_use(folder):
            lock_file(folder).unlink(missing_ok=True)
