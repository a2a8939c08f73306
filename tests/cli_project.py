"""A project for tests of the command: small networks with random weights, whose images a stage has drawn."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from ruamel.yaml import YAML

from prepared_sets import write_prepared
from staging import run_stage
from thirtytwo.core.intervals import Estimate
from thirtytwo.core.weights import serialise
from thirtytwo.evaluate.scorecard import Fact, Measured, Scorecard
from thirtytwo.features.training import save
from thirtytwo.models.build import untrained
from thirtytwo.nets.classifier import Classifier
from thirtytwo.nets.mixer import Mixer
from thirtytwo.runtime.files import write, write_json
from thirtytwo.runtime.project import Project
from thirtytwo.settings.families import read_train
from thirtytwo.settings.resolve import resolve

RUNS = {  # options that turn each run of `params` into the same run of `other_params`
    "dcgan": "",
    "cvae": "--prior gaussian",
    "cddpm": "--sampler dpm++ --steps 3 --guidance 1.5 --spacing trailing",
    "lddpm": "",
    "flow": "--sampler euler --steps 3 --guidance 1.5 --spacing quadratic",
    "edm": "--sampler euler --steps 3 --guidance 1.5 --spacing log_snr",
    "ect": "--steps 3",
}
CONSISTENCY = {
    "objective": "consistency", "sample.sampler": "consistency", "sample.steps": 2, "sample.guidance": 0.0,
    "sample.spacing": "karras",
}  # fmt: skip
CLASSES = ("zero", "one", "two")
SEED = 7
DRAWN, SCORED = 60, 40  # images of a run: more than the networks take at once, and the number that is scored


def params(root: Path) -> dict[str, Any]:
    """The default scale, cut to runs of small networks, with EDM and its consistency tuning."""
    values = YAML(typ="safe").load(root / "scales/quick.yaml")
    values["compute"] |= {"device": "cpu", "threads": 1, "deterministic": False}
    for group in ("sources", "datasets", "classifiers"):
        values[group] = {"digits5k": values[group]["digits5k"]}
    values["runs"]["edm"] = values["runs"]["flow"] | {"family": "edm", "settings": "edm"}
    values["runs"]["ect"] = values["runs"]["edm"] | {"parent": "data/models/edm", "set": CONSISTENCY}
    values["runs"] = {name: values["runs"][name] for name in RUNS}
    values["sweeps"] = {}
    values["sampling"] = {"images": DRAWN, "grid_side": 2, "snapshot_images": 2, "c2st_steps": 2}
    values["evaluation"] |= {"samples": SCORED, "bootstrap_resamples": 20}
    for block in {run["settings"] for run in values["runs"].values()}:
        values[block]["width"] = 8
    values["cvae"]["sample"] |= {"bound_images": 2, "bound_samples": 1}
    values["cddpm"]["sample"] |= {"sampler": "ddim", "steps": 2, "eta": 0.5, "guidance": 0.0, "bound_images": 0}
    values["lddpm"]["sample"] |= {"steps": 2, "frames": 0}
    values["flow"]["sample"] |= {"sampler": "heun", "steps": 2, "guidance": 0.0, "spacing": "uniform", "frames": 2}
    values["edm"]["sample"] |= {"sampler": "heun", "steps": 2, "guidance": 0.0, "spacing": "karras", "frames": 2}
    return values


def other_params(root: Path) -> dict[str, Any]:
    """The same with another seed and other settings of sampling."""
    values = params(root)
    values["seed"] = SEED
    values["cvae"]["sample"]["prior"] = "gaussian"
    values["cddpm"]["sample"] |= {
        "sampler": "dpm_solver_pp_2m", "steps": 3, "guidance": 1.5, "spacing": "trailing", "eta": 0.0,
    }  # fmt: skip
    values["flow"]["sample"] |= {"sampler": "euler", "steps": 3, "guidance": 1.5, "spacing": "quadratic"}
    values["edm"]["sample"] |= {"sampler": "euler", "steps": 3, "guidance": 1.5, "spacing": "log_snr"}
    values["runs"]["ect"]["set"] = CONSISTENCY | {"sample.steps": 3}
    return values


def configure(project: Project, values: dict[str, Any]) -> None:
    """Write params.yaml and resolve it."""
    with project.params.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(values, file)
    resolve(project.params, project)


def make(project: Project, root: Path) -> None:
    """Fill a project that has the settings of `params`, and images that were drawn under those of `other_params`."""
    (project.root / "dvc.yaml").touch()
    _prepare(project)
    torch.manual_seed(0)
    save(Classifier(1, len(CLASSES), 8).eval(), CLASSES, project.classifier("digits5k"))
    save(Mixer(1, len(CLASSES), 8).eval(), CLASSES, project.second_classifier("digits5k"))
    configure(project, other_params(root))
    for run in RUNS:
        _write_weights(project, run)
        run_stage("sample", project.root, run)
    configure(project, params(root))
    run_stage("floor", project.root, "digits5k")


def _prepare(project: Project) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (200, 32, 32, 1), np.uint8)
    split = (np.arange(200) % 4 == 3).astype(np.uint8)
    write_prepared(project, "digits5k", pixels, np.arange(200) % len(CLASSES), split, list(CLASSES))


def _write_weights(project: Project, run: str) -> None:
    """Random weights, larger than at the start of training, where some networks draw the same image from any noise."""
    torch.manual_seed(0)
    model = untrained(read_train(run, project), 1, len(CLASSES))
    for parameter in model.modules.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    state = model.modules.state_dict()
    averaged = {key: value for key, value in state.items() if key.startswith(tuple(f"{n}." for n in model.averaged))}
    saved = {"modules": state, "ema": averaged, "channels": 1, "classes": list(CLASSES), "steps": 1}
    write(project.model(run), serialise(saved))
    write(project.snapshots(run), serialise({}))


def comparable_scores(path: Path, value: float, **changes: Fact) -> Path:
    """A file of two scores, fd_classifier at `value` ± 1 and accuracy at as many per cent."""
    protocol = {"n": 40, "reference_n": 50, "reference_split": "train", "resampler": "bicubic", "features_sha256": "a"}
    scores = {
        "fd_classifier": Estimate(value, value - 1, value + 1),
        "accuracy": Estimate(value / 100, value / 100 - 0.01, value / 100 + 0.01),
    }
    write_json(path, Scorecard(Measured(scores, protocol | changes)), sealed=True)
    return path
