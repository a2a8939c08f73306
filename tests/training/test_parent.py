"""The model that a run builds on, with the weights that the parent's own samples are drawn with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from thirtytwo.core.weights import serialise
from thirtytwo.data.batches import ImageSet
from thirtytwo.models.build import build, select
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.runtime.project import Project
from thirtytwo.settings.families import read_train
from thirtytwo.settings.resolve import resolve
from thirtytwo.training.run import train_run


@pytest.mark.parametrize("weights", ["ema", "raw"])
def test_codes_are_those_of_the_weights_that_the_parent_samples_with(
    weights: str, params: Any, write_params: Callable[[Any], Path], tmp_path: Path
) -> None:
    params["runs"]["cvae"]["set"] |= {"ema_decay": 0.9, "sample.weights": weights}
    params["runs"]["lddpm"]["set"] |= {"steps": 1, "batch_size": 4, "validate_every": 1, "checkpoint_every": 1}
    resolve(write_params(params), Project(tmp_path))
    cfg = read_train("lddpm", Project(tmp_path))
    assert cfg.parent_model is not None
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        states.append(build(cfg.parent_model, 1, 2).modules.state_dict())
    (tmp_path / "0.pt").write_bytes(serialise({"modules": states[0], "ema": states[1]}))
    pixels = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 1), np.uint8)
    split = np.repeat(np.array([0, 1], np.uint8), 6)
    data = ImageSet(pixels, np.arange(12) % 2, split, ("a", "b"), np.zeros((12, 0), np.float32), ())
    trainings, _ = train_run(
        cfg, data, parent=tmp_path / "0.pt", device=torch.device("cpu"), checkpoints=tmp_path / "checkpoints",
        exit_code=lambda: 0, curve=tmp_path / "curve.csv",
    )  # fmt: skip
    (tmp_path / "trained.pt").write_bytes(trainings[0].model)
    saved = torch.load(tmp_path / "trained.pt", weights_only=True)["modules"]
    expected = states[1 if weights == "ema" else 0]
    for name, value in expected.items():
        assert torch.equal(saved[f"first_stage.networks.{name}"], value)


def test_averaged_weights_of_a_run_without_them_are_refused() -> None:
    saved = {"modules": {"a": torch.zeros(1)}, "ema": {}}
    assert select(saved, "raw") == saved["modules"]
    with pytest.raises(ParamsError, match=r"sample.weights: 'ema'.*ema_decay 0"):
        select(saved, "ema")
