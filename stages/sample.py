"""sample: draws a run's images, each from its own seed, and whatever else shows what its model has learnt."""

import io
import json
import sys
import time
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
    return sampling.Job(cfg, data, device, fresh, kept)


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # one of its keywords is no array
    return buffer.getvalue()


def main(run: str) -> None:
    cfg = sampling.read_config(run, ROOT)
    device = set_up(cfg.compute)
    start = time.monotonic()
    drawn = import_module(f"thirtytwo.sampling.{cfg.family}").sample(
        trained.load(run, cfg.sample.weights, ROOT, device), job(run, cfg, device)
    )
    if not torch.isfinite(drawn.images).all():
        bad = (~torch.isfinite(drawn.images)).flatten(1).any(1).nonzero()[0].item()
        raise checkpoint.CheckpointError(
            f"data/models/{run}.pt: image {bad} is not finite; its training diverged, so lower lr and train again"
        )
    count = len(drawn.images)
    labels = np.full(count, -1, np.int64) if drawn.labels is None else drawn.labels.numpy()
    pixels = batches.to_uint8(drawn.images).numpy()
    samples = npz({"images": pixels, "labels": labels, "index": np.arange(count)})
    checkpoint.write_atomically(ROOT / "data/samples" / f"{run}.npz", samples)
    checkpoint.write_atomically(ROOT / "data/probes" / f"{run}.npz", npz(drawn.probes))
    checkpoint.write_atomically(ROOT / "plots/samples" / f"{run}.png", grid_png(pixels, cfg.sampling.grid_side))
    log = {"seconds": round(time.monotonic() - start, 1), "device": str(device), "images": count}
    checkpoint.write_atomically(ROOT / "logs/sample" / f"{run}.json", json.dumps(log).encode() + b"\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (config.ParamsError, checkpoint.CheckpointError) as error:
        sys.exit(f"error: {sys.argv[1]}: {error}")
