"""What DVC knows is damaged, edited or lost: it is named, and `dvc repro` ends in the same bytes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path

import psutil
import pytest
from dvc.exceptions import DvcException
from dvc.repo import Repo

from dvc_project import environment, sh
from thirtytwo.cli import doctor
from thirtytwo.repro.run import repro
from thirtytwo.runtime.alive import is_alive
from thirtytwo.runtime.errors import CommandError
from thirtytwo.runtime.project import Project

PIPELINE = """
stages:
  sample: {cmd: python sample.py vae, deps: [params.yaml], outs: [out/samples]}
  evaluate: {cmd: cat out/samples out/samples > out/scores, deps: [out/samples], outs: [out/scores]}
"""
SAMPLE = """
from thirtytwo.runtime.fork_server import begin_stage
begin_stage()
import json, time
from thirtytwo.runtime.stage import run_stage
def main(project, run):
    settings = json.loads(project.params.read_text())
    with open("runs.log", "a") as file:
        print("begun", file=file)
    time.sleep(settings["seconds"])
    (project.root / "out").mkdir(exist_ok=True)
    (project.root / "out/samples").write_text(settings["word"])
run_stage(main)
"""
OURS, OTHER = '{"word": "ours", "seconds": 0}', '{"word": "other", "seconds": 20}'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that has run once."""
    for name, content in (("params.yaml", OURS), ("dvc.yaml", PIPELINE), ("sample.py", SAMPLE)):
        (tmp_path / name).write_text(content, encoding="utf-8")
    Repo.init(str(tmp_path), no_scm=True).close()
    for name in ("PATH", "PYTHONPATH"):
        monkeypatch.setenv(name, environment()[name])
    run(tmp_path)
    return tmp_path


def run(folder: Path) -> None:
    """`dvc repro`."""
    with chdir(folder), Repo() as repo:
        repo.reproduce()


def changed(folder: Path) -> set[str]:
    """The stages that `dvc status` lists."""
    with chdir(folder), Repo() as repo:
        return set(repo.status())


def made(folder: Path) -> tuple[str, ...]:
    return tuple((folder / name).read_text(encoding="utf-8") for name in ("out/samples", "out/scores", "dvc.lock"))


def times(folder: Path) -> int:
    """How often the first stage has run."""
    return (folder / "runs.log").read_text(encoding="utf-8").count("begun")


def test_no_orphan_writes_after_its_successor(folder: Path):
    # The successor's outputs come from the run cache, so that no stage of it runs that could wait for the orphan.
    before = made(folder)
    (folder / "params.yaml").write_text(OTHER, encoding="utf-8")
    dvc = subprocess.Popen(["dvc", "repro", "-q"], cwd=folder, env=environment(), start_new_session=True)
    while times(folder) < 2:
        time.sleep(0.02)
        assert dvc.poll() is None
    begun = time.monotonic()
    family = psutil.Process(dvc.pid).children(recursive=True)
    dvc.send_signal(signal.SIGKILL)
    dvc.wait()
    (folder / "params.yaml").write_text(OURS, encoding="utf-8")
    run(folder)
    assert time.monotonic() - begun < 20, "the orphan wrote before its successor"
    while time.monotonic() - begun < 21 and any(process.is_running() and is_alive(process.pid) for process in family):
        time.sleep(0.1)
    assert made(folder) == before
    assert not changed(folder)
    assert times(folder) == 2


@pytest.fixture
def zombie() -> Iterator[int]:
    """The number of a process that has ended, but that its parent has not collected, as below a container's `sleep`."""
    with subprocess.Popen(["true"]) as process:
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        yield process.pid


def lock(folder: Path, pid: int) -> dict[str, int]:
    """Lock what the first stage reads and writes, as a dvc with this number that was killed; return its entry."""
    entry, path = {"pid": pid, "cmd": "dvc repro"}, Project(folder).lock_of_dvc
    locks = {"write": {str(folder / "out/samples"): entry}, "read": {str(folder / "params.yaml"): [entry]}}
    path.write_text(json.dumps(locks), encoding="utf-8")
    (folder / "params.yaml").write_text(OURS.replace("ours", "new"), encoding="utf-8")
    return entry


def test_doctor_names_and_removes_the_locks_of_a_zombie(folder: Path, zombie: int):
    lock(folder, zombie)
    path, mine = Project(folder).lock_of_dvc, {"pid": os.getpid(), "cmd": "dvc repro evaluate"}
    locks = json.loads(path.read_text(encoding="utf-8"))
    locks["read"][str(folder / "params.yaml")].append(mine)
    path.write_text(json.dumps(locks), encoding="utf-8")
    with pytest.raises(DvcException) as refused:
        run(folder)
    assert "is busy" in str(refused.value.__cause__)
    (finding,) = doctor.lock_of_dvc(Project(folder))
    assert finding.state == "ok"
    assert f"{zombie}" in finding.what
    assert json.loads(path.read_text(encoding="utf-8")) == {"read": {str(folder / "params.yaml"): [mine]}, "write": {}}
    assert not list(doctor.lock_of_dvc(Project(folder)))
    run(folder)
    assert (folder / "out/samples").read_text(encoding="utf-8") == "new"


