"""Files and folders that appear whole or not at all, and sha256 sums."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from thirtytwo.runtime import files
from thirtytwo.runtime.files import FileError, replacing, sha256, write, write_arrays, write_json
from thirtytwo.runtime.project import Project


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def ended_pid() -> int:
    return int(subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True).stdout)


@pytest.mark.parametrize("former", [b"former", None])
def test_an_interrupted_write_leaves_the_former_file(tmp_path: Path, former: bytes | None):
    path = tmp_path / "set.npz"
    if former is not None:
        path.write_bytes(former)

    def interrupted() -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp_path) == ([] if former is None else ["set.npz"])
    assert former is None or path.read_bytes() == former


@pytest.fixture
def project(tmp_path: Path) -> Project:
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).touch()
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    return Project(tmp_path)


def test_temporary_files_lie_outside_tracked_folders(project: Project):
    """Otherwise a killed process would leave a file that DVC takes for part of a result."""
    path = project.probes("vae")
    with replacing(path) as temporary:
        temporary.write_bytes(b"content")
        with replacing(project.samples("vae")) as other:
            other.write_bytes(b"other")
        assert temporary.parent == other.parent == project.temporary
        assert names(path.parent) == []
    assert names(project.temporary) == []
    assert path.read_bytes() == b"content"
    assert project.samples("vae").read_bytes() == b"other"


def test_temporary_files_of_ended_processes_are_deleted(project: Project):
    host = files._HOST
    ended, running = f".a.{host}-{ended_pid()}.tmp", f".a.{host}-{os.getppid()}.tmp"
    elsewhere, old, foreign = f".a.other-{ended_pid()}.tmp", f".b.other-{ended_pid()}.tmp", ".notes.tmp"
    project.temporary.mkdir()
    for name in (ended, running, elsewhere, old, foreign):
        (project.temporary / name).touch()
    os.utime(project.temporary / old, (0, 0))
    write(project.metrics("vae"), b"content")
    assert names(project.temporary) == sorted([running, elsewhere, foreign])
    assert names(project.metrics("vae").parent) == ["vae.json"]


def test_a_folder_replaces_a_folder(tmp_path: Path):
    (tmp_path / "raw/old").mkdir(parents=True)
    with replacing(tmp_path / "raw") as folder:
        (folder / "new").mkdir(parents=True)
    assert names(tmp_path) == ["raw"]
    assert names(tmp_path / "raw") == ["new"]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=r"file/a\.json: "):
        write(tmp_path / "file/a.json", b"")


def test_json_and_arrays_are_read_back_and_equal_values_give_equal_bytes(tmp_path: Path):
    values = {"b": 1.5, "a": {"d": None, "c": "é"}}
    write_json(tmp_path / "one.json", values)
    write_json(tmp_path / "two.json", {"a": {"c": "é", "d": None}, "b": 1.5}, sort_keys=True)
    write_json(tmp_path / "three.json", values, sort_keys=True)
    assert json.loads((tmp_path / "one.json").read_text()) == values
    assert (tmp_path / "two.json").read_bytes() == (tmp_path / "three.json").read_bytes()
    arrays = {"images": np.arange(12).reshape(3, 4), "labels": np.zeros(3)}
    for name, compressed in (("a.npz", True), ("b.npz", True), ("c.npz", False)):
        write_arrays(tmp_path / name, arrays, compressed)
        with np.load(tmp_path / name) as file:
            assert all(np.array_equal(file[key], arrays[key]) for key in arrays)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_sha256_of_the_published_example_and_of_a_missing_file(tmp_path: Path):
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, example B.1
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(FileError, match="none: "):
        sha256(tmp_path / "none")
