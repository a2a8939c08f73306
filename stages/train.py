"""train: one run from its resolved configuration and prepared data to weights, curves and metrics."""

import hashlib
import json
import shutil
import sys
import time
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from thirtytwo import checkpoint, config, families
from thirtytwo.data import batches
from thirtytwo.device import set_up
from thirtytwo.guard import Guard, exclusive
from thirtytwo.train import State, Stopped, TrainingError, initialise, snapshots, train

ROOT = Path(__file__).resolve().parents[1]


def files_of(path: Path) -> list[Path]:
    return sorted(path.iterdir()) if path.is_dir() else [path]


def fingerprint(run: str, data: Path, needs: Path) -> str:
    """Hash of all that the weights depend on: configuration, data, another's weights and code; a checkpoint serves
    this alone.

    The code is every module of ours that has been imported by now, hence the run's family and network as well.
    """
    code = sorted(name for name in sys.modules if name.startswith("thirtytwo."))
    digest = hashlib.sha256(config.read_bytes("train", run, ROOT))
    for path in [data, *files_of(needs), *(Path(str(sys.modules[name].__file__)) for name in code)]:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def write(run: str, state: State, channels: int, classes: tuple[str, ...], batch_size: int) -> None:
    weights = {
        "modules": state.family.modules.state_dict(),
        "ema": state.ema.state_dict(),
        "channels": channels,
        "classes": list(classes),
        "steps": state.step,
    }
    checkpoint.write_atomically(ROOT / "data/models" / f"{run}.pt", checkpoint.serialise(weights))
    for name, rows in (("train", state.curve), ("validation", state.validation)):
        table = pd.DataFrame(rows, columns=None if rows else ["step", "epoch"]).to_csv(index=False, float_format="%.6g")
        checkpoint.write_atomically(ROOT / "plots" / name / f"{run}.csv", table.encode())
    metrics = {"steps": state.step, "images_seen": state.step * batch_size}
    metrics |= {f"parameters_{n}": sum(p.numel() for p in m.parameters()) for n, m in state.family.modules.items()}
    for prefix, rows in (("train", state.curve), ("validation", state.validation)):
        metrics |= {
            f"{prefix}_{k}": float(f"{v:.6g}") for k, v in (rows or [{}])[-1].items() if k not in ("step", "epoch")
        }
    checkpoint.write_atomically(ROOT / "metrics/train" / f"{run}.json", json.dumps(metrics, indent=2).encode() + b"\n")


def start_from(model: families.Family, run: str, data: batches.ImageSet) -> None:
    """Loads the trained model that this one builds on, and takes the statistics of its codes of training images."""
    saved = checkpoint.load_weights(ROOT / "data/models" / f"{run}.pt", torch.device("cpu"))
    train_set = data.only("train")
    first = model.modules["first_stage"]
    first.networks.load_state_dict(saved["modules"])
    first.eval().fit(batches.to_float(torch.from_numpy(train_set.images)), torch.from_numpy(train_set.labels))


def load_published(model: families.Family, folder: Path) -> None:
    """Loads the denoiser's weights from the one file of a source of kind checkpoint."""
    (path,) = folder.iterdir()
    weights = checkpoint.load_weights(path, torch.device("cpu"))
    try:
        model.modules["denoiser"].load_state_dict(weights["model_state_dict"])
    except (KeyError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise checkpoint.CheckpointError(
            f"{path}: expected the network's weights under model_state_dict; set net, width and width_multipliers to"
            f" those of the checkpoint ({reason})"
        ) from None


def main(run: str) -> None:
    cfg = families.read_config(run, ROOT)
    device = set_up(cfg.compute)
    data_path = ROOT / "data/prepared" / f"{cfg.dataset}.npz"
    data = batches.load(data_path)
    channels = data.images.shape[3]
    model = initialise(lambda: families.untrained(run, ROOT, channels, len(data.classes)), cfg.seed)
    if cfg.first_stage:
        start_from(model, cfg.first_stage, data)
    if cfg.compute.compile:
        for name, module in model.modules.items():
            if name not in getattr(model, "twice_differentiated", ()):
                module.compile()
    if cfg.published:  # whatever the budget says
        load_published(model, ROOT / cfg.needs)
        checkpoint.write_atomically(ROOT / "data/snapshots" / f"{run}.pt", checkpoint.serialise({}))
        write(run, State(model, [], nn.ModuleDict()), channels, data.classes, cfg.settings.batch_size)
        return
    folder = ROOT / "checkpoints" / run
    place = folder / fingerprint(run, data_path, ROOT / cfg.needs)
    start, guard = time.monotonic(), Guard()
    with exclusive(folder):
        others = [p for p in folder.iterdir() if p.is_dir() and p != place]
        if others and not place.exists():
            print("configuration, data or code changed since the last checkpoint: training starts afresh")
        state = train(
            model, data, cfg.settings, seed=cfg.seed, device=device, precision=cfg.compute.precision,
            checkpoints=place, exit_code=guard.exit_code,
        )  # fmt: skip
        kept = checkpoint.serialise(snapshots(place, state.step))
        checkpoint.write_atomically(ROOT / "data/snapshots" / f"{run}.pt", kept)
        write(run, state, channels, data.classes, cfg.settings.batch_size)
        shutil.rmtree(folder)
    log = {"seconds": round(time.monotonic() - start, 1), "device": str(device), "threads": cfg.compute.threads}
    checkpoint.write_atomically(ROOT / "logs/train" / f"{run}.json", json.dumps(log).encode() + b"\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Stopped as stopped:
        sys.exit(stopped.code)
    except (config.ParamsError, TrainingError, checkpoint.CheckpointError) as error:
        sys.exit(f"error: {sys.argv[1]}: {error}")
