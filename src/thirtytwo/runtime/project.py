"""The project's folder: every path that a stage or the command reads or writes."""

import configparser
import os
from dataclasses import dataclass
from pathlib import Path

from thirtytwo.runtime.errors import ProjectError

__all__ = ["Project"]


@dataclass(frozen=True)
class Project:
    """Paths of the project in the folder `root`, which holds dvc.yaml and params.yaml.

    A `run` is a name under `runs:` in params.yaml, a `dataset` one under `datasets:`, a `source` one under `sources:`.
    A run that is trained several times has one file of weights and one of samples for each `training`, counted from 0.
    """

    root: Path

    @classmethod
    def containing(cls, folder: Path) -> "Project":
        """The project that `folder` lies in.

        Raises:
            ProjectError: neither `folder` nor any folder above it holds params.yaml and dvc.yaml.
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
        """An empty stand-in for the parent of a run that builds on no other run."""
        return self.root / ".no-parent"

    @property
    def downloads(self) -> Path:
        """Archives and weights as they were downloaded."""
        return self.root / "data/downloads"

    def raw(self, source: str) -> Path:
        """Folder of a source's files."""
        return self.root / "data/raw" / source

    def prepared(self, dataset: str) -> Path:
        """Images, labels and splits (.npz)."""
        return self.root / "data/prepared" / f"{dataset}.npz"

    def facts(self, dataset: str) -> Path:
        """How a data set was prepared (.json): classes, counts, removed files."""
        return self.root / "data/prepared" / f"{dataset}.json"

    def classifier(self, dataset: str) -> Path:
        """Weights of the classifier that is trained on a data set."""
        return self.root / "data/classifiers" / f"{dataset}.pt"

    def features(self, dataset: str) -> Path:
        """Classifier features of a data set's real images (.npz)."""
        return self.root / "data/features" / f"{dataset}.npz"

    def judge(self, dataset: str) -> Path:
        """Weights of the classifier that scores a data set, the one behind `features`."""
        return self.root / "data/features" / f"{dataset}.pt"

    def fid_stats(self, dataset: str) -> Path:
        """Folder of the Inception statistics of a data set's real images."""
        return self.root / "data/fid_stats" / dataset

    @property
    def inception(self) -> Path:
        """Folder that caches Inception features."""
        return self.root / "data/inception"

    def models(self, run: str) -> Path:
        """Folder of a run's weights."""
        return self.root / "data/models" / run

    def model(self, run: str, training: int = 0) -> Path:
        return self.models(run) / f"{training}.pt"

    def snapshots(self, run: str) -> Path:
        """Weights along the first training."""
        return self.root / "data/snapshots" / f"{run}.pt"

    @property
    def all_checkpoints(self) -> Path:
        """Folder of unfinished trainings, outside the workspace so that temporary copies of the project share it.

        THIRTYTWO_CHECKPOINTS, relative to the project's folder, or else a folder next to DVC's cache.
        """
        chosen = os.environ.get("THIRTYTWO_CHECKPOINTS")
        return self.root / Path(chosen).expanduser() if chosen else self.dvc_cache.with_name("checkpoints")

    def checkpoints(self, run: str) -> Path:
        """Folder of a run's unfinished trainings, in a folder for each fingerprint."""
        return self.all_checkpoints / run

    @property
    def dvc_cache(self) -> Path:
        """DVC's cache by the project's own configuration; importing DVC to ask it would take seconds."""
        folder = self.root / ".dvc"
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.read([folder / "config", folder / "config.local"], encoding="utf-8")  # the latter wins
        # A path in DVC's configuration is relative to the file. `dvc exp run --temp` and `--queue` write the path of the
        # workspace's cache into the copy's config.local.
        cache = parser.get("cache", "dir", fallback="cache").strip("\"'")
        return Path(os.path.normpath(folder / Path(cache).expanduser()))

    def tensorboard(self, run: str) -> Path:
        """Folder of a run's event files."""
        return self.root / "logs/tensorboard" / run

    def sample_folder(self, run: str) -> Path:
        return self.root / "data/samples" / run

    def samples(self, run: str, training: int = 0) -> Path:
        """Images drawn from a run (.npz)."""
        return self.sample_folder(run) / f"{training}.npz"

    def probes(self, run: str) -> Path:
        """What else was drawn from a run (.npz): interpolations, reconstructions, trajectories."""
        return self.root / "data/probes" / f"{run}.npz"

    def metrics(self, name: str, group: str = "") -> Path:
        """metrics/<run>.json, or metrics/<group>/<name>.json with group train, classifier or floor."""
        return self.root / "metrics" / group / f"{name}.json"

    def plot(self, group: str, name: str, suffix: str = ".csv") -> Path:
        """plots/<group>/<name><suffix>: a table of DVC's plots, or a picture with suffix .png."""
        return self.root / "plots" / group / f"{name}{suffix}"

    def log(self, stage: str, name: str) -> Path:
        """Durations and other facts about one execution of a stage, which no result depends on (.json)."""
        return self.root / "logs" / stage / f"{name}.json"

    @property
    def report(self) -> Path:
        """Folder of the report."""
        return self.root / "report"
