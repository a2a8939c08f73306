"""Reads what the other stages left behind. A file that is not there is noted, never guessed."""

import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from thirtytwo.runtime.errors import ReportError
from thirtytwo.runtime.project import Project
from thirtytwo.sampling.diffusion.solvers import evaluations
from thirtytwo.settings import configs
from thirtytwo.settings.diffusion import Sweep
from thirtytwo.settings.report import ReportConfig

__all__ = ["Results", "RunResult", "SetResult", "SweepResult", "load"]


@dataclass(frozen=True)
class SweepResult:
    """A trained diffusion model by many samplers.

    Attributes:
        table: columns sampler, steps, eta, spacing, evaluations, n, fd_classifier; where it was logged also seconds,
            of drawing n images.
        grid: PNG with a row of images a row of the table.
        device: where the seconds were taken, "" where they were not.
    """

    settings: Sweep
    table: pd.DataFrame
    grid: Path | None
    device: str


@dataclass(frozen=True)
class RunResult:
    """A run: what was asked for and what came of it; None where the file is missing.

    Attributes:
        metrics: scores of the evaluation.
        training: size, budget and final terms of the training.
        curve, validation: columns step, epoch and one a term.
        classes: columns class, count, share, of the samples by the classifier.
        confusion: of conditional runs, a row a class asked for, a column a class seen, counts.
        scores: columns step, n, fd_classifier, of snapshots of the training; no rows where there are none.
        seeds: columns seed and one a score, a row a training seed.
        neighbours: columns sample, neighbour, distance, held_out_distance, closest first.
        sweep: None where none was asked for or made.
        grid: PNG of samples.
        samples, probes: .npz of the samples, and of what else was made with the model.
        seconds: of the stages train and sample, where logged, with "images" and "device" of the latter.
        model: training settings of the family, such as {"lr": 0.001}.
        sampling: sampling settings of the family, such as {"weights": "ema"}.
        settings: resolved YAML of each stage.
        hashes: sha256 of the files of models and samples, from the second training seed on with its number.
        missing: paths that do not exist, relative to the root.
    """

    name: str
    family: str
    net: str
    dataset: str
    metrics: dict[str, Any] | None
    training: dict[str, Any] | None
    curve: pd.DataFrame | None
    validation: pd.DataFrame | None
    classes: pd.DataFrame | None
    confusion: pd.DataFrame | None
    scores: pd.DataFrame | None
    seeds: pd.DataFrame | None
    neighbours: pd.DataFrame | None
    sweep: SweepResult | None
    grid: Path | None
    samples: Path | None
    probes: Path | None
    seconds: dict[str, Any]
    model: dict[str, Any]
    sampling: dict[str, Any]
    settings: dict[str, str]
    hashes: dict[str, str]
    missing: list[str]

    def metric(self, key: str) -> Any:
        """A score of the evaluation, None where it was not measured."""
        return (self.metrics or {}).get(key)

    def score(self, key: str) -> tuple[float | None, float | None, float | None]:
        """A score and the ends of its interval."""
        return self.metric(key), self.metric(f"{key}_low"), self.metric(f"{key}_high")

    def probe(self, key: str) -> np.ndarray | None:
        """An array of the probes, None where there is no such one."""
        if self.probes is None:
            return None
        with np.load(self.probes, allow_pickle=False) as file:
            return file.get(key)

    def drawn(self, indices: np.ndarray) -> np.ndarray | None:
        """Samples [n, 32, 32, C] uint8 at `indices`, None where the file is missing."""
        if self.samples is None:
            return None
        with np.load(self.samples, allow_pickle=False) as file:
            return file["images"][indices]

    @property
    def evaluations(self) -> int:
        """Calls of the generating network an image: one, unless it is diffusion or a decoder asked for every label."""
        if "sampler" not in self.sampling:
            return int(self.metric("classes") or 1) if self.sampling.get("decoder_guidance") else 1
        calls = evaluations(self.sampling["sampler"], self.sampling["steps"])
        return calls * (2 if self.sampling["guidance"] else 1)


