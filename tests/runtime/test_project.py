"""The project's folder and the paths in it."""

from pathlib import Path

import pytest
from dvc.repo import Repo

from thirtytwo.runtime.errors import ProjectError
from thirtytwo.runtime.project import Project


def test_the_project_is_found_from_a_folder_in_it(tmp_path: Path):
    folder = tmp_path / "project/plots/train"
    folder.mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / "project" / name).touch()
    assert Project.containing(folder) == Project(tmp_path / "project")


def test_a_folder_in_no_project_is_named(tmp_path: Path):
    with pytest.raises(ProjectError, match=f"{tmp_path}: no dvc.yaml"):
        Project.containing(tmp_path)


def configure(root: Path, name: str, text: str) -> None:
    (root / ".dvc").mkdir(exist_ok=True)
    (root / ".dvc" / name).write_text(text, encoding="utf-8")


def test_checkpoints_lie_beside_dvcs_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("THIRTYTWO_CHECKPOINTS", raising=False)
    assert Project(tmp_path).checkpoints("vae") == tmp_path / ".dvc/checkpoints/vae"
    configure(tmp_path, "config", "['remote \"store\"']\n    url = s3://x/%s\n[cache]\n    dir = ../../shared/cache\n")
    assert Project(tmp_path).checkpoints("vae") == tmp_path.parent / "shared/checkpoints/vae"
    configure(tmp_path, "config.local", "[cache]\n    dir = /workspace/.dvc/cache\n")
    assert Project(tmp_path).checkpoints("vae") == Path("/workspace/.dvc/checkpoints/vae")


@pytest.mark.parametrize(("chosen", "expected"), [("kept", "kept"), ("/shared", "/shared")])
def test_the_environment_chooses_the_folder_of_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str, expected: str
):
    configure(tmp_path, "config.local", "[cache]\n    dir = /workspace/.dvc/cache\n")
    monkeypatch.setenv("THIRTYTWO_CHECKPOINTS", chosen)
    assert Project(tmp_path).checkpoints("vae") == tmp_path / expected / "vae"


def test_the_cache_is_the_one_that_dvc_uses(tmp_path: Path):
    configure(tmp_path, "config", "[core]\n    no_scm = True\n[cache]\n    dir = ../elsewhere/cache\n")
    with Repo(str(tmp_path)) as repo:
        assert Path(repo.cache.local_cache_dir) == Project(tmp_path).dvc_cache
