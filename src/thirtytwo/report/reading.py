"""Read the results of the other stages. A missing file is listed, never guessed.

The report knows file formats and paths only here.
"""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from PIL import Image

from thirtytwo.core.drawn import read_probes, read_samples
from thirtytwo.core.facts import Facts
from thirtytwo.core.intervals import Estimate, read
from thirtytwo.data import batches
from thirtytwo.evaluate.scorecard import Floors, Measured, Score, Scorecard
from thirtytwo.report.checking import check_facts, check_protocol
from thirtytwo.report.results import Floor, Results, RunResult, SetResult, SweepResult, is_base
from thirtytwo.runtime.errors import ReportError
from thirtytwo.runtime.files import read_bytes, read_json, sha256
from thirtytwo.runtime.project import Project, remedy
from thirtytwo.settings import configs
from thirtytwo.settings.report import ReportConfig
from thirtytwo.settings.sweep import Sweep

__all__ = ["load"]

T = TypeVar("T")


@dataclass(frozen=True)
class Log:
    """What a stage logged; keys that the report does not show are ignored."""

    seconds: float | None = None
    images: int | None = None
    device: str | None = None
    points: list[dict[str, float | int | str]] = field(default_factory=list)


class _Files:
    """Reads files of a project and lists those that are missing."""

    def __init__(self, project: Project):
        self.root, self.missing = project.root, list[str]()

    def existing(self, path: Path, optional: bool = False) -> Path | None:
        """The path if it is a file, else None; a missing file is listed unless it is `optional`."""
        if path.is_file():
            return path
        if not optional:
            self.missing.append(path.relative_to(self.root).as_posix())
        return None

    def json(self, path: Path, kind: type[T]) -> T | None:
        if self.existing(path) is None:
            return None
        values = read_json(path, kind)
        match values:
            case Scorecard():
                check_protocol(path, values.measured)
            case Floors():
                check_protocol(path, values.at_random)
                check_protocol(path, values.within_classes)
            case Facts():
                check_facts(path, values)
        return values

    def log(self, path: Path) -> Log:
        """A log; it is not a result, so a missing one is not listed."""
        return Log() if self.existing(path, optional=True) is None else read_json(path, Log, sealed=False)

    def csv(
        self,
        path: Path,
        columns: list[str],
        optional: bool = False,
        text: tuple[str, ...] = ("class",),
        *,
        rows: bool = False,
    ) -> pd.DataFrame | None:
        """A table with at least `columns`; all its columns are numbers, empty where unknown, but those in `text`.

        It has a row at least if `rows`.
        """
        if self.existing(path, optional) is None:
            return None
        try:
            # class names are text, even "3" and "NA"
            kinds, content = dict.fromkeys(text, str), read_bytes(path)
            table = pd.read_csv(io.BytesIO(content), dtype=kinds, keep_default_na=False, na_values=["", "nan", "NaN"])
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise ReportError(f"{path}: not a valid CSV file ({reason}); {remedy(path)}") from None
        if not content.endswith(b"\n"):
            raise ReportError(f"{path}: cut short, its last line has no end; {remedy(path)}")
        if not set(columns) <= set(table.columns):
            raise ReportError(
                f"{path}: expected the columns {', '.join(columns)}, got {', '.join(table.columns)}; {remedy(path)}"
            )
        if rows and table.empty:
            raise ReportError(f"{path}: expected a row at least; {remedy(path)}")
        numbers = [column for column in table.columns if column not in text and len(table)]
        for name in numbers:
            values, known = table[name], name not in columns or not table[name].isna().any()
            if not (is_numeric_dtype(values) and known and not np.isinf(values).any()):
                raise ReportError(f"{path}: column {name}: expected finite numbers in all rows; {remedy(path)}")
        for name in numbers:
            low, high = (table.get(f"{name}{end}", table[name]) for end in ("_low", "_high"))
            if ((low > table[name]) | (table[name] > high)).any():
                raise ReportError(f"{path}: column {name}: expected values between low and high; {remedy(path)}")
        return table

    def png(self, path: Path) -> Path | None:
        if self.existing(path) is None:
            return None
        try:
            with Image.open(path) as image:
                image.load()
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ReportError(f"{path}: not a valid PNG file ({error}); {remedy(path)}") from None
        return path

    def samples(self, path: Path, neighbours: pd.DataFrame | None, table: Path) -> Path | None:
        """The path of the samples, which hold the images that `neighbours` from the file `table` names."""
        if self.existing(path) is None:
            return None
        images, _ = read_samples(path)
        if neighbours is not None and not neighbours["sample"].isin(range(len(images))).all():
            raise ReportError(f"{table}: names images that {path} does not have; {remedy(table)}")
        return path

    def probes(self, path: Path) -> Path | None:
        if self.existing(path) is None:
            return None
        read_probes(path)
        return path


def load(project: Project) -> Results:
    """All results of the runs and data sets in configs/report/report.yaml.

    Raises:
        ParamsError: the resolved configuration is missing or not valid.
        FileError, ReportError: a result cannot be read.
    """
    settings = configs.read(ReportConfig, "report", "report", project)
    runs = [_run(name, run, settings.sweeps.get(name), project) for name, run in settings.runs.items()]
    sets = [_set(name, settings, [run for run in runs if run.dataset == name], project) for name in settings.datasets]
    return Results(settings, sets)


