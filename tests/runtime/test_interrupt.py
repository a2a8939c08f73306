"""One process at a time in a folder, whatever happens to the one that is in it."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from thirtytwo.runtime.errors import ProjectError, Stopped
from thirtytwo.runtime.interrupt import StopSignals, alone, exclusive, in_use
from thirtytwo.runtime.project import Project

HOLDER = """
import sys
from pathlib import Path
from thirtytwo.runtime.interrupt import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is inside `exclusive(folder)` until its standard input is closed."""
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


STAGE = """
import sys
from thirtytwo.runtime.stage import run_stage
def main(project, name):
    print("begun", flush=True)
    (project.root / name).write_text(sys.stdin.read())
sys.argv[0] = "stage.py"
run_stage(main)
"""


@pytest.fixture(autouse=True)
def importable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(root / "src"))


def test_a_second_process_waits_until_the_first_is_killed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder, polls = tmp_path / "checkpoints/vae", 0
    with another_process(folder) as other:

        def poll() -> int:
            nonlocal polls
            polls += 1
            assert in_use(folder)
            if polls == 2:
                other.kill()
                other.wait()
            return 0

        with exclusive(tmp_path / "checkpoints/gan"):  # another run is free
            pass
        with exclusive(folder, poll):
            assert polls == 2
            assert folder.is_dir()
    assert not in_use(folder)
    assert capsys.readouterr().out.count(str(folder.with_name("vae.lock"))) == 1


def test_a_signal_ends_the_wait(tmp_path: Path):
    with another_process(tmp_path / "vae"):
        with pytest.raises(Stopped) as stopped, exclusive(tmp_path / "vae", lambda: 143):
            pass
        assert stopped.value.code == 143


def test_a_second_process_waits_for_the_first(tmp_path: Path):
    released = threading.Event()
    with another_process(tmp_path / "vae") as other:
        assert other.stdin is not None
        threading.Timer(0.3, lambda: (released.set(), other.stdin.close())).start()
        with exclusive(tmp_path / "vae"):
            assert released.is_set()


def test_the_folder_may_be_deleted_inside(tmp_path: Path):
    for _ in range(2):
        with exclusive(tmp_path / "vae", lambda: 1):
            assert (tmp_path / "vae").is_dir()
            shutil.rmtree(tmp_path / "vae")
    assert not (tmp_path / "vae").exists()


def test_a_stage_waits_for_another_process_of_the_same_stage_and_writes_last(tmp_path: Path):
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).touch()
    (tmp_path / ".dvc/tmp").mkdir(parents=True)

    def start(name: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", STAGE, name]
        return subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    with start("vae") as first, start("vae") as second:
        assert first.stdout is not None
        assert second.stdout is not None
        lines = {first.pid: first.stdout.readline(), second.pid: second.stdout.readline()}
        if "waiting" in lines[first.pid]:
            first, second = second, first
        assert start("gan").communicate("")[0] == "begun\n"  # another stage
        lock = Project(tmp_path).lock_of_stage("stage@vae")
        assert lines[first.pid] == "begun\n"
        assert lines[second.pid].startswith(f"waiting for process {first.pid} on ")
        assert lines[second.pid].endswith(f"({lock})\n")
        first.communicate("of the first")
        second.communicate("of the second")
    assert (tmp_path / "vae").read_text() == "of the second"


def test_a_process_that_does_not_end_is_named(tmp_path: Path):
    lock, start = tmp_path / "locks/train@vae.lock", time.monotonic()
    with (
        alone(lock, "train@vae"),
        pytest.raises(ProjectError) as refused,
        alone(lock, "train@vae", patience=0.0),
    ):
        pass
    assert time.monotonic() - start < 4  # it looks every half second
    assert str(refused.value).startswith(f"train@vae: process {os.getpid()} on ")
    assert "wait until it has ended, or end it" in str(refused.value)
    with alone(lock, "train@vae", patience=0.0):
        pass


def test_a_signal_after_the_training_ends_the_process_at_once():
    before = signal.getsignal(signal.SIGTERM)
    watch = StopSignals()
    assert signal.getsignal(signal.SIGTERM) != before
    watch.release()
    assert signal.getsignal(signal.SIGTERM) == before
    watch = StopSignals()
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Stopped) as stopped:
        watch.release()
    assert stopped.value.code == 143
