"""Search settings of a run at the quick scale: train, sample and score each trial, and record what it cost.

    python scripts/quick_search.py gan --set lr=2e-4,5e-4 --set batch_size=32,64
    python scripts/quick_search.py ddpm --set width=24,32 --set steps=1000,2000 --random 3

Every trial is a project of its own under --folder: the stages of this repository with the trial's params.yaml, so it is
trained, sampled and scored exactly as `dvc repro` would do it. Data, classifier and floor are made once per data set.
A row of the CSV holds the settings, the CPU-seconds (user + system, children included) of each stage and the scores.
"""

import argparse
import csv
import hashlib
import itertools
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from thirtytwo.evaluate.scorecard import Scorecard
from thirtytwo.runtime.files import read_json
from thirtytwo.runtime.project import Project

ROOT = Path(__file__).resolve().parents[1]
MODEL_STAGES = ("train", "sample", "evaluate")
DATA_STAGES = ("download", "prepare", "classifier", "floor")
SCORES = (
    "fd_classifier", "fd_classifier_floor", "precision", "precision_floor", "recall", "coverage", "coverage_floor",
    "accuracy", "modes_covered", "classes", "diagnosis",
)  # fmt: skip
HUE_SHARE = 0.1  # a hue is covered at this part of its share of the real images, or more


def main() -> None:
    """Run all trials, one after another."""
    options = arguments()
    rows = trials(options.set, options.random)
    for settings in rows:
        params = YAML(typ="safe").load(options.params)
        params["runs"][options.run]["set"] |= {k: v for k, v in settings.items() if "/" not in k and k != "net"}
        if "net" in settings:
            params["runs"][options.run]["net"] = settings["net"]
        for key, value in settings.items():
            if "/" in key:  # anywhere in params.yaml
                *path, last = key.split("/")
                node = params
                for part in path:
                    node = node[part]
                node[last] = value
        row = trial(options.run, params, options.folder)
        record(options.csv, {"run": options.run, "settings": json.dumps(settings)} | row)
        print(options.run, json.dumps(settings), json.dumps(row), flush=True)


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=V1,V2", help="values to try; YAML, lists in brackets"
    )
    parser.add_argument("--random", type=int, default=0, help="try this many combinations at random; 0: all of them")
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/quick_search"))
    parser.add_argument("--csv", type=Path, default=Path("quick_search.csv"))
    return parser.parse_args()


def trials(options: list[str], count: int) -> list[dict[str, Any]]:
    """The grid of all values, or `count` of its points at random (seed 0)."""
    yaml = YAML(typ="safe")
    axes = {
        key: [yaml.load(v) for v in re.split(r",(?![^\[]*\])", values)]
        for key, values in (o.split("=", 1) for o in options)
    }
    grid = [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]
    return random.Random(0).sample(grid, min(count, len(grid))) if count else grid


