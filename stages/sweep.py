"""sweep: a trained diffusion model's score against sampler, steps and eta, and the same images by each of them.

The table has no seconds, which differ from one call to the next; they are in logs/sweep/<run>.json, a row a point.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from thirtytwo.core.device import set_up
from thirtytwo.core.tiling import rows_png
from thirtytwo.data.batches import to_uint8
from thirtytwo.evaluate import frechet
from thirtytwo.core.arrays import read_arrays
from thirtytwo.features.extraction import extract, load_classifier
from thirtytwo.models.diffusion.model import Diffusion
from thirtytwo.runtime import files
from thirtytwo.runtime.errors import CheckpointError, EvaluationError, ParamsError
from thirtytwo.sampling import asked_labels
from thirtytwo.sampling.diffusion import generate
from thirtytwo.sampling.diffusion.sweep import Point, SweepConfig, points
from thirtytwo.settings import configs
from thirtytwo.training import loading

ROOT = Path(__file__).resolve().parents[1]
SHOWN = 10  # images of each point in the picture, whose rows are those of the table


def draw(model: Diffusion, cfg: SweepConfig, point: Point, labels: torch.Tensor | None, count: int) -> np.ndarray:
    """The first `count` images, [count, 32, 32, C] uint8."""
    images = generate.generate(
        model.guided(cfg.guidance), model.schedule, sampler=point.sampler, steps=point.steps, eta=point.eta,
        spacing=point.spacing, clip=cfg.clip, seed=cfg.seed, indices=range(count),
        labels=None if labels is None else labels[:count],
        shape=model.shape, device=next(model.modules.parameters()).device,
    )  # fmt: skip
    return to_uint8(images).numpy()


def main(run: str) -> None:
    cfg = configs.read(SweepConfig, "sweep", run, ROOT)
    device = set_up(cfg.compute)
    model = loading.load(run, cfg.weights, ROOT, device, compiled=cfg.compute.compile)
    assert isinstance(model, Diffusion)
    features = ROOT / "data/features" / cfg.sweep.dataset
    classifier, _ = load_classifier(features.with_suffix(".pt"), device)
    real, split = read_arrays(features.with_suffix(".npz"), ("features", "split"))
    mu, sigma = frechet.statistics(real[split == {"train": 0, "test": 1}[cfg.reference_split]])
    labels = asked_labels(model, cfg.sweep.images, model.classes)
    rows, seconds, pictures = [], [], []
    swept = list(points(cfg.sweep, cfg.guidance))
    draw(model, cfg, swept[0], labels, 1)  # compiles and warms up, which would count as the first point's seconds
    for point in swept:
        start = time.monotonic()
        images = draw(model, cfg, point, labels, cfg.sweep.images)
        seconds.append(point._asdict() | {"seconds": round(time.monotonic() - start, 2)})
        score = frechet.distance_to(extract(images, classifier, str(point))[0], mu, sigma)
        rows.append(point._asdict() | {"n": len(images), "fd_classifier": score})
        pictures.append(images[:SHOWN])
        print(f"{point.sampler}, {point.steps} steps, eta {point.eta:g}: fd_classifier {score:.4g}")
    table = pd.DataFrame(rows).to_csv(index=False, float_format="%.6g")
    files.write(ROOT / "plots/sweep" / f"{run}.csv", table.encode())
    picture = rows_png(np.stack(pictures))
    files.write(ROOT / "plots/sweep" / f"{run}.png", picture)
    log = {"device": str(device), "threads": cfg.compute.threads, "points": seconds}
    files.write(ROOT / "logs/sweep" / f"{run}.json", json.dumps(log, indent=1).encode() + b"\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (ParamsError, EvaluationError, CheckpointError) as error:
        sys.exit(f"error: {sys.argv[1]}: {error}")
