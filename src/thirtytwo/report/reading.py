"""Read the results of the other stages. A missing file is listed, never guessed.

The report knows file formats and paths only here.
"""

import zipfile
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from PIL import Image

from thirtytwo.core.intervals import Estimate, read
from thirtytwo.evaluate.scorecard import Floors, Measured, Score, Scorecard
from thirtytwo.report.results import Floor, Results, RunResult, SetResult, SweepResult, is_base
from thirtytwo.runtime.errors import ReportError
from thirtytwo.runtime.files import read_json, sha256
from thirtytwo.runtime.project import Project
from thirtytwo.settings import configs
from thirtytwo.settings.diffusion import Sweep
from thirtytwo.settings.report import ReportConfig

__all__ = ["load"]

T = TypeVar("T")


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

    def json(self, path: Path, kind: type[T], optional: bool = False) -> T | None:
        return None if self.existing(path, optional) is None else read_json(path, kind)

    def csv(self, path: Path, columns: list[str], optional: bool = False) -> pd.DataFrame | None:
        if self.existing(path, optional) is None:
            return None
        try:
            # class names are text, even "3" and "NA"
            table = pd.read_csv(path, dtype={"class": str}, keep_default_na=False, na_values=["", "nan", "NaN"])
        except ValueError as error:
            raise ReportError(f"{path}: not a valid CSV file ({error}); delete it and run `dvc repro`") from None
        if not set(columns) <= set(table.columns):
            raise ReportError(f"{path}: expected the columns {', '.join(columns)}, got {', '.join(table.columns)}")
        return table

    def png(self, path: Path) -> Path | None:
        if self.existing(path) is None:
            return None
        try:
            with Image.open(path) as image:
                image.verify()
        except (OSError, SyntaxError) as error:
            raise ReportError(f"{path}: not a valid PNG file ({error}); delete it and run `dvc repro`") from None
        return path

    def npz(self, path: Path) -> Path | None:
        if self.existing(path) is None:
            return None
        if not zipfile.is_zipfile(path):
            raise ReportError(f"{path}: not a valid .npz file; delete it and run `dvc repro`")
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
    hashes = {}
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
        classes=files.csv(project.plot("classes", name), ["class", "count", "share"]),
        confusion=files.csv(project.plot("confusion", name), [], optional=True),
        snapshots=files.csv(project.plot("scores", name), ["step", "n", "fd_classifier"]),
        seeds=files.csv(project.plot("seeds", name), ["seed"], optional=True),
        neighbours=files.csv(
            project.plot("neighbours", name), ["sample", "neighbour", "distance", "held_out_distance"], optional=True
        ),
        sweep=_sweep(name, sweep, files, project) if sweep else None,
        grid=files.png(project.plot("samples", name, ".png")),
        samples=files.npz(project.samples(name)),
        probes=files.npz(project.probes(name)),
        seconds=_seconds(name, files, project),
        model=configs.read_values("train", name, project)["settings"],
        sampling=configs.read_values("sample", name, project)["sample"],
        settings={
            stage: configs.read_bytes(stage, name, project).decode("utf-8") for stage in ("train", "sample", "evaluate")
        },
        hashes=hashes,
        missing=files.missing,
    )


def _sweep(name: str, settings: Sweep, files: _Files, project: Project) -> SweepResult | None:
    columns = ["sampler", "steps", "eta", "evaluations", "n", "fd_classifier"]
    table, grid = files.csv(project.plot("sweep", name), columns), files.png(project.plot("sweep", name, ".png"))
    if table is None:
        return None
    log = files.json(project.log("sweep", name), dict[str, Any], optional=True) or {"points": []}
    points = pd.DataFrame(log["points"])
    same = [column for column in ("sampler", "steps", "eta") if column in points and len(points) == len(table)]
    if len(same) < 3 or not (points[same] == table[same]).all(axis=None):  # the log of another execution
        return SweepResult(settings, table, grid, "")
    return SweepResult(settings, table.assign(seconds=points["seconds"]), grid, str(log["device"]))


def _seconds(name: str, files: _Files, project: Project) -> dict[str, Any]:
    """Logged durations. Logs are not results, so missing ones are not listed."""
    trained = files.json(project.log("train", name), dict[str, Any], optional=True) or {}
    drawn = files.json(project.log("sample", name), dict[str, Any], optional=True) or {}
    return {
        "train": trained.get("seconds"),
        "sample": drawn.get("seconds"),
        "images": drawn.get("images"),
        "device": drawn.get("device") or trained.get("device"),
    }


def _set(name: str, settings: ReportConfig, runs: list[RunResult], project: Project) -> SetResult:
    files, dataset = _Files(project), settings.datasets[name]
    images = labels = None
    shown, split = np.arange(0), "test"
    if path := files.existing(project.prepared(name)):
        with np.load(path) as file:
            images, labels, keep = file["images"], file["labels"], file["split"] == 1
        if not keep.any():
            keep, split = ~keep, "training"
        shown = np.flatnonzero(keep)
    facts = files.json(project.facts(name), dict[str, Any])
    classifier = files.json(project.scores(dataset.classifier, "classifier"), dict[str, Score]) or {}
    floors = files.json(project.scores(name, "floor"), Floors) or Floors(Measured(), Measured())
    return SetResult(
        name=name,
        kind=settings.sources[dataset.source].kind,
        settings=dataset.model_dump(),
        facts=facts,
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
