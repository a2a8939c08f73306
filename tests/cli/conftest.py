import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from cli_project import make
from staging import run_stage
from thirtytwo.cli.main import main
from thirtytwo.runtime.project import Project


@pytest.fixture(scope="session")
def project(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One project for all tests of the command, which leave its settings and images as they were."""
    threads = torch.get_num_threads()
    project = Project(tmp_path_factory.mktemp("project"))
    make(project, root)
    torch.set_num_threads(threads)
    return project


@pytest.fixture
def command(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], int]]:
    """Runs a command line in a folder of the project."""
    threads = torch.get_num_threads()
    monkeypatch.chdir(project.root / "data")
    yield lambda line: main(line.split())
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def metrics(project: Project) -> dict[str, Any]:
    """Scores by the stage `evaluate` of the conditional diffusion model's images."""
    run_stage("evaluate", project.root, "cddpm")
    return json.loads(project.metrics("cddpm").read_text(encoding="utf-8"))
