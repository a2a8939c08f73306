"""sample: draws a run's images, each from its own seed, and shows the first of them as a grid."""

import io
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from thirtytwo import checkpoint, config, families, samplers
from thirtytwo.data.batches import to_uint8
from thirtytwo.device import set_up
from thirtytwo.grids import grid_png

ROOT = Path(__file__).resolve().parents[1]


def load_model(run: str, weights: str, device: torch.device) -> tuple[families.Family, list[str], int]:
    """The trained family of a run in eval mode, with its class names and number of channels."""
    cfg = config.read("train", run, ROOT)
    path = ROOT / "data/models" / f"{run}.pt"
    saved = checkpoint.load_weights(path, device)
    model = families.build(cfg.family, cfg.net, cfg.settings, saved["channels"], len(saved["classes"]))
    model.modules.load_state_dict(saved["modules"])
    if weights == "ema":
        if not saved["ema"]:
            raise config.ParamsError("sample.weights: 'ema', but ema_decay is 0 in training; set weights: raw")
        for name in model.averaged:
            prefix = f"{name}."
            own = {k.removeprefix(prefix): v for k, v in saved["ema"].items() if k.startswith(prefix)}
            model.modules[name].load_state_dict(own)
    model.modules.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
    return model, saved["classes"], saved["channels"]


def main(run: str) -> None:
    cfg = config.read("sample", run, ROOT)
    device = set_up(cfg.compute)
    model, classes, channels = load_model(run, cfg.sample.weights, device)
    start = time.monotonic()
    count = cfg.sampling.images
    labels = torch.arange(count) % len(classes) if model.conditional else None
    common = {"seed": cfg.seed, "indices": range(count), "labels": labels, "device": device}
    if hasattr(model, "draw"):
        images = samplers.draw(model.draw, model.latent_shape, **common)
    else:
        s = cfg.sample
        images = samplers.generate(
            model.denoise, model.schedule, sampler=s.sampler, steps=s.steps, eta=s.eta, spacing=s.spacing, clip=s.clip,
            shape=(channels, 32, 32), **common,
        )  # fmt: skip
    if not torch.isfinite(images).all():
        bad = (~torch.isfinite(images)).flatten(1).any(1).nonzero()[0].item()
        raise checkpoint.CheckpointError(
            f"data/models/{run}.pt: image {bad} is not finite; its training diverged, so lower lr and train again"
        )
    saved_labels = np.full(count, -1, np.int64) if labels is None else labels.numpy()
    pixels = to_uint8(images).numpy()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=pixels, labels=saved_labels, index=np.arange(count))
    checkpoint.write_atomically(ROOT / "data/samples" / f"{run}.npz", buffer.getvalue())
    checkpoint.write_atomically(ROOT / "plots/samples" / f"{run}.png", grid_png(pixels, cfg.sampling.grid_side))
    log = {"seconds": round(time.monotonic() - start, 1), "device": str(device), "images": count}
    checkpoint.write_atomically(ROOT / "logs/sample" / f"{run}.json", json.dumps(log).encode() + b"\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (config.ParamsError, checkpoint.CheckpointError) as error:
        sys.exit(f"error: {sys.argv[1]}: {error}")
