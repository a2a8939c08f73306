"""The closed forms of the plan against the files and states that they predict."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from cli_project import params
from prepared_sets import write_prepared
from thirtytwo.cli.planning.estimate import DataSet, Networks, Speeds, Work, amount, duration, size, wall
from thirtytwo.cli.planning.needs import needs
from thirtytwo.data.batches import load
from thirtytwo.models.build import untrained
from thirtytwo.runtime.project import Project
from thirtytwo.sampling.drawing import to_arrays
from thirtytwo.settings.families import read_train
from thirtytwo.training.loop import train

DATA = DataSet(train=150, test=50, channels=3, classes=3, factors=0, features=10, assumed=False)
NOTHING = Networks(trained=0, other=0, averaged=0)
WORK = Work(seeds=1, steps=1, batch=1, validations=0, snapshots=0, snapshot_images=0, images=20, probe_images=0)


def test_a_prepared_set_has_the_size_of_its_file(tmp_path):
    project, split = Project(tmp_path), np.repeat([0, 1], [150, 50])
    write_prepared(project, "x", np.zeros((200, 32, 32, 3), np.uint8), split, split, ["a", "b"])
    assert project.prepared("x").stat().st_size == pytest.approx(DATA.bytes, rel=0.01)


def test_samples_have_the_size_of_their_arrays():
    arrays = to_arrays(torch.zeros(20, 3, 32, 32), None, "x")
    assert WORK.disk(DATA, NOTHING) == 2 * sum(array.nbytes for array in arrays.values())


def tensors(state: Any) -> list[torch.Tensor]:
    """All tensors of a state but single numbers, such as Adam's count of steps."""
    if isinstance(state, torch.Tensor):
        return [state] if state.ndim else []
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, (list, tuple)) else []
    return list(itertools.chain.from_iterable(map(tensors, parts)))


@pytest.mark.parametrize("run", ["dcgan", "cvae", "cddpm", "lddpm"])
def test_a_state_of_training_has_the_size_of_a_checkpoint(run, project, tmp_path):
    cfg, data = read_train(run, project), load(project.prepared("digits5k"))
    (needed,) = needs(project, project, [run])
    settings = cfg.settings.model_copy(update={"steps": 1, "epochs": 0, "batch_size": 4, "snapshot_every": 0})
    state = train(
        untrained(cfg, 1, 10), data, settings, seed=1, device=torch.device("cpu"), precision="float32", folder=tmp_path,
        exit_code=lambda: 0,
    )  # fmt: skip
    held = sum(tensor.nbytes for tensor in tensors(state.pack()))
    assert needed.networks.checkpoint == pytest.approx(held, rel=1e-3)
    gradients = sum(p.grad.nbytes for p in state.family.modules.parameters() if p.grad is not None)
    assert needed.networks.training == pytest.approx(held + gradients, rel=1e-3)


def test_the_work_of_a_run_is_that_of_its_settings(project, root):
    dcgan, cvae = needs(project, project, ["dcgan", "cvae"])
    values = params(root)
    assert (dcgan.data.train, dcgan.data.test, dcgan.data.channels, dcgan.data.classes) == (4000, 1000, 1, 10)
    assert dcgan.work.steps == values["dcgan"]["steps"]
    assert dcgan.work.snapshots == values["dcgan"]["steps"] // values["dcgan"]["snapshot_every"]
    assert cvae.work.steps == values["cvae"]["epochs"] * (4000 // values["cvae"]["batch_size"])
    assert cvae.work.validations == values["cvae"]["epochs"]
    assert cvae.work.images == values["sampling"]["images"]


def test_seconds_are_those_of_all_trainings():
    speeds = Speeds(
        start=3, step=0.5, validated=0.01, drawn=0.1, probes=2, extracted=0.2, scored=1, resident=0, activations=0
    )
    work = Work(seeds=2, steps=10, batch=4, validations=3, snapshots=5, snapshot_images=4, images=20, probe_images=10)
    assert speeds.train(work, DATA) == pytest.approx(3 + 2 * (10 * 0.5 + 3 * 50 * 0.01))
    assert speeds.sample(work) == pytest.approx(3 + (2 * 20 + 10 + 5 * 4) * 0.1 + 2)
    assert speeds.evaluate(work) == pytest.approx(3 + (2 * 20 + 10 + 5 * 4) * 0.2 + 2 * 1)


def test_a_step_needs_its_batch_or_the_copies_of_a_checkpoint():
    networks = Networks(trained=1000, other=10, averaged=500)
    state = 4 * (1010 + 500 + 2 * 1000 + 1000)
    small, large = (WORK.training_memory(DATA, networks, kept) - state - DATA.bytes for kept in (0.0, 1e6))
    assert small == 2 * 4 * (1010 + 500 + 2 * 1000)
    assert large == 4 * 3072 + 1e6


@pytest.mark.parametrize("jobs", [1, 2, 3, 7])
def test_the_wall_time_is_within_a_third_of_the_best(jobs):
    tasks = [5.0, 4.0, 3.0, 3.0, 3.0, 1.0]
    best = (
        min(
            max(sum(t for t, p in zip(tasks, places, strict=True) if p == job) for job in range(jobs))
            for places in itertools.product(range(jobs), repeat=len(tasks) if jobs < 7 else 0)
        )
        if jobs < 7
        else max(tasks)
    )
    assert best <= wall(tasks, jobs) <= best * (4 / 3 - 1 / (3 * jobs))


def test_two_digits_and_their_units():
    assert [duration(s) for s in (0.0, 9.96, 43.2, 99.4, 150, 8000, 200_000)] == [
        "0 s", "10 s", "43 s", "99 s", "2.5 min", "2.2 h", "2.3 days",
    ]  # fmt: skip
    assert [size(n) for n in (640, 999_000, 6_140_000, 2.5e9, 7e14)] == ["640 B", "1 MB", "6.1 MB", "2.5 GB", "700 TB"]
    assert amount(35_746_307) == "36 M"
