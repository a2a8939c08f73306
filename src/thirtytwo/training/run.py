"""All trainings of one run: from its settings, its data and its parent to weights, curves and metrics."""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pandas as pd
import torch
from torch import nn

from thirtytwo.core import processes
from thirtytwo.core.intervals import Estimate, over_trainings
from thirtytwo.core.weights import load_weights, serialise
from thirtytwo.data.batches import ImageSet, to_float
from thirtytwo.models.build import select, untrained
from thirtytwo.models.contract import ChildFamily, Family
from thirtytwo.runtime.errors import CheckpointError, TrainingError
from thirtytwo.runtime.files import sha256
from thirtytwo.runtime.project import remedy
from thirtytwo.settings.training import TrainConfig
from thirtytwo.training.curves import CurveLog, table
from thirtytwo.training.loop import State, initialise, snapshots, train

__all__ = ["Trained", "fingerprint", "published", "summary", "train_run"]

CPU = torch.device("cpu")
_NO_RESULT = ("thirtytwo.settings", "thirtytwo.runtime", "thirtytwo.cli")  # packages that shape no weights


@dataclass(frozen=True)
class Trained:
    """The result of one training.

    Attributes:
        model: content of its file of weights.
        metrics: size and budget.
        terms: the last value of each term of the training and the validation curve.
        curve, validation: the curves.
    """

    model: bytes
    metrics: dict[str, int]
    terms: dict[str, float]
    curve: pd.DataFrame
    validation: pd.DataFrame


def train_run(
    cfg: TrainConfig[Any, Any], data: ImageSet, *, parent: Path, device: torch.device, checkpoints: Path,
    exit_code: Callable[[], int], curve: Path, events: Path | None = None,
) -> tuple[list[Trained], dict[int, dict[str, Any]]]:  # fmt: skip
    """Train the run as often as it has seeds; trainings that a checkpoint shows as finished are read from it.

    Args:
        parent: file of the parent run's weights; unused where the run has no parent run.
        checkpoints: folder of the checkpoints with the run's `fingerprint`.
        exit_code: see `loop.train`.
        curve: file that grows with the training curve of the first training.
        events: folder for TensorBoard's event files; None writes none.

    Returns:
        the trainings, and the snapshots of the first one by their step; only the first process has snapshots.

    Raises:
        TrainingError, Stopped, CheckpointError: as `loop.train`.
    """
    trainings, kept = [], {}
    for training in range(cfg.seeds):
        seed, folder = cfg.seed + training, checkpoints / str(training)
        if cfg.seeds > 1 and processes.first():
            print(f"training {training + 1} of {cfg.seeds}, seed {seed}")
        log = CurveLog(None if training else curve, events and events / str(training))
        try:
            state = train(
                _start(cfg, data, seed, parent), data, cfg.settings, train_on=cfg.train_on, seed=seed, device=device,
                precision=cfg.compute.precision, folder=folder, exit_code=exit_code,
                log=log if processes.first() else None,
            )  # fmt: skip
        except TrainingError as error:
            raise TrainingError(f"training {training} (seed {seed}): {error}") from None
        trainings.append(_outcome(state, cfg, data))
        if not training and processes.first():
            kept = snapshots(folder, state.step)
    return trainings, kept


def fingerprint(config: Path, data: Path, parent: Path) -> str:
    """Hash of all that the weights depend on: settings, data, parent and code.

    The code is every module of ours that is loaded and can shape weights, hence the run's family and network as well.

    Args:
        config: configs/train/<run>.yaml.
        data: the prepared data set.
        parent: a file, or a folder of weights.
    """
    loaded = (name for name in sys.modules if name.startswith("thirtytwo.") and not name.startswith(_NO_RESULT))
    code = [Path(str(sys.modules[name].__file__)) for name in sorted(loaded)]
    parents = sorted(parent.iterdir()) if parent.is_dir() else [parent]
    digest = hashlib.sha256()
    for path in [config, data, *parents, *code]:
        digest.update(bytes.fromhex(sha256(path)))
    return digest.hexdigest()[:16]


def summary(trainings: list[Trained]) -> dict[str, int | float | Estimate]:
    """Size, budget and final terms of a run; over several trainings the terms are means with intervals."""

    def rounded(value: float | None) -> float:
        return float(f"{value:.6g}")

    values: dict[str, int | float | Estimate] = {**trainings[0].metrics, "seeds": len(trainings)}
    for name in trainings[0].terms:
        mean = over_trainings([training.terms[name] for training in trainings])
        several = len(trainings) > 1
        values[name] = Estimate(*map(rounded, (mean.value, mean.low, mean.high))) if several else rounded(mean.value)
    return values


def published(cfg: TrainConfig[Any, Any], data: ImageSet, folder: Path) -> Trained:
    """The run's model with the published weights of the one file in `folder`.

    Raises:
        CheckpointError: the file holds the weights of another network.
    """
    model = _start(cfg, data, cfg.seed, folder)
    (path,) = folder.iterdir()
    weights = load_weights(path, CPU, sealed=False)
    try:
        model.modules["denoiser"].load_state_dict(weights["model_state_dict"])
    except (KeyError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path}: expected the network's weights under model_state_dict; set net, width and width_multipliers to"
            f" those of the checkpoint ({reason})"
        ) from None
    return _outcome(State(model, [], nn.ModuleDict()), cfg, data)


def _start(cfg: TrainConfig[Any, Any], data: ImageSet, seed: int, parent: Path) -> Family:
    """The model as training begins, its weights drawn by `seed`."""
    channels, classes = data.images.shape[3], len(data.classes)
    model = initialise(lambda: untrained(cfg, channels, classes), seed)
    if cfg.parent_model is not None:
        images = to_float(torch.from_numpy(data.only(cfg.train_on).images))
        saved = load_weights(parent, CPU)
        try:
            cast(ChildFamily, model).adopt(select(saved, cfg.parent_weights or "raw"), images)
        except (KeyError, TypeError, AttributeError, RuntimeError):
            raise CheckpointError(
                f"{parent}: expected weights of the network under parent_model in configs/train/{cfg.run}.yaml;"
                f" {remedy(parent)}"
            ) from None
    if cfg.compute.compile:
        for name, module in model.modules.items():
            if name not in model.twice_differentiated:
                module.compile()
    return model


def _outcome(state: State, cfg: TrainConfig[Any, Any], data: ImageSet) -> Trained:
    weights = {
        "modules": state.family.modules.state_dict(),
        "ema": state.ema.state_dict(),
        "channels": data.images.shape[3],
        "classes": list(data.classes),
        "steps": state.step,
    }
    metrics = {"steps": state.step, "images_seen": state.step * cfg.settings.batch_size}
    metrics |= {f"parameters_{n}": sum(p.numel() for p in m.parameters()) for n, m in state.family.modules.items()}
    terms = dict[str, float]()
    for prefix, rows in (("train", state.curve), ("validation", state.validation)):
        terms |= {f"{prefix}_{k}": v for k, v in (rows or [{}])[-1].items() if k not in ("step", "epoch")}
    return Trained(serialise(weights), metrics, terms, table(state.curve), table(state.validation))
