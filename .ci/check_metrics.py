"""Every stage of dvc.yaml is in dvc.lock, and every run's metrics lie within wide sanity bounds.

Processors round differently, so that hashes and digits are no matter for a CI machine; a generator that has
learnt nothing, a classifier that cannot classify or a number that is not finite are.
"""

import json
import math
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
LOWEST_ACCURACY = 0.85  # of the classifier on held-out images
LARGEST_RATIO = 2000.0  # of fd_classifier to its real-against-real floor


def main() -> list[str]:
    """What is wrong, a line each."""
    stages = subprocess.run(
        ["dvc", "stage", "list", "--name-only"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    locked = YAML(typ="safe").load(ROOT / "dvc.lock")["stages"]
    wrong = [f"dvc.lock has no stage {name}" for name in stages.stdout.split() if name not in locked]
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    for dataset in params["classifiers"]:
        accuracy = read(f"classifier/{dataset}")["accuracy_test"]
        if not LOWEST_ACCURACY <= accuracy <= 1:
            wrong.append(f"classifier/{dataset}: accuracy_test {accuracy} is outside [{LOWEST_ACCURACY}, 1]")
    for run in params["runs"]:
        metrics = read(run)
        wrong += [f"{run}: {key} is {value}" for key, value in metrics.items() if not finite(value)]
        score, floor = metrics["fd_classifier"], metrics["fd_classifier_floor"]
        if not 0 <= score <= LARGEST_RATIO * floor:
            wrong.append(f"{run}: fd_classifier {score} is outside [0, {LARGEST_RATIO} x {floor}]")
        if metrics["n"] != params["evaluation"]["samples"]:
            wrong.append(f"{run}: scored {metrics['n']} images, not {params['evaluation']['samples']}")
    return wrong


def read(name: str) -> dict[str, float | str | None]:
    """The metrics in metrics/`name`.json."""
    return json.loads((ROOT / "metrics" / f"{name}.json").read_text(encoding="utf-8"))


def finite(value: float | str | None) -> bool:
    """Whether `value` is text, nothing (a score that was switched off) or a finite number."""
    return not isinstance(value, float) or math.isfinite(value)


if __name__ == "__main__":
    problems = main()
    print("\n".join(problems) or "every stage ran and every metric is within its bounds")
    sys.exit(bool(problems))
