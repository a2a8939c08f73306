import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from dvc_project import environment, locked, sh
from thirtytwo.runtime.interrupt import alone
from thirtytwo.runtime.project import Project

RUNS = '{"runs": {"a": {"steps": 10}, "b": {"steps": 12}, "c": {"steps": 14}}}'


def repro(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "thirtytwo", "repro", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "thirtytwo", "repro", *arguments]
    process = subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(path: Path, seconds: float = 200) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.05)


def test_locks_what_a_sequential_repro_locks_and_then_has_nothing_to_do(project: Callable[[str], Path]) -> None:
    folder = project(RUNS)
    done = repro(folder, "--jobs", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sh(folder, "dvc", "status").strip() == "Data and pipelines are up to date."
    parallel, log = locked(folder), (folder / "logs/repro/train@a.log").read_text(encoding="utf-8")
    before = os.times()
    again = repro(folder)
    after = os.times()
    assert again.stdout.strip() == "Data and pipelines are up to date."
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    assert cpu < 5  # of CPU time, since others may use the machine
    for name in ("configs", "models", "samples", "metrics", ".dvc/cache"):
        shutil.rmtree(folder / name)
    (folder / "dvc.lock").unlink()
    sh(folder, "dvc", "repro", "--quiet")
    assert parallel == locked(folder)
    assert "loss=9" in log
    assert "glibc trims above None" in log  # Dask's own value makes a training half as slow again


def test_runs_only_what_a_changed_setting_reaches(project: Callable[[str], Path]) -> None:
    folder = project(RUNS)
    assert repro(folder, "--jobs", "2", "sample@a", "train@b").returncode == 0
    assert set(locked(folder)) == {"resolve", "train@a", "sample@a", "train@b"}
    (folder / "params.yaml").write_text(RUNS.replace("12", "13"), encoding="utf-8")
    done = repro(folder, "--jobs", "2", "sample@a", "train@b")
    assert "train@b: done" in done.stdout
    assert "train@a" not in done.stdout


def test_a_failing_chain_lets_the_others_finish_and_is_named(project: Callable[[str], Path]) -> None:
    folder = project('{"runs": {"a": {"steps": 5}, "b": {"steps": 5, "fail": true}}}')
    done = repro(folder, "--jobs", "2")
    assert done.returncode == 1
    assert set(locked(folder)) == {"resolve", "train@a", "sample@a", "evaluate@a"}
    assert "train@b: error: b: a setting that fails (logs/repro/train@b.log)" in done.stdout
    assert "sample@b, evaluate@b, report" in done.stdout


def test_interrupt_stops_all_stages_after_their_state_is_saved(project: Callable[[str], Path]) -> None:
    folder = project('{"runs": {"a": {"steps": 2000}, "b": {"steps": 2000}, "c": {"steps": 5}}}')
    with started(folder, "--jobs", "2") as process:
        for name in ("a", "b"):
            wait_for(folder / "checkpoints" / name / "step")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=250)
    assert process.returncode == 130, output
    for name in ("a", "b"):
        assert (folder / f"checkpoints/{name}.log").read_text(encoding="utf-8").splitlines()[-1].startswith("stop")
    assert not (folder / "checkpoints/c.log").exists()
    assert set(locked(folder)) == {"resolve"}


def test_a_stage_whose_worker_is_killed_goes_on_elsewhere(project: Callable[[str], Path]) -> None:
    folder = project('{"runs": {"a": {"steps": 60}}}')
    with started(folder, "--jobs", "2", "train@a") as process:
        wait_for(folder / "checkpoints/a/step")
        children = psutil.Process(process.pid).children(recursive=True)
        stage = next(child for child in children if "train.py" in child.cmdline())
        worker = next(parent for parent in stage.parents() if "multiprocessing" in " ".join(parent.cmdline()))
        worker.kill()
        output, _ = process.communicate(timeout=250)
    assert process.returncode == 0, output
    events = (folder / "checkpoints/a.log").read_text(encoding="utf-8").split("\n")
    assert events[0] == "start 0"
    assert int(events[-2].split()[1]) > 0  # where the second execution starts
    assert (folder / "models/a").read_text(encoding="utf-8") == "a {'steps': 60}"


def test_a_second_call_in_the_same_folder_waits_for_the_first(project: Callable[[str], Path]) -> None:
    folder = project(RUNS)
    with alone(Project(folder).lock_of_stage("thirtytwo-repro"), "a first call"):
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "thirtytwo", "repro", "resolve"], cwd=folder, env=environment(),
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"waiting for process {os.getpid()} on ")
        assert not (folder / "configs").exists()
    process.communicate(timeout=250)
    assert process.returncode == 0
    assert set(locked(folder)) == {"resolve"}


@pytest.mark.slow
def test_beside_dvc_repro_it_names_that_process_and_leaves_it_alone(project: Callable[[str], Path]) -> None:
    folder = project('{"runs": {"a": {"steps": 100}}}')
    with subprocess.Popen(["dvc", "repro", "--quiet", "train@a"], cwd=folder, env=environment()) as dvc:
        wait_for(folder / "checkpoints/a/step")
        done = repro(folder, "--jobs", "1", "train@a")
    assert (dvc.returncode, done.returncode) == (0, 1)
    assert f"is busy, it is being blocked by: (PID {dvc.pid})" in done.stderr
    assert done.stderr.count("\n") == 1
    assert (folder / "checkpoints/a.log").read_text(encoding="utf-8").count("start") == 1
    assert sh(folder, "dvc", "status", "train@a").strip() == "Data and pipelines are up to date."


def test_errors_name_the_target_and_the_address(project: Callable[[str], Path]) -> None:
    folder = project(RUNS)
    unknown = repro(folder, "train@z")
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("error: ")
    assert "train@z" in unknown.stderr
