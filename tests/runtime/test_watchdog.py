"""A stage ends with its dvc, whatever it is doing; one that a person started goes on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]

START = """
import os, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
if (folder / "late").exists():  # dvc dies before the first line
    while os.getppid() == int(sys.argv[2]):
        time.sleep(0.01)
from thirtytwo.runtime.watchdog import end_with_dvc
end_with_dvc()
folder.joinpath("pid.new").write_text(str(os.getpid()))
"""
READY = 'os.replace(folder / "pid.new", folder / "pid")\n'
# PyDLL keeps the lock of the interpreter, as an import of an extension does.
BUSY = "import ctypes\nwhile True: ctypes.PyDLL(None).sleep(60)"
SIGNALS = f"from thirtytwo.runtime.interrupt import StopSignals\nsignals = StopSignals()\n{READY}"
TRAINING = SIGNALS + "while not signals.exit_code(): time.sleep(0.05)\n(folder / 'saved').touch()"


@contextmanager
def stage(folder: Path, script: str, shell: bool = False, dvc: bool = True) -> Iterator[subprocess.Popen[bytes]]:
    """A process that plays dvc and runs a stage; killed, as the stage is, at the end."""
    (folder / "stage.py").write_text(START + script, encoding="utf-8")
    command = [sys.executable, "stage.py", str(folder)]
    run = f"['/bin/sh', '-c', {' '.join(command)!r} + f' {{pid}}; exit $?']" if shell else f"[*{command}, pid]"
    marks = {"DVC_STAGE": "train@vae"} if dvc else {}
    play = f"import os, subprocess, time; pid = str(os.getpid()); subprocess.run({run}, env=os.environ | {marks})"
    environment = {key: value for key, value in os.environ.items() if key != "DVC_STAGE"}
    process = subprocess.Popen(
        [sys.executable, "-c", f"{play}; time.sleep(60)"], cwd=folder, env=environment | {"PYTHONPATH": str(ROOT / "src")},
        stderr=(folder / "said").open("wb"), start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for name in ("pid", "pid.new"):
            number = (folder / name).read_text() if (folder / name).exists() else ""  # empty: ended while it wrote
            if number and psutil.pid_exists(int(number)):
                os.kill(int(number), signal.SIGKILL)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)


def ended(*family: psutil.Process, seconds: float = 5.0) -> bool:
    """Whether all of them end in time; a zombie has ended, and waits for its parent."""
    deadline = time.monotonic() + seconds
    while any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize(
    ("doing", "shell"),
    [(READY + BUSY, False), (TRAINING, True), (SIGNALS + BUSY, False)],
    ids=["an import", "a training behind a shell", "a training in a step without end"],
)
def test_a_stage_ends_within_5_s_of_its_dvc(doing: str, shell: bool, tmp_path: Path):
    with stage(tmp_path, doing, shell) as dvc:
        wait_for(tmp_path / "pid")
        family = psutil.Process(dvc.pid).children(recursive=True)
        assert len(family) == 2 + shell  # the stage and its watchdog
        dvc.kill()  # and not waited for, so that it stays as a zombie
        assert ended(*family)
    assert (tmp_path / "saved").exists() == (doing == TRAINING)
    assert (tmp_path / "said").read_text() == "train@vae: the dvc that started this stage has ended: stopping\n"


def test_a_stage_ends_whose_dvc_died_before_its_first_line(tmp_path: Path):
    (tmp_path / "late").touch()
    with stage(tmp_path, READY + BUSY) as dvc:
        family: list[psutil.Process] = []
        while not family:
            family = psutil.Process(dvc.pid).children(recursive=True)
        dvc.kill()
        dvc.wait()
        assert ended(*family)
    assert "the dvc that started this stage has ended" in (tmp_path / "said").read_text()


def test_a_stage_that_a_person_started_outlives_its_shell(tmp_path: Path):
    with stage(tmp_path, READY + BUSY, dvc=False) as shell:
        wait_for(tmp_path / "pid")
        (process,) = psutil.Process(shell.pid).children(recursive=True)
        shell.kill()
        shell.wait()
        assert not ended(process, seconds=1.0)


def test_the_watchdog_ends_with_its_stage_and_not_before(tmp_path: Path):
    # A signal to the group reaches the watchdog as well.
    script = "import signal; signal.signal(signal.SIGINT, lambda *_: time.sleep(1))\n"
    script += f"{READY}while True: time.sleep(0.1)"
    with stage(tmp_path, script) as dvc:
        wait_for(tmp_path / "pid")
        process = psutil.Process(int((tmp_path / "pid").read_text()))
        (watchdog,) = process.children()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        watchdog.send_signal(signal.SIGINT)
        watchdog.send_signal(signal.SIGTERM)
        assert not ended(watchdog, seconds=0.5)
        process.kill()
        assert ended(process, watchdog, seconds=2.0)
        assert dvc.poll() is None
