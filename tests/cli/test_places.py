"""Where data and weights will come from, as `thirtytwo doctor` reports it before anything is downloaded."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from file_server import serving
from thirtytwo.cli import places
from thirtytwo.data.sources.catalogue import KNOWN
from thirtytwo.runtime.project import Project
from thirtytwo.settings.data import Archive, Digits5k, Folder, Known

PETS = Archive(kind="archive", file="pets.zip", sha256="0" * 64, urls=[])


@pytest.fixture(autouse=True)
def no_mirror(monkeypatch):
    monkeypatch.delenv("THIRTYTWO_MIRROR", raising=False)


def test_each_source_has_the_place_it_will_come_from(tmp_path):
    sources = {
        "pets": PETS,
        "mine": Folder(kind="folder", path="none"),
        "cub": Known(kind="cub"),
        "digits": Digits5k(kind="digits5k"),
        "here": PETS,
    }
    project = Project(tmp_path)
    project.raw("here").mkdir(parents=True)
    (project.raw("here") / "pets.zip").touch()
    pets, mine, cub, digits, here = places.sources(project, sources, network=False)
    states = [finding.state for finding in (pets, mine, cub, digits, here)]
    assert states == ["missing", "missing", "note", "ok", "ok"]
    assert str(project.downloads / "000000000000-pets.zip") in pets.remedy
    assert "sources.mine.path" in mine.remedy
    assert "data.caltech.edu" in cub.what
    assert "data/raw/here" in here.what


def test_the_mirror_folder_is_checked_by_sha256(tmp_path, monkeypatch):
    path = tmp_path / "mirror/pets.zip"
    path.parent.mkdir()
    path.write_bytes(b"another")
    monkeypatch.setenv("THIRTYTWO_MIRROR", str(path.parent))
    (wrong,) = places.sources(Project(tmp_path), {"pets": PETS}, network=False)
    assert wrong.state == "missing"
    assert f"{path} has sha256 {sha256sum(path)}; expected {PETS.sha256}" in wrong.what
    right = PETS.model_copy(update={"sha256": sha256sum(path)})
    (found,) = places.sources(Project(tmp_path), {"pets": right}, network=False)
    assert (found.state, str(path) in found.what) == ("ok", True)


def sha256sum(path: Path) -> str:
    # by coreutils, not by the code under test
    return subprocess.run(["sha256sum", path], check=True, capture_output=True, text=True).stdout.split()[0]


@pytest.mark.parametrize(("paths", "state"), [(["404", "good"], "ok"), (["404", "500"], "missing")])
def test_urls_are_requested_if_the_network_may_be_used(tmp_path, monkeypatch, paths, state):
    (file,) = KNOWN["cifar10"]
    with serving() as server:
        monkeypatch.setitem(KNOWN, "cifar10", (replace(file, urls=server.urls(*paths)),))
        (finding,) = places.sources(Project(tmp_path), {"cifar10": Known(kind="cifar10")}, network=True)
    assert finding.state == state
    expected = [server.urls("good")[0]] if state == "ok" else [f"{url}: {url[-3:]}" for url in server.urls(*paths)]
    assert all(text in finding.what for text in expected)


def test_what_is_still_to_be_downloaded_needs_space(tmp_path, monkeypatch):
    project, cub = Project(tmp_path), {"cub": Known(kind="cub")}
    monkeypatch.setattr(places.shutil, "disk_usage", lambda path: type("usage", (), {"free": 3 * 2**30}))
    assert places.space(project, cub).state == "missing"  # 1.15 GB, three times
    project.raw("cub").mkdir(parents=True)
    (project.raw("cub") / "archive").touch()
    assert places.space(project, cub).state == "ok"
