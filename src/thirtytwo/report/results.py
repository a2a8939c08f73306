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

from thirtytwo import config
from thirtytwo.report.settings import ReportConfig

__all__ = ["ReportError", "Results", "RunResult", "SetResult", "load"]


class ReportError(ValueError):
    """A result that is there but cannot be read; the message is one line."""


@dataclass(frozen=True)
class RunResult:
    """A run: what was asked for and what came of it; None where the file is missing.

    Attributes:
        metrics: scores of the evaluation.
        training: size, budget and final terms of the training.
        curve, validation: columns step, epoch and one a term.
        classes: columns class, count, share, of the samples by the classifier.
        scores: columns step, n, fd_classifier, of snapshots of the training; no rows where there are none.
        grid: PNG of samples.
        probes: .npz of what else was made with the model.
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
    scores: pd.DataFrame | None
    grid: Path | None
    probes: Path | None
    sampling: dict[str, Any]
    settings: dict[str, str]
    hashes: dict[str, str]
    missing: list[str]

    def metric(self, key: str) -> Any:
        """A score of the evaluation, None where it was not measured."""
        return (self.metrics or {}).get(key)

    def probe(self, key: str) -> np.ndarray | None:
        """An array of the probes, None where there is no such one."""
        if self.probes is None:
            return None
        with np.load(self.probes, allow_pickle=False) as file:
            return file.get(key)


@dataclass(frozen=True)
class SetResult:
    """A data set with its runs in the order of params.yaml; `images`, `labels` are of the split that the grid shows."""

    name: str
    settings: dict[str, Any]
    facts: dict[str, Any] | None
    classifier: dict[str, Any] | None
    floor: dict[str, Any] | None
    images: np.ndarray | None
    labels: np.ndarray | None
    images_split: str
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

    def path(self, name: str) -> Path | None:
        if (self.root / name).is_file():
            return self.root / name
        self.missing.append(name)
        return None

    def json(self, name: str) -> dict[str, Any] | None:
        if (path := self.path(name)) is None:
            return None
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ReportError(f"{path}: not valid JSON ({error}); delete it and run `dvc repro`") from None
        if not isinstance(values, dict):
            raise ReportError(f"{path}: expected an object of names and values; delete it and run `dvc repro`")
        return values

    def csv(self, name: str, columns: list[str]) -> pd.DataFrame | None:
        if (path := self.path(name)) is None:
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
    settings = config.read(ReportConfig, "report", "report", root)
    runs = [_run(name, run, root) for name, run in settings.runs.items()]
    sets = [
        _set(name, dataset.model_dump(), [run for run in runs if run.dataset == name], root)
        for name, dataset in settings.datasets.items()
    ]
    return Results(settings, sets)


def _run(name: str, run: config.Run, root: Path) -> RunResult:
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
        scores=folder.csv(f"plots/scores/{name}.csv", ["step", "n", "fd_classifier"]),
        probes=folder.npz(f"data/probes/{name}.npz"),
        grid=folder.png(f"plots/samples/{name}.png"),
        sampling=config.read_values("sample", name, root)["sample"],
        settings={
            stage: config.read_bytes(stage, name, root).decode("utf-8") for stage in ("train", "sample", "evaluate")
        },
        hashes={key: value for key, value in hashes.items() if value},
        missing=folder.missing,
    )


def _set(name: str, settings: dict[str, Any], runs: list[RunResult], root: Path) -> SetResult:
    folder = _Folder(root)
    images = labels = None
    split = "test"
    if path := folder.path(f"data/prepared/{name}.npz"):
        with np.load(path) as file:
            keep = file["split"] == 1
            if not keep.any():
                keep, split = ~keep, "training"
            images, labels = file["images"][keep], file["labels"][keep]
    return SetResult(
        name=name,
        settings=settings,
        facts=folder.json(f"data/prepared/{name}.json"),
        classifier=folder.json(f"metrics/classifier/{name}.json"),
        floor=folder.json(f"metrics/floor/{name}.json"),
        images=images,
        labels=labels,
        images_split=split,
        runs=runs,
        missing=folder.missing,
    )
