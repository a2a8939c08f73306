"""The calibration of the plan against closed forms, and against the training that it predicts."""

import time
from types import SimpleNamespace

import torch
from torch import nn

from thirtytwo.cli.planning.calibration import activations_of, measure
from thirtytwo.cli.planning.estimate import DataSet
from thirtytwo.cli.planning.needs import needs
from thirtytwo.cli.planning.synthetic import synthetic_batch, synthetic_images
from thirtytwo.models.build import untrained
from thirtytwo.models.contract import Phase
from thirtytwo.settings.families import read_train
from thirtytwo.training.loop import train

CPU = torch.device("cpu")


def test_activations_are_what_the_backward_pass_needs():
    net = nn.Sequential(nn.Flatten(), nn.Linear(1024, 20), nn.Tanh(), nn.Linear(20, 5))
    modules = nn.ModuleDict({"net": net})

    def loss(batch, rng):
        return net(batch.images).square().mean(), {}

    phase = Phase("net", net, torch.optim.Adam(net.parameters()), loss)
    batch = synthetic_batch(DataSet(10, 0, 1, 2, 0, 0, False), 6, CPU)
    # the image, the output of tanh, and the output of the last layer
    kept = activations_of(SimpleNamespace(modules=modules, phases=lambda: [phase, phase]), batch)
    assert kept == 4 * 6 * (1024 + 20 + 5)


def test_a_training_takes_as_long_as_measured(project, tmp_path):
    threads = torch.get_num_threads()
    (needed,) = needs(project, project, ["cddpm"])
    try:
        torch.set_num_threads(1)
        speeds = measure(project.root, needed)
        cfg = read_train("cddpm", project)
        settings = cfg.settings.model_copy(update={"steps": 30, "epochs": 0, "validate_every": 30, "snapshot_every": 0})
        begin = time.process_time()
        train(
            untrained(cfg, 1, 10), synthetic_images(needed.data, 600), settings, seed=1, device=CPU, precision="float32",
            folder=tmp_path, exit_code=lambda: 0,
        )  # fmt: skip
        took = time.process_time() - begin
    finally:
        torch.set_num_threads(threads)
    assert took / 4 < 30 * speeds.step < 4 * took
    assert min(speeds.validated, speeds.drawn, speeds.extracted, speeds.scored, speeds.activations) > 0
