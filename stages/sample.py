"""sample: draws a run's images, each from its own seed, and whatever else shows what its model has learnt.

Where a run is trained by several seeds, each of its models draws from the same noise; the rest is of the first.
"""

import io
import json
import shutil
import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from thirtytwo import models, sampling
from thirtytwo.core.device import set_up
from thirtytwo.core.tiling import grid_png
from thirtytwo.core.weights import load_weights
from thirtytwo.data import batches
from thirtytwo.runtime import files
from thirtytwo.runtime.errors import CheckpointError, ParamsError
from thirtytwo.training import loading

ROOT = Path(__file__).resolve().parents[1]


def job(run: str, cfg: sampling.SampleConfig, device: torch.device) -> sampling.Job:
    data = batches.load(ROOT / "data/prepared" / f"{cfg.dataset}.npz")

    def fresh(seed: int) -> models.Family:
        torch.manual_seed(seed)
        model = models.untrained(run, ROOT, data.images.shape[3], len(data.classes))
        model.modules.to(device).to(memory_format=torch.channels_last)
        return model

    kept = load_weights(ROOT / "data/snapshots" / f"{run}.pt", device)
    return sampling.Job(cfg, data, device, fresh, kept)


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # one of its keywords is no array
    return buffer.getvalue()


def keep(
    cfg: sampling.SampleConfig, training_seed: int, images: torch.Tensor, labels: torch.Tensor | None
) -> np.ndarray:
    """Writes what one of the run's models has drawn to its file of samples, and returns the pixels."""
    if not torch.isfinite(images).all():
        bad = (~torch.isfinite(images)).flatten(1).any(1).nonzero()[0].item()
        raise CheckpointError(
            f"data/models/{cfg.run}/{training_seed}.pt: image {bad} is not finite; its training diverged, so lower lr"
            " and train again"
        )
    count, pixels = len(images), batches.to_uint8(images).numpy()
    asked = np.full(count, -1, np.int64) if labels is None else labels.numpy()
    samples = npz({"images": pixels, "labels": asked, "index": np.arange(count)})
    files.write(ROOT / "data/samples" / cfg.run / f"{training_seed}.npz", samples)
    return pixels


def main(run: str) -> None:
    cfg = sampling.read_config(run, ROOT)
    device = set_up(cfg.compute)
    family = import_module(f"thirtytwo.sampling.{cfg.family}.sample")
    start, asked = time.monotonic(), job(run, cfg, device)

    def load(training_seed: int) -> models.Family:
        return loading.load(run, cfg.sample.weights, ROOT, device, training_seed, compiled=cfg.compute.compile)

    shutil.rmtree(ROOT / "data/samples" / run, ignore_errors=True)  # of more seeds, perhaps
    drawn = family.sample(load(0), asked)
    pixels = keep(cfg, 0, drawn.images, drawn.labels)
    files.write(ROOT / "data/probes" / f"{run}.npz", npz(drawn.probes))
    files.write(ROOT / "plots/samples" / f"{run}.png", grid_png(pixels, cfg.sampling.grid_side))
    log = {"seconds": round(time.monotonic() - start, 1), "device": str(device), "images": len(pixels)}
    files.write(ROOT / "logs/sample" / f"{run}.json", json.dumps(log).encode() + b"\n")
    for training_seed in range(1, cfg.seeds):
        draw = family.drawer(load(training_seed), asked)
        keep(cfg, training_seed, sampling.first(draw, len(pixels), drawn.labels), drawn.labels)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (ParamsError, CheckpointError) as error:
        sys.exit(f"error: {sys.argv[1]}: {error}")
