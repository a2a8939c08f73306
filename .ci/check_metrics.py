"""Check that every stage of dvc.yaml is in dvc.lock and that every run's scores are good enough.

Processors round differently, so a CI machine compares neither hashes nor digits. It checks that all numbers are finite
and, for the runs of the quick scale, that the samples are as good as the README and the report promise.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from thirtytwo.evaluate.scorecard import Measured, Score, Scorecard
from thirtytwo.runtime.files import read_json
from thirtytwo.runtime.project import Project

ROOT = Path(__file__).resolve().parents[1]
PROJECT = Project(ROOT)
LOWEST_ACCURACY = 0.85  # of the classifier on held-out images
LARGEST_RATIO = 2000.0  # of fd_classifier to its real-against-real floor
HUE_SHARE = 0.1  # a hue is covered if this part of its share of the real images, or more, is among the samples

# Lowest value of each score of single runs, and their diagnosis.
BARS: dict[str, dict[str, Any]] = {
    "cddpm": {"accuracy": 0.94},
    "cvae": {"accuracy": 0.96},
    "lddpm": {"accuracy": 0.94},
    "flow": {"accuracy": 0.95},
    "meanflow": {"accuracy": 0.9},
    "dcgan": {"modes_covered": 9, "coverage": 0.35},
    "mlpgan": {"modes_covered": 7},
    "gan": {"diagnosis": "not collapsed"},
    "lsgan": {"diagnosis": "not collapsed"},
}
# By family, its runs on `shapes` and the parts of the real-against-real floor's precision and coverage that the best of
# them reaches, beside all classes and all hues. They lie below what docs/quick_scale.md measured, because processors
# round differently and a training magnifies it.
FAMILIES = {
    "gan": (("gan", "lsgan", "wgan_gp", "r3gan"), 0.3, 0.25),
    "autoencoder": (("ae_128", "vae", "vae_anneal"), 0.5, 1 / 3),
    "diffusion": (("ddpm",), 0.35, 0.2),
}


def main() -> list[str]:
    """One line for each fault found."""
    stages = subprocess.run(
        ["dvc", "stage", "list", "--name-only"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    locked = YAML(typ="safe").load(ROOT / "dvc.lock")["stages"]
    faults = [f"dvc.lock has no stage {name}" for name in stages.stdout.split() if name not in locked]
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    for dataset in params["classifiers"]:
        classifier = Measured(read_json(PROJECT.scores(dataset, "classifier"), dict[str, Score]))
        accuracy = classifier.estimate("accuracy_test").value
        if accuracy is None or not LOWEST_ACCURACY <= accuracy <= 1:
            faults.append(f"classifier/{dataset}: accuracy_test {accuracy} is outside [{LOWEST_ACCURACY}, 1]")
    for run in params["runs"]:
        card = read_json(PROJECT.scores(run), Scorecard)
        faults += [f"{run}: {name} is not finite" for name in card.measured.scores if not finite(card, name)]
        score, floor = (part.estimate("fd_classifier").value for part in (card.measured, card.floor))
        if score is None or floor is None or not 0 <= score <= LARGEST_RATIO * floor:
            faults.append(f"{run}: fd_classifier {score} is outside [0, {LARGEST_RATIO} x {floor}]")
        if (n := card.measured.protocol["n"]) != params["evaluation"]["samples"]:
            faults.append(f"{run}: scored {n} images, not {params['evaluation']['samples']}")
        faults += [f"{run}: {fault}" for fault in below(card, BARS.get(run, {}))]
    for family, (runs, precision, coverage) in FAMILIES.items():
        misses = {run: family_misses(run, precision, coverage) for run in runs if run in params["runs"]}
        if misses and all(misses.values()):
            faults.append(f"{family}: no run on shapes is good enough: {misses}")
    return faults


def below(card: Scorecard, bars: dict[str, Any]) -> list[str]:
    """The bars that a run misses."""
    misses = []
    for key, bar in bars.items():
        if key == "diagnosis":
            value = card.diagnosis and card.diagnosis.word
            missed = value in (None, "collapsed")
        else:
            value = card.measured.estimate(key).value
            missed = value is None or value < bar
        if missed:
            misses.append(f"{key} is {value}, expected {bar}")
    return misses


def family_misses(run: str, precision: float, coverage: float) -> list[str]:
    """The bars for the best run of a family, as parts of the floor, that this run misses."""
    card = read_json(PROJECT.scores(run), Scorecard)
    bars = {
        "precision": precision * (card.floor.estimate("precision").value or 1),
        "coverage": coverage * (card.floor.estimate("coverage").value or 1),
        "modes_covered": card.measured.protocol["classes"],
    }
    covered, hues = hues_covered(run)
    return below(card, bars) + ([f"{covered} of {hues} hues are covered"] if covered < hues else [])


def hues_covered(run: str) -> tuple[int, int]:
    """The number of hues that a run's samples on `shapes` cover, and the number of hues."""
    names = json.loads((ROOT / "data/prepared/shapes.json").read_text(encoding="utf-8"))["factor_names"]
    with np.load(ROOT / "data/prepared/shapes.npz") as file:
        real, labels = centre_angles(file["images"]), file["factors"][:, names.index("hue")].astype(int)
    means = np.array([np.angle(np.exp(1j * real[labels == hue]).mean()) for hue in range(labels.max() + 1)])
    with np.load(ROOT / f"data/samples/{run}/0.npz") as file:
        distances = np.exp(1j * centre_angles(file["images"]))[:, None] - np.exp(1j * means)
    counts = np.bincount(np.abs(distances).argmin(axis=1), minlength=len(means))
    shares = np.bincount(labels) / len(labels)
    return int((counts / counts.sum() >= HUE_SHARE * shares).sum()), len(means)


def centre_angles(images: np.ndarray) -> np.ndarray:
    """Hue as an angle, of the mean colour of the 6x6 pixels in the middle of each image [N, 32, 32, 3]."""
    red, green, blue = images[:, 13:19, 13:19].mean(axis=(1, 2)).T
    return np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)


def finite(card: Scorecard, name: str) -> bool:
    """Whether a score and its interval are finite, or null because the score was switched off."""
    estimate = card.measured.estimate(name)
    return bool(np.isfinite([end for end in (estimate.value, estimate.low, estimate.high) if end is not None]).all())


if __name__ == "__main__":
    problems = main()
    print("\n".join(problems) or "every stage ran and every score is within its bounds")
    sys.exit(bool(problems))
