from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from cli_project import make
from staging import run_stage
from thirtytwo.cli.main import main
from thirtytwo.evaluate.scorecard import Scorecard
from thirtytwo.runtime.files import read_json
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
def card(project: Project) -> Scorecard:
    """The scores that the stage `evaluate` gives the conditional diffusion model's images."""
    run_stage("evaluate", project.root, "cddpm")
    return read_json(project.scores("cddpm"), Scorecard)
