"""A short calibration: a few steps of a run's own training, sampling and scoring, on synthetic images.

Each measurement begins with a batch of a few images and then takes as many as its share of a second allows, at most as
many as the stage. A step of a batch that does not fit into that time is taken to cost in proportion to its images.
"""

import contextlib
import io
import math
import os
import time
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from thirtytwo.cli.planning.drawing import sampling
from thirtytwo.cli.planning.estimate import DataSet, Speeds
from thirtytwo.cli.planning.needs import Needs
from thirtytwo.cli.planning.scoring import scoring
from thirtytwo.cli.planning.synthetic import FEW, SHARE, an_image, now, synthetic_batch, synthetic_images
from thirtytwo.core.device import set_up
from thirtytwo.models.build import untrained
from thirtytwo.models.contract import Batch
from thirtytwo.runtime.project import Project
from thirtytwo.settings.families import read_train
from thirtytwo.settings.training import TrainConfig
from thirtytwo.training import loop

__all__ = ["activations_of", "measure"]

# Of this process, which has now imported what a stage does: its time on the processor, and its bytes in memory.
_START, _RESIDENT = time.process_time(), psutil.Process().memory_info().rss

_FOREVER = 10**8  # steps


class _Enough(Exception):  # noqa: N818 (ends a measurement, not an error)
    pass


def measure(folder: Path, needs: Needs) -> Speeds:
    """Measure a run with its device, threads and precision; for a process of its own, which it sets up like a stage.

    Args:
        folder: project with the resolved settings.

    Raises:
        ParamsError: the device or the settings do not fit this machine or each other.
    """
    project, data = Project(folder), needs.data
    cfg = read_train(needs.run, project)
    device = set_up(cfg.compute)
    model: Any = loop.initialise(lambda: untrained(cfg, data.channels, data.classes), cfg.seed)
    step = validated = activations = 0.0
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):  # progress bars
        if needs.work.steps:
            step, validated, activations = _training(model, cfg, data, device)
        model.modules.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
        drawn, probes = sampling(model, needs, project, device)
        extracted, scored = scoring(needs, project, device)
    return Speeds(_START, step, validated, drawn, probes, extracted, scored, _RESIDENT, activations)


def _training(
    model: Any, cfg: TrainConfig[Any, Any], data: DataSet, device: torch.device
) -> tuple[float, float, float]:
    """Seconds of a training step and of a validated image, and bytes of activations an image."""
    batch = cfg.settings.batch_size
    few = min(batch, FEW)
    model.modules.to(device).to(memory_format=torch.channels_last)
    activations = activations_of(model, synthetic_batch(data, few, device)) / few
    most = min(batch, max(few, int(_free(device) / (4 * max(activations, 1)))))
    turn = math.lcm(*(phase.every for phase in model.phases()), getattr(cfg.settings, "penalty_every", 1))
    seconds = _steps(model, cfg, data, few, turn, 0.0, device)
    chosen = min(most, max(few, int(few * SHARE / (seconds * turn))))
    if chosen > few:
        seconds = _steps(model, cfg, data, chosen, turn, SHARE, device)
    model.modules.eval()

    def validate(count: int) -> None:
        model.validate(synthetic_batch(data, count, device), torch.Generator(device).manual_seed(0))

    with torch.no_grad():
        return seconds * batch / chosen, an_image(validate, max(few, chosen), device), activations


def _steps(
    model: Any, cfg: TrainConfig[Any, Any], data: DataSet, batch: int, turn: int, share: float, device: torch.device
) -> float:
    """Mean seconds of a step of the training loop, over whole turns of its phases, without the first step."""
    never = {"validate_every": _FOREVER, "checkpoint_every": _FOREVER, "snapshot_every": 0}
    settings = cfg.settings.model_copy(update={"steps": _FOREVER, "epochs": 0, "batch_size": batch} | never)
    ticks: list[float] = []

    def note() -> int:
        ticks.append(now(device))
        if len(ticks) > turn and (len(ticks) - 1) % turn == 0 and ticks[-1] - ticks[0] >= share:
            raise _Enough
        return 0

    with contextlib.suppress(_Enough):
        loop.train(
            model, synthetic_images(data, 8 * batch), settings, seed=cfg.seed, device=device, precision=cfg.compute.precision,
            folder=Path(os.devnull), exit_code=note,
        )  # fmt: skip
    return (ticks[-1] - ticks[0]) / (len(ticks) - 1)


def activations_of(model: Any, batch: Batch) -> int:
    """Bytes that the phase which keeps most holds for its backward pass, counted where autograd saves a tensor."""
    own = {tensor.untyped_storage().data_ptr() for tensor in model.modules.state_dict().values()}
    most = 0
    model.modules.train()
    for phase in model.phases():
        model.modules.requires_grad_(False)
        phase.module.requires_grad_(True)
        kept: dict[int, int] = {}

        def keep(tensor: Tensor, kept: dict[int, int] = kept) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with saved_tensors_hooks(keep, lambda tensor: tensor):
            phase.loss(batch, torch.Generator(batch.images.device).manual_seed(0))
        most = max(most, sum(kept.values()))
    return most


def _free(device: torch.device) -> float:
    """Bytes that tensors on the device may still take."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
