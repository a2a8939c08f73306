"""Every run of the paper scale on colour images, which need a GPU and days, through the whole pipeline to the report.

Each has its own network, loss and sampler; budgets are cut to two steps of four images, and synthetic images take the place
of the data. The scores say nothing about quality. Runs on MNIST and Fashion-MNIST are trained on a CPU, see docs/results.md.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML

from repository_copy import RepositoryCopy
from thirtytwo.nets.lucid_unet import LucidUNet

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

IMAGES = 400
CLASSES = {"cats": ["circle"], "cats_frogs": ["circle", "star"]}
BUDGET = {
    "steps": 2, "epochs": 0, "batch_size": 4, "warmup": 0, "validate_every": 2, "checkpoint_every": 2,
    "sample.steps": 3, "sample.frames": 2, "sample.components": 1, "sample.bound_images": 2, "sample.bound_samples": 2,
    "sample.bound_timesteps": 2, "sample.proposals": 2,
}  # fmt: skip


def cut(settings: dict[str, Any], prefix: str = "") -> None:
    """Lower the settings that are there to those of `BUDGET`, whatever is lower already or 0 stays."""
    for key, value in settings.items():
        if key == "sample" and isinstance(value, Mapping):
            cut(settings[key], "sample.")
        elif f"{prefix}{key}" in BUDGET:
            small = BUDGET[f"{prefix}{key}"]
            settings[key] = small if f"{prefix}{key}" == "steps" else min(value, small)
        elif key == "snapshot_every" and value:
            settings[key] = 1


def synthetic(params: Any) -> Any:
    """The paper scale's runs on colour images, on synthetic images and a small budget."""
    params["datasets"] = {name: dataset for name, dataset in params["datasets"].items() if dataset["channels"] == 3}
    params["classifiers"] = {
        name: values for name, values in params["classifiers"].items() if name in params["datasets"]
    }
    params["runs"] = {name: run for name, run in params["runs"].items() if run["dataset"] in params["datasets"]}
    params["sweeps"] = {name: sweep for name, sweep in params["sweeps"].items() if name in params["runs"]}
    shapes = {"kind": "shapes", "images": IMAGES, "seed": 1, "difficulty": "easy"}
    params["compute"] |= {"device": "cpu", "threads": 1}
    params["sources"] = {"shapes": shapes, "cmu_ddpm": params["sources"]["cmu_ddpm"]}
    for name, dataset in params["datasets"].items():
        changes = {"source": "shapes", "classes": CLASSES.get(name, []), "expected_images": 0, "test_fraction": 0.4}
        params["datasets"][name] = dataset | changes | {"convert": ["palette", "rgba"], "corrupt": "remove"}
        own = params["datasets"][name]["evaluation"]
        own |= {"fid_legacy": False} | ({"samples": 25} if "samples" in own else {})
    for name, classifier in params["classifiers"].items():
        small = {"epochs": 2, "width": 8, "batch_size": 16}
        params["classifiers"][name] = classifier | small | {"second": classifier["second"] | small}
    used = {run["settings"] for run in params["runs"].values()}
    for name, block in [(key, value) for key, value in params.items() if isinstance(value, dict) and "family" in value]:
        if name in used:
            cut(block)
        else:
            del params[name]
    for run in params["runs"].values():
        cut(run["set"])
        run["seeds"] = min(run["seeds"], 2)
    for sweep in params["sweeps"].values():
        sweep |= {"images": 20, "steps": [2], "etas": [0.0]}
    params["sampling"] |= {"images": 30, "grid_side": 3, "snapshot_images": 12, "c2st_steps": 2}
    params["evaluation"] |= {"samples": 25, "bootstrap_resamples": 20, "fid": False}
    return params


def test_every_run_reaches_the_report(tmp_path: Path):
    (tmp_path / "mirror").mkdir()
    net = LucidUNet(channels=3, width=64, width_multipliers=[1, 2, 4, 8])
    torch.save({"model_state_dict": net.state_dict()}, tmp_path / "mirror/epoch_199.pth")
    (tmp_path / "clone").mkdir()
    clone = RepositoryCopy(tmp_path / "clone")
    clone.environment["THIRTYTWO_MIRROR"] = str(tmp_path / "mirror")
    params = synthetic(YAML(typ="safe").load(clone.folder / "scales/paper.yaml"))
    with (clone.folder / "params.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(params, file)
    clone.commit()
    clone.run("thirtytwo", "repro")
    metrics = {path.stem: json.loads(path.read_bytes()) for path in (clone.folder / "metrics").glob("*.json")}
    page = (clone.folder / "report/index.html").read_text(encoding="utf-8")
    for run in params["runs"]:
        assert metrics[run]["fd"] > 0
        assert f"<code>{run}</code>" in page
