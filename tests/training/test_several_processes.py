"""Two processes against one: trainings agree to rounding, images and features to the last bit."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import training.several_processes as jobs
from thirtytwo.core.device import set_up
from thirtytwo.runtime.errors import ParamsError, TrainingError
from thirtytwo.settings.configs import Compute

TESTS = Path(__file__).parents[1]
PROCESSES = 2


def start(folder: Path, port: int, rank: int) -> subprocess.Popen[str]:
    """A process as torchrun starts it."""
    environment = os.environ | {
        "PYTHONPATH": f"{TESTS.parent / 'src'}{os.pathsep}{TESTS}", "OMP_NUM_THREADS": "1", "RANK": str(rank),
        "WORLD_SIZE": str(PROCESSES), "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    command = [sys.executable, str(TESTS / "training/several_processes.py"), str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process computes, and what each of two does."""
    folder = tmp_path_factory.mktemp("processes")
    for name in ("1", "2"):
        (folder / name).mkdir()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    one = jobs.everything(folder / "1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = [start(folder / "2", port, rank) for rank in range(PROCESSES)]
    for process in started:
        output, _ = process.communicate(timeout=200)
        assert process.returncode == 0, output
    one["begun by two"] = jobs.result(jobs.run("vae", folder / "2/stopped"))
    torch.set_num_threads(threads)
    two = [torch.load(folder / f"2/{rank}.pt", weights_only=False) for rank in range(PROCESSES)]
    shutil.rmtree(folder)
    return {"one": one, "two": two}


def same(a: dict[str, Any], b: dict[str, Any]) -> None:
    """Curves agree to rounding, which the optimiser enlarges where a gradient is nearly 0."""
    for part in ("curve", "validation"):
        assert len(a[part]) == len(b[part]) > 0
        for first, second in zip(a[part], b[part], strict=True):
            assert list(first) == list(second)
            assert first == pytest.approx(second, rel=1e-3 if first["step"] > 1 else 1e-4, abs=1e-5)


@pytest.mark.parametrize("name", list(jobs.RUNS))
def test_a_training_by_two_processes_is_that_by_one(results: dict[str, Any], name: str) -> None:
    same(results["one"][name], results["two"][0][name])


def test_resuming_in_another_number_of_processes_goes_on_as_before(results: dict[str, Any]) -> None:
    whole = results["one"]["vae"]
    same(whole, results["one"]["begun by two"])
    same(whole, results["two"][0]["begun by one"])


@pytest.mark.parametrize("name", list(jobs.RUNS))
def test_all_processes_hold_the_same_weights_to_the_last_bit(results: dict[str, Any], name: str) -> None:
    ours, theirs = (part[name]["weights"] for part in results["two"])
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_images_and_features_are_bit_identical(results: dict[str, Any]) -> None:
    for part in results["two"]:
        for key, value in results["one"]["sampled"].items():
            assert part["sampled"][key].numpy().tobytes() == value.numpy().tobytes(), key


def test_a_batch_that_cannot_be_divided_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("thirtytwo.training.loop.processes.count", lambda: 3)
    with pytest.raises(TrainingError, match=r"batch_size: 8 .* 3 processes"):
        jobs.run("vae", tmp_path)


def test_a_stage_that_works_in_one_process_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    compute = Compute(device="cpu", threads=1, precision="float32", compile=False, deterministic=False)
    with pytest.raises(ParamsError, match="torchrun: 2 processes"):
        set_up(compute)
