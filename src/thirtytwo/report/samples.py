"""Samples beside real images, and beside their nearest training images."""

from pathlib import Path

import numpy as np

from thirtytwo.report import figures, numbers, pictures
from thirtytwo.report.blocks import Block, Gallery, Picture
from thirtytwo.report.results import Results, RunResult, SetResult
from thirtytwo.report.tables import sampler_text

__all__ = ["grids", "nearest"]

_ROWS = 5  # of each grid


def grids(dataset: SetResult, results: Results, folder: Path) -> list[Block]:
    """The same number of real images and of samples of each run."""
    shown, side = [], results.config.sampling.grid_side
    if dataset.images is not None and dataset.labels is not None:
        name = figures.slug("real", dataset.name)
        order = figures.spread_over_classes(dataset.labels[dataset.shown], side * min(side, _ROWS))
        order = order[: len(order) // side * side]
        real = dataset.images[dataset.shown[order]]
        pictures.rows(folder / name, real.reshape(-1, side, *real.shape[1:]))
        caption = f"Real: the first {len(real)} {dataset.shown_split} images, taking turns through the classes."
        alt = f"Grid of {len(real)} real {dataset.shown_split} images of {dataset.name}."
        shown.append(Picture(name, alt, caption))
    for run in dataset.runs:
        if run.grid is None:
            continue
        name = figures.slug("samples", run.name)
        pictures.grid_file(folder / name, run.grid, _ROWS)
        alt = f"Grid of images sampled from {run.name} ({run.family})."
        shown.append(
            Picture(name, alt, f"{run.name}: {sampler_text(run)}; seed {results.config.seed}; {_scored(run)}.")
        )
    caption = "Every image is 32x32. The samples are the first that were drawn, not selected."
    return [Gallery(caption, "pixels", shown)] if shown else []


def _scored(run: RunResult) -> str:
    drawn = run.metric("n")
    return f"N = {numbers.count(drawn)} scored" if drawn is not None else "not scored"


def nearest(dataset: SetResult, folder: Path) -> list[Block]:
    """The samples that are closest to a training image, above that image."""
    shown = []
    for run in dataset.runs:
        if run.neighbours is None or not len(run.neighbours) or dataset.images is None:
            continue
        samples = run.drawn(run.neighbours["sample"].to_numpy())
        if samples is None:
            continue
        name = figures.slug("neighbours", run.name)
        pictures.rows(folder / name, np.stack([samples, dataset.images[run.neighbours["neighbour"].to_numpy()]]))
        alt = f"The {len(samples)} samples of {run.name} nearest to training images, and below each that image."
        shown.append(Picture(name, alt, f"{run.name}: {_told(run)}."))
    caption = (
        "Does a generator copy? Above the samples that are nearest to a training image, closest first, below that "
        "image. Distances are between classifier features; of a sample that is a copy, the training image is much "
        "nearer than any held-out one."
    )
    return [Gallery(caption, "pixels", shown)] if shown else []


def _told(run: RunResult) -> str:
    assert run.neighbours is not None
    first = run.neighbours.iloc[0]
    told = f"the first at {first['distance']:.3g}, its nearest held-out image at {first['held_out_distance']:.3g}"
    if run.metric("train_nearer") is not None:
        told += f"; {numbers.percent(run.metric('train_nearer'))} of all samples are nearer to a training image"
    if run.metric("copies") is not None:
        told += f", {numbers.percent(run.metric('copies'))} are as near as copies would be"
    return told