@dataclass(frozen=True)
class SetResult:
    """A data set with its runs in the order of params.yaml; None where a file is missing.

    Attributes:
        kind: what its source is, such as "cifar10".
        images, labels: all real images, training ones and others.
        shown: indices of the images that stand for the real ones: the test images, else all.
        floors: columns n and scores of real images against real ones at that n.
    """

    name: str
    kind: str
    settings: dict[str, Any]
    facts: dict[str, Any] | None
    classifier: dict[str, Any] | None
    floor: dict[str, Any] | None
    floors: pd.DataFrame | None
    images: np.ndarray | None
    labels: np.ndarray | None
    shown: np.ndarray
    shown_split: str
    runs: list[RunResult]
    missing: list[str]


@dataclass(frozen=True)
class Results:
    """Everything that the report tells of."""

    config: ReportConfig
    sets: list[SetResult]

    @property
    def runs(self) -> list[RunResult]:
        return [run for dataset in self.sets for run in dataset.runs]


class _Folder:
    """Reads files below `root` and keeps a list of those that are missing."""

    def __init__(self, root: Path):
        self.root, self.missing = root, list[str]()

    def path(self, name: str, optional: bool = False) -> Path | None:
        """The file, None where there is none; one that is `optional` may be so without a word."""
        if (self.root / name).is_file():
            return self.root / name
        if not optional:
            self.missing.append(name)
        return None

    def json(self, name: str, optional: bool = False) -> dict[str, Any] | None:
        if (path := self.path(name, optional)) is None:
            return None
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ReportError(f"{path}: not valid JSON ({error}); delete it and run `dvc repro`") from None
        if not isinstance(values, dict):
            raise ReportError(f"{path}: expected an object of names and values; delete it and run `dvc repro`")
        return values

    def csv(self, name: str, columns: list[str], optional: bool = False) -> pd.DataFrame | None:
        if (path := self.path(name, optional)) is None:
            return None
        try:
            # class names are text, also "3" and "NA"
            table = pd.read_csv(path, dtype={"class": str}, keep_default_na=False, na_values=["", "nan", "NaN"])
        except ValueError as error:
            raise ReportError(f"{path}: not a valid CSV file ({error}); delete it and run `dvc repro`") from None
        if not set(columns) <= set(table.columns):
            raise ReportError(f"{path}: expected the columns {', '.join(columns)}, got {', '.join(table.columns)}")
        return table

    def png(self, name: str) -> Path | None:
        if (path := self.path(name)) is None:
            return None
        try:
            with Image.open(path) as image:
                image.verify()
        except (OSError, SyntaxError) as error:
            raise ReportError(f"{path}: not a valid PNG file ({error}); delete it and run `dvc repro`") from None
        return path

    def npz(self, name: str) -> Path | None:
        if (path := self.path(name)) is None:
            return None
        if not zipfile.is_zipfile(path):
            raise ReportError(f"{path}: not a valid .npz file; delete it and run `dvc repro`")
        return path

    def sha256(self, name: str) -> str | None:
        if (path := self.path(name)) is None:
            return None
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def load(root: Path) -> Results:
    """All results of the runs and data sets of `root`/configs/report/report.yaml.

    Raises:
        ParamsError: the resolved configuration is missing or not valid.
        ReportError: a result cannot be read.
    """
    settings = configs.read(ReportConfig, "report", "report", Project(root))
    runs = [_run(name, run, settings.sweeps.get(name), root) for name, run in settings.runs.items()]
    sets = [_set(name, settings, [run for run in runs if run.dataset == name], root) for name in settings.datasets]
    return Results(settings, sets)


