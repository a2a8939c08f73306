"""sweep: a trained model's score against sampler, steps and eta, and the same images by each of them.

The table has no seconds, since these differ from one call to the next; they are in logs/sweep/<run>.json.
"""

from thirtytwo.runtime.fork_server import begin_stage

begin_stage()

import time
from importlib import import_module

import numpy as np
import pandas as pd

from thirtytwo.core.arrays import read_arrays
from thirtytwo.core.device import set_up
from thirtytwo.core.intervals import behind_lowest, resampled
from thirtytwo.core.splits import inside
from thirtytwo.core.tiling import rows_png
from thirtytwo.evaluate import frechet
from thirtytwo.features.extraction import extract, load_classifier
from thirtytwo.models.build import load
from thirtytwo.nets.classifier import Classifier
from thirtytwo.runtime.files import write, write_json
from thirtytwo.runtime.project import Project
from thirtytwo.runtime.stage import run_stage
from thirtytwo.sampling.cost import evaluations
from thirtytwo.sampling.drawing import cycle_labels
from thirtytwo.settings import configs
from thirtytwo.settings.families import read_train
from thirtytwo.settings.sweep import SweepConfig

SHOWN = 10  # images of each point in the picture, whose rows are those of the table


def main(project: Project, run: str) -> None:
    cfg = configs.read(SweepConfig, "sweep", run, project)
    device, family = set_up(cfg.compute), import_module(f"thirtytwo.sampling.{cfg.family}.sweep")
    model = load(read_train(run, project), project.model(run), cfg.weights, device, compiled=cfg.compute.compile)
    classifier, _ = load_classifier(Classifier, project.judge(cfg.sweep.dataset), device)
    real = read_arrays(project.features(cfg.sweep.dataset), {"features": "float32 N D", "split": "uint8 N"})
    mu, sigma = frechet.statistics(real["features"][inside(real["split"], cfg.reference_split)])
    labels = cycle_labels(model, cfg.sweep.images, model.classes)
    rows, timed, pictures, subsets = [], [], [], []
    family.draw(
        model, next(family.points(cfg)), cfg.seed, labels, 1
    )  # compiles and warms up, outside the first point's seconds
    for point in family.points(cfg):
        start = time.monotonic()
        images = family.draw(model, point, cfg.seed, labels, cfg.sweep.images)
        settings = {"eta": 0.0} | point.model_dump()  # a flow has no eta
        about = {key: settings[key] for key in ("sampler", "spacing", "steps", "eta")}
        about["evaluations"] = evaluations(point.sampler, point.steps, point.guidance)
        timed.append(about | {"seconds": round(time.monotonic() - start, 2)})
        subsets.append(frechet.Subsets(extract(images, classifier, str(about))[0], mu, sigma))
        score = subsets[-1](np.arange(len(images)))
        rows.append(about | {"n": len(images), "fd_classifier": score})
        pictures.append(images[:SHOWN])
        print(f"{point.sampler}, {point.steps} steps, eta {about['eta']:g}: fd_classifier {score:.4g}")
    strata = None if labels is None else labels.numpy()
    draws = resampled(subsets, cfg.sweep.images, cfg.bootstrap_resamples, cfg.seed, strata)
    gaps = behind_lowest([row["fd_classifier"] for row in rows], draws)
    for row, gap in zip(rows, gaps, strict=True):
        row |= {"behind_best": gap.value, "behind_best_low": gap.low, "behind_best_high": gap.high}
    write(project.plot("sweep", run), pd.DataFrame(rows).to_csv(index=False, float_format="%.6g").encode())
    write(project.plot("sweep", run, ".png"), rows_png(np.stack(pictures)))
    log = {"device": str(device), "threads": cfg.compute.threads, "points": timed}
    write_json(project.log("sweep", run), log)


if __name__ == "__main__":
    run_stage(main)
