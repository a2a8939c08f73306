"""`thirtytwo doctor --plan`: what the runs of params.yaml will take, before any of them starts."""

import signal
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tabulate import tabulate

from thirtytwo.cli.planning import capacity
from thirtytwo.cli.planning.calibration import measure
from thirtytwo.cli.planning.estimate import DataSet, Speeds, amount, duration, size, wall
from thirtytwo.cli.planning.needs import Needs, check, needs
from thirtytwo.runtime.errors import CommandError
from thirtytwo.runtime.project import Project
from thirtytwo.settings import configs
from thirtytwo.settings.report import ReportConfig
from thirtytwo.settings.resolve import resolve
from thirtytwo.settings.strict import nearest

__all__ = ["Row", "run"]

_COLUMNS = ("run", "steps", "batch", "images", "parameters", "memory", "disk", "train", "sample", "evaluate")


@dataclass(frozen=True)
class Row:
    """What a run needs, and how fast this machine is at it."""

    needs: Needs
    speeds: Speeds

    @property
    def memory(self) -> float:
        """Bytes of the stage that takes most."""
        n, work = self.needs, self.needs.work
        training = work.training_memory(n.data, n.networks, self.speeds.activations)
        return self.speeds.resident + max(training, work.sampling_memory(n.data, n.networks))

    @property
    def disk(self) -> float:
        """Bytes while the run trains, of all that it writes."""
        n, work = self.needs, self.needs.work
        return work.disk(n.data, n.networks) + work.checkpoints(n.networks)

    @property
    def seconds(self) -> tuple[float, float, float]:
        """Of the stages `train`, `sample` and `evaluate`."""
        work, speeds = self.needs.work, self.speeds
        return speeds.train(work, self.needs.data), speeds.sample(work), speeds.evaluate(work)


def run(project: Project, names: Sequence[str], jobs: int | None) -> int:
    """Print a row for each run, the totals, and how long `jobs` processes take.

    Args:
        names: of runs; none of them: all of params.yaml.

    Raises:
        ParamsError: params.yaml is invalid.
        CommandError: a run does not exist, or what the runs need exceeds this machine.
    """
    with tempfile.TemporaryDirectory() as folder:
        resolved = Project(Path(folder))
        resolve(project.params, resolved)
        settings = configs.read(ReportConfig, "report", "report", resolved)
        if unknown := [name for name in names if name not in settings.runs]:
            raise CommandError(f"--plan: no run '{unknown[0]}'; {nearest(unknown[0], settings.runs)}")
        listed = needs(resolved, project, dict.fromkeys(names) or settings.runs)
        sets = {n.dataset: n.data for n in listed}
        check(project, listed, sets.values(), settings.compute, {})
        jobs = jobs or capacity.jobs(settings.compute.threads, capacity.devices(settings.compute))
        jobs = min(jobs, len(listed))
        rows = [Row(*pair) for pair in zip(listed, _measure(resolved, listed, jobs), strict=True)]
    print(_table(rows, sets, jobs))
    took = duration(wall([sum(row.seconds) for row in rows], jobs))
    print(f"\n{took} with --jobs {jobs}, without the stages of data sets, sweeps and the report")
    for name, data in sets.items():
        if data.assumed:
            print(f"data set {name}: assumed {data.images} images; `dvc repro prepare@{name}` counts them")
    activations = {row.needs.run: row.speeds.activations for row in rows}
    check(project, listed, sets.values(), settings.compute, activations)
    _check_together(rows, jobs, settings.compute)
    return 0


def _measure(resolved: Project, listed: Sequence[Needs], jobs: int) -> list[Speeds]:
    """Calibrate as many runs at a time as will run at a time, since processes on one machine slow each other down."""
    try:
        # at Ctrl-C the processes end without a word each
        context, default = get_context("spawn"), (signal.SIGINT, signal.SIG_DFL)
        with ProcessPoolExecutor(jobs, context, signal.signal, default) as pool:
            return list(pool.map(partial(measure, resolved.root), listed))
    except BrokenProcessPool:
        raise CommandError(
            "--plan: a process of the calibration was killed, perhaps for its memory; name fewer runs, or use --jobs 1"
        ) from None


def _check_together(rows: Sequence[Row], jobs: int, compute: configs.Compute) -> None:
    """Check that as many runs as run at a time fit in memory together; each GPU has one."""
    limit, owner = capacity.memory(compute)
    largest = sorted((row.memory for row in rows), reverse=True)[:jobs]
    if owner == "this machine" and sum(largest) > limit:
        fitting = next(n for n in range(jobs, -1, -1) if sum(largest[:n]) <= limit)
        raise CommandError(
            f"--jobs {jobs}: the runs need up to {size(sum(largest))} of memory at a time, {owner} has {size(limit)};"
            f" {f'use --jobs {fitting}' if fitting else 'lower batch_size or the size of the networks'}"
        )


def _table(rows: Sequence[Row], sets: Mapping[str, DataSet], jobs: int) -> str:
    """The runs, their data sets, and the totals; the total of memory is that of the largest runs at a time."""
    lines: list[tuple[str, ...]] = []
    for row in rows:
        n, work = row.needs, row.needs.work
        lines.append((
            n.run, str(work.seeds * work.steps), str(work.batch), str(work.seeds * work.images),
            amount(n.networks.trained), size(row.memory), size(row.disk), *map(duration, row.seconds),
        ))  # fmt: skip
    for name, data in sets.items():
        lines.append((f"{name} (data)", "", "", str(data.images), "", size(data.bytes), size(data.disk), "", "", ""))
    works = [row.needs.work for row in rows]
    memory = sum(sorted((row.memory for row in rows), reverse=True)[:jobs])
    disk = sum(row.disk for row in rows) + sum(data.disk for data in sets.values())
    lines.append((
        "total", str(sum(work.seeds * work.steps for work in works)), "",
        str(sum(work.seeds * work.images for work in works)),
        amount(sum(row.needs.networks.trained for row in rows)), size(memory), size(disk),
        *(duration(sum(seconds)) for seconds in zip(*(row.seconds for row in rows), strict=True)),
    ))  # fmt: skip
    right = ("left", *("right",) * (len(_COLUMNS) - 1))
    return tabulate(lines, _COLUMNS, tablefmt="plain", disable_numparse=True, colalign=right)