def _run(name: str, run: configs.Run, sweep: Sweep | None, project: Project) -> RunResult:
    files = _Files(project)
    hashes, columns = {}, ["sample", "neighbour", "distance", "held_out_distance"]
    neighbours = files.csv(project.plot("neighbours", name), columns, optional=True)
    for training in range(run.seeds):
        number = f" {training}" if training else ""
        for kind, path in (("model", project.model(name, training)), ("samples", project.samples(name, training))):
            if files.existing(path):
                hashes[f"{kind}{number}"] = sha256(path)
    return RunResult(
        name=name,
        family=run.family,
        net=run.net,
        dataset=run.dataset,
        card=files.json(project.scores(name), Scorecard),
        training=files.json(project.scores(name, "train"), dict[str, Score]),
        curve=files.csv(project.plot("train", name), ["step"]),
        validation=files.csv(project.plot("validation", name), ["step", "epoch"]),
        classes=files.csv(project.plot("classes", name), ["class", "count", "share"], rows=True),
        confusion=files.csv(project.plot("confusion", name), ["asked"], optional=True, text=("asked",)),
        snapshots=files.csv(project.plot("scores", name), ["step", "n", "fd_classifier"]),
        seeds=files.csv(project.plot("seeds", name), ["seed"], optional=True),
        neighbours=neighbours,
        sweep=_sweep(name, sweep, files, project) if sweep else None,
        grid=files.png(project.plot("samples", name, ".png")),
        samples=files.samples(project.samples(name), neighbours, project.plot("neighbours", name)),
        probes=files.probes(project.probes(name)),
        seconds=_seconds(name, files, project),
        model=_block("train", "settings", name, project),
        sampling=_block("sample", "sample", name, project),
        settings={
            stage: configs.read_bytes(stage, name, project).decode("utf-8") for stage in ("train", "sample", "evaluate")
        },
        hashes=hashes,
        missing=files.missing,
    )


def _block(stage: str, key: str, name: str, project: Project) -> dict[str, Any]:
    block = configs.read_values(stage, name, project).get(key)
    if not isinstance(block, dict):
        path = project.config(stage, name)
        raise ReportError(f"{path}: {key}: expected a mapping; {remedy(path)}")
    return block


def _sweep(name: str, settings: Sweep, files: _Files, project: Project) -> SweepResult | None:
    columns = ["sampler", "steps", "eta", "evaluations", "n", "fd_classifier"]
    table = files.csv(project.plot("sweep", name), columns, text=("sampler", "spacing"), rows=True)
    grid = files.png(project.plot("sweep", name, ".png"))
    if table is None:
        return None
    log = files.log(project.log("sweep", name))
    points = pd.DataFrame(log.points)
    same = [column for column in ("sampler", "steps", "eta") if column in points and len(points) == len(table)]
    if (
        len(same) < 3 or "seconds" not in points or not (points[same] == table[same]).all(axis=None)
    ):  # the log of another execution
        return SweepResult(settings, table, grid, "")
    return SweepResult(settings, table.assign(seconds=points["seconds"]), grid, log.device or "")


def _seconds(name: str, files: _Files, project: Project) -> dict[str, Any]:
    """Logged durations."""
    trained, drawn = files.log(project.log("train", name)), files.log(project.log("sample", name))
    return {
        "train": trained.seconds,
        "sample": drawn.seconds,
        "images": drawn.images,
        "device": drawn.device or trained.device,
    }


def _set(name: str, settings: ReportConfig, runs: list[RunResult], project: Project) -> SetResult:
    files, dataset = _Files(project), settings.datasets[name]
    images = labels = None
    shown, split = np.arange(0), "test"
    path = files.existing(project.prepared(name))
    facts = files.json(project.facts(name), Facts)
    if path and facts:
        data = batches.load(path)
        images, labels, keep = data.images, data.labels, data.split == 1
        if not keep.any():
            keep, split = ~keep, "training"
        shown = np.flatnonzero(keep)
        for run in runs:
            if run.neighbours is not None and not run.neighbours["neighbour"].isin(range(len(images))).all():
                table = project.plot("neighbours", run.name)
                raise ReportError(f"{table}: names images that {name} does not have; {remedy(table)}")
    classifier = files.json(project.scores(dataset.classifier, "classifier"), dict[str, Score]) or {}
    floors = files.json(project.scores(name, "floor"), Floors) or Floors(Measured(), Measured())
    return SetResult(
        name=name,
        kind=settings.sources[dataset.source].kind,
        settings=dataset.model_dump(),
        facts=vars(facts) if facts else None,
        classifier=classifier,
        accuracy=Measured(classifier).estimate("accuracy_test"),
        floor=Floor(
            floors.at_random,
            floors.within_classes,
            _curves(files.csv(project.plot("floor", name), ["n", "fd_classifier"], optional=True)),
        ),
        images=images,
        labels=labels,
        shown=shown,
        shown_split=split,
        runs=runs,
        missing=files.missing,
    )


def _curves(table: pd.DataFrame | None) -> dict[str, list[tuple[int, Estimate]]]:
    """Estimates by n of every score of a floor's table."""
    if table is None:
        return {}
    rows = [{str(key): float(value) for key, value in row.items()} for row in table.to_dict("records")]
    names = [str(name) for name in table.columns if name != "n" and is_base(str(name))]
    return {name: [(int(row["n"]), read(row, name)) for row in rows] for name in names}
