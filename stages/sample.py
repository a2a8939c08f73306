"""sample: draws a run's images, each from its own seed, and whatever else shows what its model has learnt.

Where a run is trained by several seeds, each of its models draws from the same noise; the rest is of the first.
"""

import io
import json
import shutil
import sys
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from thirtytwo import checkpoint, config, families, sampling, trained
from thirtytwo.data import batches
from thirtytwo.device import set_up
from thirtytwo.grids import grid_png

ROOT = Path(__file__).resolve().parents[1]


def job(run: str, cfg: sampling.SampleConfig, device: torch.device) -> sampling.Job:
    data = batches.load(ROOT / "data/prepared" / f"{cfg.dataset}.npz")

    def fresh(seed: int) -> families.Family:
        torch.manual_seed(seed)
        model = families.untrained(run, ROOT, data.images.shape[3], len(data.classes))
        model.modules.to(device).to(memory_format=torch.channels_last)
        return model

    kept = checkpoint.load_weights(ROOT / "data/snapshots" / f"{run}.pt", device)
    return sampling.Job(cfg, data, device, fresh, kept, probes=True)


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # one of its keywords is no array
    return buffer.getvalue()


def draw(cfg: sampling.SampleConfig, training_seed: int, asked: sampling.Job) -> tuple[sampling.Drawn, np.ndarray]:
    """What one of the run's models gives, written to its file of samples; returned with the samples' pixels."""
    model = trained.load(cfg.run, cfg.sample.weights, ROOT, asked.device, training_seed)
    drawn = import_module(f"thirtytwo.sampling.{cfg.family}").sample(model, asked)
    if not torch.isfinite(drawn.images).all():
        bad = (~torch.isfinite(drawn.images)).flatten(1).any(1).nonzero()[0].item()
        raise checkpoint.CheckpointError(
            f"data/models/{cfg.run}/{training_seed}.pt: image {bad} is not finite; its training diverged, so lower lr"
            " and train again"
        )
    count = len(drawn.images)
    labels = np.full(count, -1, np.int64) if drawn.labels is None else drawn.labels.numpy()
    pixels = batches.to_uint8(drawn.images).numpy()
    samples = npz({"images": pixels, "labels": labels, "index": np.arange(count)})
    checkpoint.write_atomically(ROOT / "data/samples" / cfg.run / f"{training_seed}.npz", samples)
    return drawn, pixels


def main(run: str) -> None:
    cfg = sampling.read_config(run, ROOT)
    device = set_up(cfg.compute)
    start = time.monotonic()
    asked = job(run, cfg, device)
    shutil.rmtree(ROOT / "data/samples" / run, ignore_errors=True)  # of more seeds, perhaps
    drawn, pixels = draw(cfg, 0, asked)
    checkpoint.write_atomically(ROOT / "data/probes" / f"{run}.npz", npz(drawn.probes))
    checkpoint.write_atomically(ROOT / "plots/samples" / f"{run}.png", grid_png(pixels, cfg.sampling.grid_side))
    log = {"seconds": round(time.monotonic() - start, 1), "device": str(device), "images": len(pixels)}
    checkpoint.write_atomically(ROOT / "logs/sample" / f"{run}.json", json.dumps(log).encode() + b"\n")
    for training_seed in range(1, cfg.seeds):
        draw(cfg, training_seed, replace(asked, probes=False))


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (config.ParamsError, checkpoint.CheckpointError) as error:
        sys.exit(f"error: {sys.argv[1]}: {error}")
