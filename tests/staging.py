"""Run stages inside a test, in a small project of its own."""

from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from prepared_sets import write_prepared
from thirtytwo.runtime.project import Project
from thirtytwo.settings.resolve import resolve


def run_stage(name: str, folder: Path, *arguments: str, **replaced: Any) -> None:
    """Run the main of stages/<name>.py in the project at `folder`, with names of the module replaced."""
    module = import_module(f"stages.{name}")
    with ExitStack() as stack:
        for attribute, value in replaced.items():
            stack.enter_context(mock.patch.object(module, attribute, value))
        module.main(Project(folder), *arguments)


def set_up_one_run(
    folder: Path, params: Any, write: Callable[[Any], Path], name: str, run: dict[str, Any], sources: dict[str, Any]
) -> None:
    """Make `folder` a project with that run alone, on 30 prepared images of noise called shapes, 7 to be drawn.

    Args:
        params: values of a scale, with the changes that the test needs; changed in place.
        sources: further sources.
    """
    for group in ("sources", "datasets", "classifiers"):
        params[group] = {"shapes": params[group]["shapes"]}
    params["sources"] |= sources
    params |= {"runs": {name: run}, "sweeps": {}}
    blocks = [block for block, values in params.items() if isinstance(values, dict) and "family" in values]
    for block in set(blocks) - {run["settings"]}:
        del params[block]
    params["sampling"] |= {"images": 7, "grid_side": 2, "snapshot_images": 2, "c2st_steps": 2}
    params["evaluation"]["samples"] = 7
    images = np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3), np.uint8)
    split = np.repeat(np.array([0, 1], np.uint8), 15)
    write_prepared(Project(folder), "shapes", images, np.arange(30) % 2, split, ["a", "b"])
    (folder / ".no-parent").touch()
    resolve(write(params), Project(folder))
