"""Checkpoints that `thirtytwo doctor` lists and cleans."""

import os
import time
from pathlib import Path

import pytest

from thirtytwo.cli import checkpoints
from thirtytwo.runtime.interrupt import exclusive
from thirtytwo.runtime.project import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with checkpoints of several ages, and the lock of a finished training."""
    monkeypatch.delenv("THIRTYTWO_CHECKPOINTS", raising=False)
    project = Project(tmp_path)
    for folder, days in (("vae/new", 1), ("vae/old", 40), ("gan/busy", 50), ("gone/any", 10)):
        checkpoint = project.all_checkpoints / folder / "0/000000400-ab.pt"
        checkpoint.parent.mkdir(parents=True)
        paths = (checkpoint, checkpoint.parent, project.all_checkpoints / f"{folder}.lock")
        for path in paths:
            if not path.exists():
                path.touch()
            os.utime(path, (time.time() - days * 86400,) * 2)
    (project.checkpoints("vae") / "finished.lock").touch()
    return project


def left(project: Project) -> set[str]:
    return {f"{path.parent.name}/{path.name}" for path in project.all_checkpoints.glob("*/*")}


def test_every_unfinished_training_is_listed(project: Project) -> None:
    with exclusive(project.checkpoints("gan") / "busy"):
        busy, any_, new, old = checkpoints.findings(project)
    assert "training now" in busy.what
    assert "checkpoints of gone" in any_.what
    assert "step 400, 1 days old" in new.what
    assert "40 days old" in old.what
    assert "dvc repro train@vae" in old.remedy


def test_old_checkpoints_are_removed_unless_a_training_uses_them(project: Project) -> None:
    with exclusive(project.checkpoints("gan") / "busy"):
        assert [found.what.partition(":")[0] for found in checkpoints.clean(project, 30)] == [
            f"removed {project.checkpoints('vae') / 'old'}"
        ]
        kept = {"gan/busy", "gan/busy.lock", "gone/any", "gone/any.lock", "vae/new", "vae/new.lock"}
        assert left(project) == kept | {"vae/finished.lock"}
        assert len(list(checkpoints.clean(project, 0))) == 2
        assert left(project) == {"gan/busy", "gan/busy.lock"}


def test_a_checkpoint_that_vanishes_meanwhile_is_passed_over(project: Project) -> None:
    """A link to nothing stands for a file that a training removes between listing and looking."""
    folder = project.all_checkpoints / "vae/old/0"
    (folder / "000000300-cd.pt").symlink_to("removed")
    os.utime(folder, (time.time() - 40 * 86400,) * 2)
    ages = [found.what.rpartition(", ")[2] for found in checkpoints.findings(project)]
    assert ages == ["50 days old", "10 days old", "1 days old", "40 days old"]
