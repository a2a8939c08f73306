"""Two workers as separate processes, each in a checkout of its own, with one cache."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from dvc_project import environment, locked, sh


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def cluster(checkouts: list[Path], variables: dict[str, str]) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and a worker in each checkout; the workers run without a nanny, so that a killed one stays away."""
    address = f"tcp://127.0.0.1:{free_port()}"
    common = {"env": environment() | variables, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dask = [sys.executable, "-m", "dask"]
    scheduler = subprocess.Popen([*dask, "scheduler", "--port", address.rpartition(":")[2], "--no-dashboard"], **common)
    worker = [*dask, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory"]
    workers = [subprocess.Popen([*worker, str(path.parent / "dask")], cwd=path, **common) for path in checkouts]
    try:
        yield address, workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


@pytest.mark.slow
def test_two_checkouts_and_a_killed_worker_lock_what_one_machine_locks(
    project: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = project('{"runs": {"a": {"steps": 100}, "b": {"steps": 5}, "c": {"steps": 6}}}')
    sh(folder, "git", "add", ".")
    sh(folder, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "-m", "project")
    checkouts = [tmp_path / "one", tmp_path / "two"]
    for checkout in checkouts:
        sh(tmp_path, "git", "clone", "--quiet", str(folder), str(checkout))
    for checkout in (folder, *checkouts):
        sh(checkout, "dvc", "cache", "dir", "--local", str(tmp_path / "cache"))
    # Not committed: the workers take the settings over.
    (folder / "params.yaml").write_text((folder / "params.yaml").read_text().replace("5}", "7}"), encoding="utf-8")
    states = tmp_path / "states"
    with cluster(checkouts, {"THIRTYTWO_CHECKPOINTS": str(states)}) as (address, workers):
        command = [sys.executable, "-m", "thirtytwo", "repro", "--scheduler", address]
        done = subprocess.Popen(
            command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        kill_the_one_that_trains(states / "a", workers)
        output, _ = done.communicate(timeout=280)
        assert done.returncode == 0, output
    assert (states / "a.log").read_text(encoding="utf-8").count("start") == 2
    assert int((states / "a.log").read_text(encoding="utf-8").splitlines()[-1].split()[1]) > 0
    assert (folder / "report").read_text(encoding="utf-8")
    assert "loss=99" in (folder / "logs/repro/train@a.log").read_text(encoding="utf-8")
    assert sh(folder, "dvc", "status").strip() == "Data and pipelines are up to date."
    distributed = locked(folder)
    for name in ("configs", "models", "samples", "metrics"):
        shutil.rmtree(folder / name)
    shutil.rmtree(tmp_path / "cache")
    os.remove(folder / "dvc.lock")
    sh(folder, "dvc", "repro", "--quiet")
    assert distributed == locked(folder)


def kill_the_one_that_trains(state: Path, workers: list[subprocess.Popen[bytes]]) -> None:
    """Kills the worker whose stage saves its state in the folder `state`."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        for worker in workers:
            stages = [" ".join(child.cmdline()) for child in psutil.Process(worker.pid).children(recursive=True)]
            if (state / "step").exists() and any(f"train.py {state.name}" in stage for stage in stages):
                worker.kill()
                worker.wait()  # DVC takes a process that nobody has waited for as alive
                return
        time.sleep(0.05)
    raise AssertionError(f"no worker trains {state.name}")
