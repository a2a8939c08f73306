"""Checkpoints that `thirtytwo doctor` lists and cleans."""

import json
import os
import time
from pathlib import Path

import pytest

from thirtytwo.cli import checkpoints
from thirtytwo.runtime.interrupt import exclusive
from thirtytwo.runtime.project import Project


def test_checkpoints_of_former_settings_and_old_ones_are_listed_and_cleaned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("THIRTYTWO_CHECKPOINTS", raising=False)
    project, now = Project(tmp_path), time.time()
    for run, name, config, days in (
        ("vae", "new", "a", 1), ("vae", "old", "a", 40), ("vae", "other", "b", 1), ("gone", "any", "a", 1),
        ("gan", "busy", "b", 50),
    ):  # fmt: skip
        folder = project.checkpoints(run) / name
        (folder / "0").mkdir(parents=True)
        (folder / "about.json").write_text(json.dumps({"config": config}))
        (folder / "0/000000400-ab.pt").touch()
        for path in (folder / "about.json", folder / "0/000000400-ab.pt"):
            os.utime(path, (now - days * 86400,) * 2)
    (project.checkpoints("vae") / "done.lock").touch()
    configs = {"vae": "a", "gan": "a"}
    listed = {Path(found.what.partition(":")[0]).name: found for found in checkpoints.findings(project, configs)}
    assert set(listed) == {"new", "old", "other", "any", "busy"}
    assert "step 400" in listed["new"].what
    assert "dvc repro train@vae" in listed["new"].do
    assert "doctor --clean" in listed["other"].do
    with exclusive(project.checkpoints("gan") / "busy"):
        assert "training now" in next(f.what for f in checkpoints.findings(project, configs) if "busy" in f.what)
        removed = [found.what for found in checkpoints.clean(project, configs, 30)]
    assert len(removed) == 3
    assert [left.folder.name for left in checkpoints.unfinished(project, configs)] == ["busy", "new"]
    assert not list(project.all_checkpoints.glob("*/done.lock"))
