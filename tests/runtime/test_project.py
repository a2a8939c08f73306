"""The project's folder and the paths in it."""

from pathlib import Path

import pytest

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


@pytest.mark.parametrize(("chosen", "expected"), [(None, "checkpoints"), ("kept", "kept"), ("/shared", "/shared")])
def test_checkpoints_can_lie_in_a_shared_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str | None, expected: str
):
    monkeypatch.delenv("THIRTYTWO_CHECKPOINTS", raising=False)
    if chosen is not None:
        monkeypatch.setenv("THIRTYTWO_CHECKPOINTS", chosen)
    assert Project(tmp_path).checkpoints("vae") == tmp_path / expected / "vae"
