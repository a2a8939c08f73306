"""A training that is killed and interrupted again and again ends in the bytes of an undisturbed one."""

import hashlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tiny_clone import Clone

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with prepared data."""
    made = Clone(tmp_path_factory.mktemp("clone"))
    made.run("dvc", "repro", "prepare@shapes")
    made.commit()
    return made


def long_run(params: Any) -> None:
    params["runs"]["long"] = {
        "family": "gan", "net": "upsampling_gan", "settings": "gan", "dataset": "shapes", "parent": ".no-parent", "seeds": 1,
        "set": {"steps": 150, "checkpoint_every": 5, "validate_every": 50, "ema_decay": 0.9, "generator_every": 3,
                "loss": "wgan_gp", "snapshot_every": 40},
    }  # fmt: skip


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of all that training writes for dvc."""
    files = [
        "data/models/long/0.pt",
        "data/snapshots/long.pt",
        "scores/train/long.json",
        "plots/train/long.csv",
        "plots/validation/long.csv",
    ]
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files}


def newest_step(folder: Path) -> int:
    return max((int(p.name.split("-")[0]) for p in folder.glob(".dvc/checkpoints/long/*/0/*.pt")), default=0)


def wait_for(condition: Callable[[], bool], what: str, process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert process is None or process.poll() is None, f"ended before {what}"
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def test_stopped_training_ends_as_if_never_stopped(clone: Clone):
    folder, command = clone.folder, (sys.executable, "stages/train.py", "long")
    with clone.changed(long_run):
        clone.run(*command)
        undisturbed = hashes(folder)
        for name in undisturbed:
            (folder / name).unlink()
        for step in (20, 60):
            process = clone.start(*command)
            wait_for(lambda step=step: newest_step(folder) >= step, f"step {step}", process)
            process.kill()
            assert process.wait() == -signal.SIGKILL
        process = clone.start(*command)
        reached = newest_step(folder)
        wait_for(lambda: newest_step(folder) > reached, "a step after SIGKILL", process)
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
        assert newest_step(folder) > reached
        no_orphan_when_dvc_is_killed(clone)
        assert not (folder / "data/models/long/0.pt").exists()
        done = clone.run("dvc", "repro", "-s", "train@long")
        assert "resumed at step" in done.stdout
        assert hashes(folder) == undisturbed
        assert not [path for path in (folder / ".dvc/checkpoints/long").iterdir() if path.is_dir()]
        for name in undisturbed:
            (folder / name).unlink()
    clone.run("git", "checkout", "-q", "dvc.lock")


def no_orphan_when_dvc_is_killed(clone: Clone) -> None:
    reached = newest_step(clone.folder)
    process = clone.start("dvc", "repro", "-s", "train@long")
    wait_for(lambda: newest_step(clone.folder) > reached, "a step under dvc", process)
    family = psutil.Process(process.pid).children(recursive=True)
    assert any("stages/train.py" in " ".join(child.cmdline()) for child in family)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive
