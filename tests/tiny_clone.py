"""A copy of the repository whose pipeline takes seconds a stage."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from ruamel.yaml import YAML

from repository_copy import RepositoryCopy
from thirtytwo.runtime.project import Project
from thirtytwo.settings.resolve import resolve

IMAGES = 160
RUNS = ("gan", "vae", "ddpm")


def tiny(params: Any) -> Any:
    """The default scale with every budget cut to almost nothing, one data set and two runs."""
    params["compute"] |= {"device": "cpu", "threads": 1}
    params["sources"] = {"shapes": params["sources"]["shapes"] | {"images": IMAGES}}
    params["datasets"] = {"shapes": params["datasets"]["shapes"] | {"expected_images": IMAGES}}
    params["runs"] = {name: params["runs"][name] | {"dataset": "shapes", "set": {}} for name in RUNS}
    params["runs"]["vae"]["seeds"] = 2
    params["sweeps"] = {"ddpm": params["sweeps"]["ddpm"] | {"images": 20, "steps": [1, 2], "etas": [0.0]}}
    params["sampling"] |= {"images": 30, "grid_side": 3, "snapshot_images": 12, "c2st_steps": 2}
    params["evaluation"] |= {"samples": 25, "bootstrap_resamples": 20, "fid": False}
    small, classifier = {"epochs": 1, "width": 8, "batch_size": 16}, params["classifiers"]["shapes"]
    params["classifiers"] = {"shapes": classifier | small | {"second": classifier["second"] | small}}
    for block in params.values():
        if isinstance(block, dict) and "family" in block:
            every = {"validate_every": 1, "checkpoint_every": 1}
            block |= {"steps": 2, "epochs": 0, "batch_size": 16, "width": 8} | every
    params["ddpm"]["sample"]["steps"] = 3
    params["gan"]["snapshot_every"] = 1
    return params


class Clone(RepositoryCopy):
    """A copy with the parameters of a few seconds."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.params = tiny(YAML(typ="safe").load(folder / "scales/quick.yaml"))
        self.write(self.params)
        self.commit()

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a command in a session of its own; `said` returns what it has printed."""
        with (self.folder / ".git/output").open("wb") as output:
            return subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def said(self) -> str:
        return (self.folder / ".git/output").read_text(encoding="utf-8", errors="replace")

    def write(self, params: Any) -> None:
        with (self.folder / "params.yaml").open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(params, file)

    @contextmanager
    def changed(self, change: Callable[[Any], None]) -> Iterator[None]:
        """Other parameters, resolved, for as long as the block runs."""
        path = self.folder / "params.yaml"
        before = path.read_bytes()
        values = YAML(typ="safe").load(path)
        change(values)
        self.write(values)
        resolve(path, Project(self.folder))
        try:
            yield
        finally:
            path.write_bytes(before)
            resolve(path, Project(self.folder))

    def status(self) -> set[str]:
        """The stages that dvc would run."""
        with contextlib.chdir(self.folder), Repo() as repo:
            return set(repo.status())