def test_thirtytwo_repro_takes_the_locks_of_a_zombie(folder: Path, zombie: int):
    lock(folder, zombie)
    command = [sys.executable, "-m", "thirtytwo", "repro", "--jobs", "1"]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "out/samples").read_text(encoding="utf-8") == "new"


def conflict(folder: Path) -> None:
    lines = (folder / "dvc.lock").read_text(encoding="utf-8").splitlines()
    marked = [*lines[:4], "<<<<<<< HEAD", *lines[4:6], "=======", lines[5], ">>>>>>> theirs", *lines[6:]]
    (folder / "dvc.lock").write_text("\n".join(marked), encoding="utf-8")


def cut(folder: Path) -> None:
    text = (folder / "dvc.lock").read_text(encoding="utf-8")
    (folder / "dvc.lock").write_text(text[: text.index("hash:") + 2], encoding="utf-8")


@pytest.mark.parametrize("damage", [conflict, cut], ids=["conflict marks", "cut short"])
def test_a_broken_lock_file_is_named_with_the_command_that_mends_it(
    damage: Callable[[Path], None], folder: Path, monkeypatch: pytest.MonkeyPatch
):
    before = made(folder)
    damage(folder)
    monkeypatch.chdir(folder)
    with pytest.raises(CommandError) as refused:
        repro(folder, [], jobs=1)
    assert "dvc.lock" in str(refused.value)
    assert "git checkout HEAD dvc.lock" in str(refused.value)
    assert "\n" not in str(refused.value)
    finding = doctor.stale(Project(folder))
    assert finding.state == "missing"
    assert "dvc.lock" in finding.what
    assert "delete it; then `dvc repro` restores" in finding.remedy
    (folder / "dvc.lock").unlink()
    run(folder)
    assert made(folder) == before
    assert times(folder) == 1


def edited_lock(folder: Path) -> set[str]:
    text = (folder / "dvc.lock").read_text(encoding="utf-8")
    digest = text.partition("path: out/samples")[2].partition("md5: ")[2][:32]
    assert text.count(digest) == 2
    (folder / "dvc.lock").write_text(text.replace(digest, "abcd" * 8), encoding="utf-8")
    return {"sample", "evaluate"}


def edited_output(folder: Path) -> set[str]:
    """Of the same length, at a time before it was made, as when the clock was set back."""
    (folder / "out/samples").chmod(0o644)
    (folder / "out/samples").write_text("oars", encoding="utf-8")
    os.utime(folder / "out/samples", (1e9, 1e9))
    return {"sample", "evaluate"}


def deleted_output(folder: Path) -> set[str]:
    (folder / "out/scores").unlink()
    return {"evaluate"}


@pytest.mark.parametrize("change", [edited_lock, edited_output, deleted_output])
def test_hand_edits_show_in_the_status_and_are_undone(change: Callable[[Path], set[str]], folder: Path):
    before = made(folder)
    stages = change(folder)
    assert changed(folder) == stages
    run(folder)
    assert made(folder) == before
    assert times(folder) == 1 + (change is edited_lock)  # otherwise from the cache


def test_what_a_pruned_cache_lacks_is_made_again(folder: Path):
    before = made(folder)
    (folder / "params.yaml").write_text(OTHER.replace("20", "0"), encoding="utf-8")
    run(folder)
    assert made(folder) != before
    with chdir(folder), Repo() as repo:
        repo.gc(workspace=True)  # keeps what the workspace uses
    (folder / "params.yaml").write_text(OURS, encoding="utf-8")
    run(folder)
    assert made(folder) == before
    assert times(folder) == 3
    shutil.rmtree(folder / ".dvc/cache")
    shutil.rmtree(folder / "out")
    run(folder)
    assert made(folder) == before


@pytest.mark.slow
def test_two_checkouts_run_at_once_on_a_shared_cache(project: Callable[[str], Path], tmp_path: Path):
    first = project('{"runs": {"a": {"steps": 20}, "b": {"steps": 20}}}')
    second = tmp_path / "second"
    shutil.copytree(first, second)
    for checkout in (first, second):
        sh(checkout, "dvc", "cache", "dir", "--local", str(tmp_path / "shared/cache"))
    together = environment() | {"THIRTYTWO_CHECKPOINTS": str(tmp_path / "shared/checkpoints")}
    running = [subprocess.Popen(["dvc", "repro", "-q"], cwd=checkout, env=together) for checkout in (first, second)]
    assert [process.wait() for process in running] == [0, 0]
    assert (first / "dvc.lock").read_bytes() == (second / "dvc.lock").read_bytes()
    for checkout in (first, second):
        assert "up to date" in sh(checkout, "dvc", "status")