def trial(run: str, params: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Train, sample and score one run of `params` in a folder of its own."""
    dataset = params["runs"][run]["dataset"]
    parts = {key: params[key] for key in ("seed", "sources", "datasets", "classifiers", "evaluation", "compute")}
    code = (ROOT / "src/thirtytwo/data").rglob("shapes.py")
    base = folder / f"{dataset}-{digest([parts, *(path.read_text() for path in code)])}"
    if not (base / "done").exists():
        project(base, params)
        costs = {stage: stage_seconds(base, stage, dataset) for stage in DATA_STAGES}
        (base / "done").write_text(json.dumps(costs))
        print(dataset, costs)
    place = folder / f"{run}-{digest(params)}-{base.name}"
    project(place, params)
    for path in ("data", "scores"):
        shutil.copytree(base / path, place / path, dirs_exist_ok=True, copy_function=link)
    parent = params["runs"][run]["parent"]
    if parent.startswith("data/models/"):
        name = Path(parent).name
        stage_seconds(place, "train", name)
    row: dict[str, Any] = {"cpu_train": train(place, folder, run, base.name)}
    row |= {f"cpu_{stage}": stage_seconds(place, stage, run) for stage in ("sample", "evaluate")}
    row |= columns(read_json(Project(place).scores(run), Scorecard))
    if dataset == "shapes":
        row["hues_covered"] = hues(place, run)
    return row | {"folder": place.name}


def columns(card: Scorecard) -> dict[str, Any]:
    """The recorded scores; that of real images is called <score>_floor."""
    row: dict[str, Any] = {key: card.measured.protocol[key] for key in ("n", "classes")}
    row["diagnosis"] = card.diagnosis and card.diagnosis.word
    for key in SCORES:
        part = card.floor if key.endswith("_floor") else card.measured
        row.setdefault(key, short(part.estimate(key.removesuffix("_floor")).value))
    return row


def train(place: Path, folder: Path, run: str, data: str) -> float:
    """Train unless a trial with the same configuration and data did; return the CPU-seconds that it took."""
    outputs = (f"data/models/{run}", f"data/snapshots/{run}.pt")
    kept = folder / f"trained-{digest([(place / f'configs/train/{run}.yaml').read_text(), data])}"
    if not (kept / "seconds").exists():
        seconds = stage_seconds(place, "train", run)
        for path in outputs:
            (kept / path).parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (place / path).is_dir() else shutil.copyfile
            copy(place / path, kept / path)
        (kept / "seconds").write_text(str(seconds))
    else:
        shutil.copytree(kept, place, dirs_exist_ok=True)
    return float((kept / "seconds").read_text())


def project(place: Path, params: dict[str, Any]) -> None:
    """Make `place` a project with these parameters: stages and resolved configurations."""
    place.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "stages", place / "stages", dirs_exist_ok=True)
    for name in ("dvc.yaml", ".no-parent"):
        shutil.copyfile(ROOT / name, place / name)
    with (place / "params.yaml").open("w") as stream:
        YAML().dump(params, stream)
    stage_seconds(place, "resolve")


def link(source: str, target: str) -> None:
    """Hard-link a file unless it exists."""
    if not Path(target).exists():
        os.link(source, target)


def stage_seconds(place: Path, stage: str, *names: str) -> float:
    """Run a stage and return its CPU-seconds."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with (place / f"{stage}.log").open("w") as log:
        command = [sys.executable, f"stages/{stage}.py", *names]
        done = subprocess.run(command, cwd=place, stdout=log, stderr=subprocess.STDOUT, env=environment)
    if done.returncode:
        sys.exit(f"{place}/{stage}.log: {(place / f'{stage}.log').read_text()[-800:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, 1)


def hues(place: Path, run: str) -> int:
    """The number of hues that the samples cover, each image counted at the real hue nearest to its centre's."""
    with np.load(place / "data/prepared/shapes.npz") as file:
        real = centre_hue(file["images"])
        names = json.loads((place / "data/prepared/shapes.json").read_text())["factor_names"]
        labels = file["factors"][:, names.index("hue")].astype(int)
    places = np.array([circular_mean(real[labels == k]) for k in range(labels.max() + 1)])
    with np.load(place / f"data/samples/{run}/0.npz") as file:
        ours = centre_hue(file["images"])
    nearest = np.abs((ours[:, None] - places + 0.5) % 1 - 0.5).argmin(1)
    share = np.bincount(nearest, minlength=len(places)) / len(ours)
    return int((share >= HUE_SHARE / len(places)).sum())


def centre_hue(images: np.ndarray) -> np.ndarray:
    """Hue in [0, 1) of the mean colour of the central 6x6 pixels of [N, 32, 32, 3] images."""
    colour = images[:, 13:19, 13:19].mean((1, 2)) / 255
    r, g, b = colour.T
    angle = np.arctan2(np.sqrt(3) * (g - b), 2 * r - g - b)
    return angle / (2 * np.pi) % 1


def circular_mean(hue: np.ndarray) -> float:
    """The mean of angles given as shares of a turn."""
    return float(np.angle(np.exp(2j * np.pi * hue).mean()) / (2 * np.pi) % 1)


def record(path: Path, row: dict[str, Any]) -> None:
    """Append a row to the CSV."""
    fields = ["run", "settings", "n", *(f"cpu_{s}" for s in MODEL_STAGES), *SCORES, "hues_covered", "folder"]
    new = not path.exists()
    with path.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, fields)
        if new:
            writer.writeheader()
        writer.writerow(row)


def short(value: Any) -> Any:
    """Round floats to four digits."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def digest(value: Any) -> str:
    """The first ten hex digits of the SHA-256 of a value as JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:10]


if __name__ == "__main__":
    main()