def _run(name: str, run: configs.Run, sweep: Sweep | None, root: Path) -> RunResult:
    folder = _Folder(root)
    hashes = {}
    for place in range(run.seeds):
        of = f" {place}" if place else ""
        hashes[f"model{of}"] = folder.sha256(f"data/models/{name}/{place}.pt")
        hashes[f"samples{of}"] = folder.sha256(f"data/samples/{name}/{place}.npz")
    return RunResult(
        name=name,
        family=run.family,
        net=run.net,
        dataset=run.dataset,
        metrics=folder.json(f"metrics/{name}.json"),
        training=folder.json(f"metrics/train/{name}.json"),
        curve=folder.csv(f"plots/train/{name}.csv", ["step"]),
        validation=folder.csv(f"plots/validation/{name}.csv", ["step", "epoch"]),
        classes=folder.csv(f"plots/classes/{name}.csv", ["class", "count", "share"]),
        confusion=folder.csv(f"plots/confusion/{name}.csv", [], optional=True),
        scores=folder.csv(f"plots/scores/{name}.csv", ["step", "n", "fd_classifier"]),
        seeds=folder.csv(f"plots/seeds/{name}.csv", ["seed"], optional=True),
        neighbours=folder.csv(
            f"plots/neighbours/{name}.csv", ["sample", "neighbour", "distance", "held_out_distance"], optional=True
        ),
        sweep=_sweep(name, sweep, folder) if sweep else None,
        grid=folder.png(f"plots/samples/{name}.png"),
        samples=folder.npz(f"data/samples/{name}/0.npz"),
        probes=folder.npz(f"data/probes/{name}.npz"),
        seconds=_seconds(name, folder),
        model=configs.read_values("train", name, Project(root))["settings"],
        sampling=configs.read_values("sample", name, Project(root))["sample"],
        settings={
            stage: configs.read_bytes(stage, name, Project(root)).decode("utf-8")
            for stage in ("train", "sample", "evaluate")
        },
        hashes={key: value for key, value in hashes.items() if value},
        missing=folder.missing,
    )


def _sweep(name: str, settings: Sweep, folder: _Folder) -> SweepResult | None:
    columns = ["sampler", "steps", "eta", "evaluations", "n", "fd_classifier"]
    table, grid = folder.csv(f"plots/sweep/{name}.csv", columns), folder.png(f"plots/sweep/{name}.png")
    if table is None:
        return None
    log = folder.json(f"logs/sweep/{name}.json", optional=True) or {"points": []}
    points = pd.DataFrame(log["points"])
    same = [column for column in ("sampler", "steps", "eta") if column in points and len(points) == len(table)]
    if len(same) < 3 or not (points[same] == table[same]).all(axis=None):  # of another call
        return SweepResult(settings, table, grid, "")
    return SweepResult(settings, table.assign(seconds=points["seconds"]), grid, str(log["device"]))


def _seconds(name: str, folder: _Folder) -> dict[str, Any]:
    """Durations are no results: they are shown where they are there."""
    trained = folder.json(f"logs/train/{name}.json", optional=True) or {}
    drawn = folder.json(f"logs/sample/{name}.json", optional=True) or {}
    found = {"train": trained.get("seconds"), "sample": drawn.get("seconds"), "images": drawn.get("images")}
    return found | {"device": drawn.get("device") or trained.get("device")}


def _set(name: str, settings: ReportConfig, runs: list[RunResult], root: Path) -> SetResult:
    folder, own = _Folder(root), settings.datasets[name]
    images = labels = None
    shown, split = np.arange(0), "test"
    if path := folder.path(f"data/prepared/{name}.npz"):
        with np.load(path) as file:
            images, labels, keep = file["images"], file["labels"], file["split"] == 1
        if not keep.any():
            keep, split = ~keep, "training"
        shown = np.flatnonzero(keep)
    return SetResult(
        name=name,
        kind=settings.sources[own.source].kind,
        settings=own.model_dump(),
        facts=folder.json(f"data/prepared/{name}.json"),
        classifier=folder.json(f"metrics/classifier/{own.classifier}.json"),
        floor=folder.json(f"metrics/floor/{name}.json"),
        floors=folder.csv(f"plots/floor/{name}.csv", ["n", "fd_classifier"], optional=True),
        images=images,
        labels=labels,
        shown=shown,
        shown_split=split,
        runs=runs,
        missing=folder.missing,
    )
