"""Every path in the project's folder that a stage or the command reads or writes."""

import configparser
import os
from dataclasses import dataclass
from pathlib import Path

from thirtytwo.runtime.errors import ParamsError, ProjectError

__all__ = ["Project", "remedy"]

_MADE_BY = {  # the stage that writes the files of a folder
    "configs": "resolve", "data/raw": "download", "data/prepared": "prepare", "data/classifiers": "classifier",
    "data/features": "floor", "data/fid_stats": "fid_stats", "data/models": "train", "data/snapshots": "train",
    "data/samples": "sample", "data/probes": "sample", "scores": "evaluate", "scores/classifier": "classifier",
    "scores/floor": "floor", "scores/train": "train", "plots/train": "train", "plots/validation": "train",
    "plots/samples": "sample", "plots/floor": "floor", "plots/sweep": "sweep", "plots/classes": "evaluate",
    "plots/confusion": "evaluate", "plots/neighbours": "evaluate", "plots/scores": "evaluate", "plots/seeds": "evaluate",
}  # fmt: skip


@dataclass(frozen=True)
class Project:
    """The paths of a project, whose folder `root` contains dvc.yaml and params.yaml.

    `run`, `dataset` and `source` are names under `runs:`, `datasets:` and `sources:` in params.yaml. A run with several
    trainings has a file of weights and a file of samples per `training`, counted from 0.
    """

    root: Path

    @classmethod
    def containing(cls, folder: Path) -> "Project":
        """Return the project that contains `folder`.

        Raises:
            ProjectError: neither `folder` nor any folder above it contains dvc.yaml and params.yaml.
        """
        for candidate in (folder.resolve(), *folder.resolve().parents):
            if (candidate / "dvc.yaml").is_file() and (candidate / "params.yaml").is_file():
                return cls(candidate)
        raise ProjectError(f"{folder}: no dvc.yaml and params.yaml here or above; change to the project's folder")

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def configs(self) -> Path:
        """Folder of the resolved settings."""
        return self.root / "configs"

    def config(self, stage: str, name: str) -> Path:
        return self.configs / stage / f"{name}.yaml"

    @property
    def no_parent(self) -> Path:
        """Empty file that replaces the parent of a run without parent."""
        return self.root / ".no-parent"

    @property
    def downloads(self) -> Path:
        """Folder of downloaded archives and weights."""
        return self.root / "data/downloads"

    def raw(self, source: str) -> Path:
        """Folder of a source's files."""
        return self.root / "data/raw" / source

    def prepared(self, dataset: str) -> Path:
        """Images, labels and splits of a data set (.npz)."""
        return self.root / "data/prepared" / f"{dataset}.npz"

    def facts(self, dataset: str) -> Path:
        """Classes, counts and removed files of a prepared data set (.json)."""
        return self.root / "data/prepared" / f"{dataset}.json"

    def classifier(self, dataset: str) -> Path:
        """Weights of the classifier trained on a data set."""
        return self.root / "data/classifiers" / f"{dataset}.pt"

    def second_classifier(self, dataset: str) -> Path:
        """Weights of the second classifier trained on a data set."""
        return self.root / "data/second_classifiers" / f"{dataset}.pt"

    def features(self, dataset: str) -> Path:
        """Classifier features of a data set's real images (.npz)."""
        return self.root / "data/features" / f"{dataset}.npz"

    def judge(self, dataset: str) -> Path:
        """Weights of the classifier that scores a data set and computed its `features`."""
        return self.root / "data/features" / f"{dataset}.pt"

    def second_features(self, dataset: str) -> Path:
        """Features of a data set's real images by the second classifier (.npz)."""
        return self.root / "data/second_features" / f"{dataset}.npz"

    def second_judge(self, dataset: str) -> Path:
        """Weights of the second classifier that scores a data set and computed its `second_features`."""
        return self.root / "data/second_features" / f"{dataset}.pt"

    def fid_stats(self, dataset: str) -> Path:
        """Folder of the Inception statistics of a data set's real images."""
        return self.root / "data/fid_stats" / dataset

    @property
    def inception(self) -> Path:
        """Cache of Inception features (folder)."""
        return self.root / "data/inception"

    def models(self, run: str) -> Path:
        """Folder of a run's weights."""
        return self.root / "data/models" / run

    def model(self, run: str, training: int = 0) -> Path:
        return self.models(run) / f"{training}.pt"

    def snapshots(self, run: str) -> Path:
        """Snapshots of the weights during the first training."""
        return self.root / "data/snapshots" / f"{run}.pt"

    @property
    def all_checkpoints(self) -> Path:
        """Folder of the checkpoints of all unfinished trainings: THIRTYTWO_CHECKPOINTS, or a folder beside DVC's cache.

        Temporary copies of the project and checkouts that share the cache thus share the checkpoints.
        """
        chosen = os.environ.get("THIRTYTWO_CHECKPOINTS")
        return self.root / Path(chosen).expanduser() if chosen else self.dvc_cache.with_name("checkpoints")

    def checkpoints(self, run: str) -> Path:
        """Folder of the checkpoints of a run's unfinished trainings, with a folder for each fingerprint."""
        return self.all_checkpoints / run

    @property
    def dvc_cache(self) -> Path:
        """DVC's cache, from the project's own configuration; importing DVC takes seconds."""
        folder = self.root / ".dvc"
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.read([folder / "config", folder / "config.local"], encoding="utf-8")  # the second overrides the first
        # A path is relative to the file that gives it. `dvc exp run --temp` and `--queue` write that of the workspace's
        # cache to the copy's config.local.
        cache = parser.get("cache", "dir", fallback="cache").strip("\"'")
        return Path(os.path.normpath(folder / Path(cache).expanduser()))

    def tensorboard(self, run: str) -> Path | None:
        """Folder of a run's event files if the environment variable THIRTYTWO_LOG is tensorboard, else None.

        Raises:
            ParamsError: THIRTYTWO_LOG has another value.
        """
        if (log := os.environ.get("THIRTYTWO_LOG")) not in (None, "", "tensorboard"):
            raise ParamsError(f"THIRTYTWO_LOG: expected tensorboard or nothing, got '{log}'")
        return self.root / "logs/tensorboard" / run if log else None

    def sample_folder(self, run: str) -> Path:
        return self.root / "data/samples" / run

    def samples(self, run: str, training: int = 0) -> Path:
        """Images drawn from a run (.npz)."""
        return self.sample_folder(run) / f"{training}.npz"

    def probes(self, run: str) -> Path:
        """Further arrays drawn from a run (.npz), such as interpolations, reconstructions, trajectories."""
        return self.root / "data/probes" / f"{run}.npz"

    def metrics(self, run: str) -> Path:
        """The few numbers of a run that `dvc metrics` shows (.json)."""
        return self.root / "metrics" / f"{run}.json"

    def scores(self, name: str, group: str = "") -> Path:
        """All scores: scores/<run>.json, or scores/<group>/<name>.json with group train, classifier or floor."""
        return self.root / "scores" / group / f"{name}.json"

    def plot(self, group: str, name: str, suffix: str = ".csv") -> Path:
        """A table for DVC's plots, or with suffix .png a figure: plots/<group>/<name><suffix>."""
        return self.root / "plots" / group / f"{name}{suffix}"

    def log(self, stage: str, name: str) -> Path:
        """Durations and other details of one execution of a stage, on which no result depends (.json)."""
        return self.root / "logs" / stage / f"{name}.json"

    def error_log(self, job: str) -> Path:
        """The traceback of an unexpected error in a stage or a command (.log)."""
        return self.root / "logs/errors" / f"{job}.log"

    @property
    def temporary(self) -> Path:
        """Folder of files that are being written; neither DVC nor git looks into it."""
        return self.root / ".dvc/tmp/thirtytwo-files"

    @property
    def lock_of_dvc(self) -> Path:
        """File in which DVC notes what its processes read and write (JSON)."""
        return self.root / ".dvc/tmp/rwlock"

    def lock_of_stage(self, stage: str) -> Path:
        """File whose lock the process of a stage holds; a stage of a run is called train@vae."""
        return self.root / ".dvc/tmp/thirtytwo-locks" / f"{stage.replace('/', '_')[:100]}.lock"

    def output(self, stage: str) -> Path:
        """What a stage printed when `thirtytwo repro` ran it (.log); a stage of a run is called train@vae."""
        return self.root / "logs/repro" / f"{stage}.log"

    def export(self, run: str) -> Path:
        """Default folder of a run that `thirtytwo export` writes."""
        return self.root / "exports" / run

    @property
    def report(self) -> Path:
        """Folder of the report."""
        return self.root / "report"

    @property
    def outputs(self) -> tuple[Path, ...]:
        """The folders below which stages write their outputs, the report excepted."""
        return tuple(self.root / name for name in ("data", "metrics", "plots", "scores"))


def remedy(path: Path, missing: bool = False) -> str:
    """What to do about a damaged or missing file: once it is gone, DVC restores it from its cache or makes it again."""
    if path.name == "dvc.lock":
        return "run `git checkout HEAD dvc.lock`, or delete it; then `dvc repro` restores what its cache has"
    parts = path.parts
    for depth in range(len(parts) - 1, 0, -1):
        for length in (2, 1):
            folder = "/".join(parts[max(depth - length, 0) : depth])
            if stage := _MADE_BY.get(folder):
                name = "" if stage == "resolve" else f"@{parts[depth].partition('.')[0]}"
                return f"{'' if missing else 'delete it and '}run `dvc repro {stage}{name}`"
    return "name another" if missing else "replace it"
