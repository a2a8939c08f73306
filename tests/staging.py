"""Stages and scripts as modules, and a small project in which stages can run."""

import importlib.util
from collections.abc import Callable
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from thirtytwo.runtime.project import Project
from thirtytwo.settings.resolve import resolve


def module_at(path: Path) -> Any:
    """What the Python file at `path` defines, under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stage(name: str, root: Path, project: Path) -> Any:
    """A stage's script, at work in `project`."""
    module = module_at(root / "stages" / f"{name}.py")
    if "project" in signature(module.main).parameters:
        module.main = partial(module.main, Project(project))
    else:
        module.ROOT = project
    return module


def set_up_one_run(
    folder: Path, params: Any, write: Callable[[Any], Path], name: str, run: dict[str, Any], sources: dict[str, Any]
) -> None:
    """Makes `folder` a project of that run alone, on 30 prepared images of noise called shapes, 6 to be drawn.

    Args:
        params: of a scale, with what is to differ; changed.
        sources: besides that of shapes.
    """
    for group in ("sources", "datasets", "classifiers"):
        params[group] = {"shapes": params[group]["shapes"]}
    params["sources"] |= sources
    params |= {"runs": {name: run}, "sweeps": {}}
    blocks = [block for block, values in params.items() if isinstance(values, dict) and "family" in values]
    for block in set(blocks) - {run["settings"]}:
        del params[block]
    params["sampling"] |= {"images": 6, "grid_side": 2, "snapshot_images": 2}
    params["evaluation"]["samples"] = 6
    prepared = folder / "data/prepared"
    prepared.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3), np.uint8)
    split = np.repeat(np.array([0, 1], np.uint8), 15)
    np.savez(prepared / "shapes.npz", images=images, labels=np.arange(30) % 2, split=split)
    (prepared / "shapes.json").write_text('{"classes": ["a", "b"], "factor_names": []}')
    (folder / "nothing").touch()
    resolve(write(params), folder)
