"""train: one run from its resolved configuration and prepared data to weights, curves and metrics, seed by seed."""

import hashlib
import json
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from thirtytwo import models
from thirtytwo.core.device import set_up
from thirtytwo.core.intervals import mean_and_interval
from thirtytwo.core.weights import load_weights, serialise
from thirtytwo.data import batches
from thirtytwo.runtime import files
from thirtytwo.runtime.errors import CheckpointError, ParamsError, TrainingError
from thirtytwo.runtime.interrupt import StopSignals, exclusive
from thirtytwo.settings import configs
from thirtytwo.training.loop import State, Stopped, initialise, snapshots, train

ROOT = Path(__file__).resolve().parents[1]


def files_of(path: Path) -> list[Path]:
    return sorted(path.iterdir()) if path.is_dir() else [path]


def fingerprint(run: str, data: Path, needs: Path) -> str:
    """Hash of all that the weights depend on: configuration, data, another's weights and code; a checkpoint serves
    this alone.

    The code is every module of ours that has been imported by now, hence the run's family and network as well.
    """
    code = sorted(name for name in sys.modules if name.startswith("thirtytwo."))
    digest = hashlib.sha256(configs.read_bytes("train", run, ROOT))
    for path in [data, *files_of(needs), *(Path(str(sys.modules[name].__file__)) for name in code)]:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Trained:
    """What is kept of one training.

    Attributes:
        model: content of its file.
        metrics: size and budget.
        terms: the last value of each term in training and validation.
        curve, validation: all their values.
    """

    model: bytes
    metrics: dict[str, int]
    terms: dict[str, float]
    curve: pd.DataFrame
    validation: pd.DataFrame


def kept(state: State, cfg: models.TrainConfig, data: batches.ImageSet) -> Trained:
    weights = {
        "modules": state.family.modules.state_dict(),
        "ema": state.ema.state_dict(),
        "channels": data.images.shape[3],
        "classes": list(data.classes),
        "steps": state.step,
    }
    metrics = {"steps": state.step, "images_seen": state.step * cfg.settings.batch_size}
    metrics |= {f"parameters_{n}": sum(p.numel() for p in m.parameters()) for n, m in state.family.modules.items()}
    terms, tables = {}, []
    for prefix, rows in (("train", state.curve), ("validation", state.validation)):
        terms |= {f"{prefix}_{k}": v for k, v in (rows or [{}])[-1].items() if k not in ("step", "epoch")}
        tables.append(pd.DataFrame(rows, columns=None if rows else ["step", "epoch"]))
    return Trained(serialise(weights), metrics, terms, *tables)


def write(run: str, trainings: list[Trained], snapshots: dict[int, dict[str, Any]]) -> None:
    """All that the stage makes; curves and snapshots are those of the first training."""
    folder, first = ROOT / "data/models" / run, trainings[0]
    shutil.rmtree(folder, ignore_errors=True)  # of more seeds, perhaps
    for place, training in enumerate(trainings):
        files.write(folder / f"{place}.pt", training.model)
    files.write(ROOT / "data/snapshots" / f"{run}.pt", serialise(snapshots))
    for name, table in (("train", first.curve), ("validation", first.validation)):
        rows = table.to_csv(index=False, float_format="%.6g").encode()
        files.write(ROOT / "plots" / name / f"{run}.csv", rows)
    terms = mean_and_interval([training.terms for training in trainings])
    metrics = first.metrics | {"seeds": len(trainings)} | {k: float(f"{v:.6g}") for k, v in terms.items()}
    files.write(ROOT / "metrics/train" / f"{run}.json", json.dumps(metrics, indent=2).encode() + b"\n")


def start_from(model: models.Family, run: str, data: batches.ImageSet) -> None:
    """Loads the model that this one builds on, of its first training seed, and takes the statistics of its codes of training images."""
    saved = load_weights(ROOT / "data/models" / run / "0.pt", torch.device("cpu"))
    train_set = data.only("train")
    first = model.modules["first_stage"]
    first.networks.load_state_dict(saved["modules"])
    first.eval().fit(batches.to_float(torch.from_numpy(train_set.images)))


def load_published(model: models.Family, folder: Path) -> None:
    """Loads the denoiser's weights from the one file of a source of kind checkpoint."""
    (path,) = folder.iterdir()
    weights = load_weights(path, torch.device("cpu"))
    try:
        model.modules["denoiser"].load_state_dict(weights["model_state_dict"])
    except (KeyError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{path}: expected the network's weights under model_state_dict; set net, width and width_multipliers to"
            f" those of the checkpoint ({reason})"
        ) from None


def untrained(cfg: models.TrainConfig, data: batches.ImageSet, seed: int) -> models.Family:
    """The model as training begins, its weights drawn by `seed`."""
    channels, classes = data.images.shape[3], len(data.classes)
    model = initialise(lambda: models.untrained(cfg.run, ROOT, channels, classes), seed)
    if cfg.first_stage:
        start_from(model, cfg.first_stage, data)
    if cfg.compute.compile:
        for name, module in model.modules.items():
            if name not in getattr(model, "twice_differentiated", ()):
                module.compile()
    return model


def train_seed(
    cfg: models.TrainConfig, place: int, data: batches.ImageSet, device: torch.device, signals: StopSignals
) -> tuple[Trained, dict[int, dict[str, Any]]]:
    """The training of the run by seed + `place`, with its snapshots; one that has ended is read from its checkpoint."""
    seed, folder = cfg.seed + place, ROOT / "checkpoints" / cfg.run / str(place)
    if cfg.seeds > 1:
        print(f"training {place + 1} of {cfg.seeds}, by seed {seed}")
    model = untrained(cfg, data, seed)
    checkpoints = folder / fingerprint(cfg.run, ROOT / "data/prepared" / f"{cfg.dataset}.npz", ROOT / cfg.needs)
    if folder.is_dir() and not checkpoints.exists():
        print("configuration, data or code changed since the last checkpoint: training starts afresh")
    try:
        state = train(
            model, data, cfg.settings, seed=seed, device=device, precision=cfg.compute.precision,
            folder=checkpoints, exit_code=signals.exit_code,
        )  # fmt: skip
    except TrainingError as error:
        raise TrainingError(f"training seed {place} (seed {seed}): {error}") from None
    return kept(state, cfg, data), snapshots(checkpoints, state.step)


def main(run: str) -> None:
    cfg = models.read_config(run, ROOT)
    device = set_up(cfg.compute)
    data = batches.load(ROOT / "data/prepared" / f"{cfg.dataset}.npz")
    if cfg.published:  # whatever the budget says
        model = untrained(cfg, data, cfg.seed)
        load_published(model, ROOT / cfg.needs)
        write(run, [kept(State(model, [], nn.ModuleDict()), cfg, data)], {})
        return
    start, signals = time.monotonic(), StopSignals()
    with exclusive(ROOT / "checkpoints" / run):
        first, taken = train_seed(cfg, 0, data, device, signals)
        further = [train_seed(cfg, place, data, device, signals)[0] for place in range(1, cfg.seeds)]
        write(run, [first, *further], taken)
        shutil.rmtree(ROOT / "checkpoints" / run)
    log = {"seconds": round(time.monotonic() - start, 1), "device": str(device), "threads": cfg.compute.threads}
    files.write(ROOT / "logs/train" / f"{run}.json", json.dumps(log).encode() + b"\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Stopped as stopped:
        sys.exit(stopped.code)
    except (ParamsError, TrainingError, CheckpointError) as error:
        sys.exit(f"error: {sys.argv[1]}: {error}")
