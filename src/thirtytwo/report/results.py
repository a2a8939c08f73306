"""What the report knows about a project: the settings and results of its runs and data sets."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate.scorecard import Measured, Score, Scorecard
from thirtytwo.sampling.cost import evaluations
from thirtytwo.settings.report import ReportConfig
from thirtytwo.settings.sweep import Sweep

__all__ = ["Floor", "Results", "RunResult", "SetResult", "SweepResult", "is_base"]


@dataclass(frozen=True)
class SweepResult:
    """Scores of one trained model with many samplers.

    Attributes:
        table: columns sampler, steps, eta, spacing, evaluations, n, fd_classifier; and seconds, the time to draw n images,
            if it was logged.
        grid: PNG with one row of images for each row of the table.
        device: the device that the seconds were measured on, "" without a log.
    """

    settings: Sweep
    table: pd.DataFrame
    grid: Path | None
    device: str


@dataclass(frozen=True)
class RunResult:
    """Settings and results of a run; None for a missing file.

    Attributes:
        card: the evaluation; use `metric`, `estimate`, `floor` and `diagnosis`.
        training: size, budget and final terms of the training.
        curve, validation: columns step, epoch and one for each term.
        classes: columns class, count, share: what the classifier recognises in the samples.
        confusion: counts, one row for each requested class and one column for each recognised class.
        snapshots: columns step, n, fd_classifier: scores of weights saved during the training; may have no rows.
        seeds: columns seed and one for each score, a row for each training.
        neighbours: columns sample, neighbour, distance, held_out_distance, closest first.
        sweep: None if the run has no sweep.
        grid: PNG of samples.
        samples, probes: .npz of the samples, and of interpolations, reconstructions and the like.
        seconds: logged durations of the stages "train" and "sample", with "images" and "device" of the latter.
        model: training settings of the family, such as {"lr": 0.001}.
        sampling: sampling settings of the family, such as {"weights": "ema"}.
        settings: resolved YAML of each stage.
        hashes: sha256 of the files of weights and samples; those of further trainings carry a number.
        missing: paths that do not exist, relative to the project.
    """

    name: str
    family: str
    net: str
    dataset: str
    card: Scorecard | None
    training: dict[str, Score] | None
    curve: pd.DataFrame | None
    validation: pd.DataFrame | None
    classes: pd.DataFrame | None
    confusion: pd.DataFrame | None
    snapshots: pd.DataFrame | None
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
        """A score or a fact of the evaluation, None if it was not measured."""
        return self.measured.protocol[key] if key in self.measured.protocol else self.estimate(key).value

    def estimate(self, key: str) -> Estimate:
        """A score with its interval."""
        return self.measured.estimate(key)

    def floor(self, key: str) -> Estimate:
        """The score of real images under this run's protocol."""
        return self.card.floor.estimate(key) if self.card else Estimate(None)

    def result(self, key: str) -> Estimate:
        """A score of the evaluation, else a final term of the training; "fid of cat" is a score of one class."""
        if " of " in key:
            name, label = key.split(" of ", 1)
            table = self.classes
            if table is None or name not in table:
                return Estimate(None)
            values = table.loc[table["class"] == label, name].dropna()
            return Estimate(float(values.iloc[0])) if len(values) else Estimate(None)
        score = self.estimate(key)
        return Measured(self.training or {}).estimate(key) if score.value is None else score

    def factors(self) -> list[str]:
        """Ground-truth factors that the latent space was tested for."""
        prefix = "direction_r2_"
        return [key.removeprefix(prefix) for key in self.measured.scores if key.startswith(prefix)]

    @property
    def measured(self) -> Measured:
        """Scores and protocol of the samples, empty if there are none."""
        return self.card.measured if self.card else Measured()

    @property
    def diagnosis(self) -> str | None:
        """One word for the state of the generator."""
        return self.card.diagnosis.word if self.card and self.card.diagnosis else None

    @property
    def within_classes(self) -> bool:
        """Whether the floor's images were drawn within classes, as the samples of a conditional run are."""
        return self.card is not None and self.card.floor.protocol.get("drawn") == "within classes"

    def probe(self, key: str) -> np.ndarray | None:
        """An array of the probes, None if it does not exist."""
        if self.probes is None:
            return None
        with np.load(self.probes, allow_pickle=False) as file:
            return file.get(key)

    def drawn(self, indices: np.ndarray) -> np.ndarray | None:
        """Samples [n, 32, 32, C] uint8 at `indices`, None if the file is missing."""
        if self.samples is None:
            return None
        with np.load(self.samples, allow_pickle=False) as file:
            return file["images"][indices]

    @property
    def scored(self) -> bool:
        """Whether the run has an FD."""
        return self.metric("fd_classifier") is not None

    @property
    def evaluations(self) -> int:
        """Calls of the generating network for each image.

        One, except for diffusion, for flows, for the proposals of a GAN's Metropolis-Hastings chain, and for a guided decoder,
        which decodes once for every label.
        """
        if "proposals" in self.sampling:
            return int(self.sampling["proposals"])
        if "sampler" not in self.sampling:
            return int(self.metric("classes") or 1) if self.sampling.get("decoder_guidance") else 1
        return evaluations(*(self.sampling[key] for key in ("sampler", "steps", "guidance")))


@dataclass(frozen=True)
class Floor:
    """Scores of real images against other real images; empty if they were not measured.

    Attributes:
        at_random: of images drawn at random.
        by_class: of the same number of images of each class, for runs that draw so.
        curves: for each score its estimates by the number of images.
    """

    at_random: Measured = field(default_factory=Measured)
    by_class: Measured = field(default_factory=Measured)
    curves: dict[str, list[tuple[int, Estimate]]] = field(default_factory=dict)

    def metric(self, key: str) -> Any:
        """A fact about how the floor was measured, such as n."""
        return self.at_random.protocol.get(key)

    def estimate(self, key: str) -> Estimate:
        """The floor of a score."""
        return self.at_random.estimate(key)

    @property
    def within_classes(self) -> "Floor":
        """The floor of runs that draw the same number of images of each class."""
        return Floor(self.by_class)


@dataclass(frozen=True)
class SetResult:
    """A data set with its runs in the order of params.yaml; None for a missing file.

    Attributes:
        kind: kind of its source, such as "cifar10".
        accuracy: share of test images that the classifier recognises.
        images, labels: all real images, of all splits.
        shown: indices of the images that represent the data set: the test images, else all.
    """

    name: str
    kind: str
    settings: dict[str, Any]
    facts: dict[str, Any] | None
    classifier: dict[str, Score]
    accuracy: Estimate
    floor: Floor
    images: np.ndarray | None
    labels: np.ndarray | None
    shown: np.ndarray
    shown_split: str
    runs: list[RunResult]
    missing: list[str]


@dataclass(frozen=True)
class Results:
    """Everything that the report shows."""

    config: ReportConfig
    sets: list[SetResult]

    @property
    def runs(self) -> list[RunResult]:
        return [run for dataset in self.sets for run in dataset.runs]


def is_base(key: str) -> bool:
    """Whether `key` names a value and not the end of its interval."""
    return not key.endswith(("_low", "_high"))
