"""Two processes against one: trainings agree to rounding, images and features to the last bit."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import training.process_jobs as jobs
from thirtytwo.core.device import set_up
from thirtytwo.runtime.errors import ParamsError, TrainingError
from thirtytwo.settings.configs import Compute

TESTS = Path(__file__).parents[1]
PROCESSES = 2


def start(folder: Path, begun: Path) -> list[subprocess.Popen[str]]:
    """Start the jobs as torchrun starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = os.environ | {
        "PYTHONPATH": f"{TESTS.parent / 'src'}{os.pathsep}{TESTS}", "OMP_NUM_THREADS": "1",
        "WORLD_SIZE": str(PROCESSES), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    command = [sys.executable, jobs.__file__, str(folder), str(begun)]
    return [
        subprocess.Popen(command, env=common | {"RANK": str(rank)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for rank in range(PROCESSES)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of one process, and of each of two."""
    one, two = (tmp_path_factory.mktemp(name) for name in ("one", "two"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    jobs.begin(one / "begun")
    started = start(two, one / "begun")
    by_one = jobs.everything(one)
    for process in started:
        output, _ = process.communicate(timeout=200)
        assert process.returncode == 0, output
    by_one["resumed"] = jobs.run("vae", two / "begun")
    torch.set_num_threads(threads)
    by_two = [torch.load(two / f"{rank}.pt", weights_only=False) for rank in range(PROCESSES)]
    return {"one": by_one, "two": by_two}


def assert_same(a: dict[str, Any], b: dict[str, Any], tolerance: float = 1e-9) -> None:
    for part in ("curve", "validation"):
        assert len(a[part]) == len(b[part]) > 0
        for first, second in zip(a[part], b[part], strict=True):
            assert list(first) == list(second)
            assert first == pytest.approx(second, rel=tolerance, abs=tolerance)
    for key, value in a["weights"].items():
        torch.testing.assert_close(value, b["weights"][key], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", list(jobs.RUNS))
def test_a_training_by_two_processes_is_that_by_one(results: dict[str, Any], name: str) -> None:
    # The loss of diffusion is computed in float32.
    assert_same(results["one"][name], results["two"][0][name], 1e-5 if name == "ddpm" else 1e-9)


@pytest.mark.parametrize("number", ["one", "two"])
def test_a_training_resumes_in_another_number_of_processes(results: dict[str, Any], number: str) -> None:
    resumed = results["one"]["resumed"] if number == "one" else results["two"][0]["resumed"]
    assert_same(results["one"]["vae"], resumed)


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


def test_a_stage_that_runs_in_one_process_refuses_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    compute = Compute(device="cpu", threads=1, precision="float32", compile=False, deterministic=False)
    with pytest.raises(ParamsError, match="torchrun: 2 processes"):
        set_up(compute)
