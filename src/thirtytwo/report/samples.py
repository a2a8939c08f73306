"""Samples: beside real images, beside their nearest training images, and by class."""

from pathlib import Path

import numpy as np
import pandas as pd

from thirtytwo.report import pictures, plots, wording
from thirtytwo.report.blocks import Block, Gallery, Picture, Row, Table, Text
from thirtytwo.report.results import Results, RunResult, SetResult

__all__ = ["confusions", "grids", "histograms", "nearest"]

_ROWS = 4  # of each grid


def grids(dataset: SetResult, results: Results, folder: Path) -> list[Block]:
    """The same number of real images and of samples of each run."""
    shown, side = [], results.config.sampling.grid_side
    if dataset.images is not None and dataset.labels is not None:
        name = pictures.slug("real", dataset.name)
        order = pictures.spread_over_classes(dataset.labels[dataset.shown], side * min(side, _ROWS))
        order = order[: len(order) // side * side]
        pictures.board(folder / name, dataset.images[dataset.shown[order]], side)
        caption = f"Real: the first {len(order)} {dataset.shown_split} images, taking turns through the classes."
        alt = f"Grid of {len(order)} real {dataset.shown_split} images of {dataset.name}."
        shown.append(Picture(name, alt, caption))
    for run in dataset.runs:
        if run.grid is None:
            continue
        name = pictures.slug("samples", run.name)
        pictures.rows(folder / name, pictures.stage_tiles(run.grid)[:_ROWS])
        alt = f"Grid of images sampled from {run.name} ({run.family})."
        drawn = f"N = {wording.count(run.metric('n'))} scored" if run.scored else "not scored"
        shown.append(
            Picture(name, alt, f"{run.name}: {wording.sampler(run)}; seed {results.config.seed}; {drawn}; "
                    f"{wording.size(run)}.")
        )  # fmt: skip
    caption = "The first samples that were drawn, without selection. Every image is 32x32."
    return [Gallery(caption, "pixels", shown)] if shown else []


def nearest(dataset: SetResult, folder: Path) -> list[Block]:
    """The samples that are closest to a training image, above that image."""
    shown = []
    for run in dataset.runs:
        if run.neighbours is None or not len(run.neighbours) or dataset.images is None:
            continue
        samples = run.drawn(run.neighbours["sample"].to_numpy())
        if samples is None:
            continue
        name = pictures.slug("neighbours", run.name)
        pictures.rows(folder / name, np.stack([samples, dataset.images[run.neighbours["neighbour"].to_numpy()]]))
        alt = f"The {len(samples)} samples of {run.name} nearest to training images, and below each that image."
        shown.append(Picture(name, alt, f"{run.name}: {_distances(run)}."))
    caption = (
        "Does a generator copy its training images? Above, the samples that are nearest to a training image, closest "
        "first; below each, that image. Distances are between classifier features. A copy is much nearer to its "
        "training image than to any held-out image."
    )
    return [Gallery(caption, "pixels", shown)] if shown else []


def _distances(run: RunResult) -> str:
    assert run.neighbours is not None
    first = run.neighbours.iloc[0]
    text = f"first pair at distance {first['distance']:.3g}, nearest held-out image at {first['held_out_distance']:.3g}"
    if run.metric("train_nearer") is not None:
        text += f"; {wording.percent(run.metric('train_nearer'))} of all samples are nearer to a training image"
    if run.metric("copies") is not None:
        text += f"; {wording.percent(run.metric('copies'))} are as near as copies"
    return text


def histograms(dataset: SetResult, results: Results, folder: Path) -> list[Block]:
    """The share of each class among the samples of each run, beside its share of the training images."""
    real = None
    if dataset.facts:
        train = dataset.facts["per_class"].get("train", {})
        real = {name: n / max(sum(train.values()), 1) for name, n in train.items()}
    drawn = {run.name: _shares(run.classes, dataset) for run in dataset.runs if run.classes is not None}
    top = 1.1 * max([share for shares in [*drawn.values(), real or {}] for share in shares.values()], default=1.0)
    shown = []
    for run in dataset.runs:
        if run.classes is None:
            continue
        name, shares = pictures.slug("classes", run.name), drawn[run.name]
        plots.histogram(folder / name, run.name, shares, real, top)
        most = max(shares, key=lambda label: shares[label])
        alt = f"Bar chart of the classes that the classifier recognises in the samples of {run.name}; most frequent: "
        alt += f"{most} with {wording.percent(shares[most])}."
        size = f"N = {wording.count(run.classes['count'].sum())}, seed {results.config.seed}"
        shown.append(Picture(name, alt, f"{run.name}: {size}{_covered(run)}."))
    caption = "Share of each class among the samples, as the classifier sees them. Black lines: training images."
    return [Gallery(caption, "plot", shown)] if shown else []


def _covered(run: RunResult) -> str:
    text = "" if run.metric("modes_covered") is None else f"; {wording.cover(run)} classes covered"
    return text + "".join(
        f", {label} {run.metric(key):.3f} bits"
        for key, label in (("class_entropy_bits", "entropy"), ("kl_to_uniform", "KL to uniform"))
        if run.metric(key) is not None
    )


def _shares(table: pd.DataFrame, dataset: SetResult) -> dict[str, float]:
    """Share of each class by name. The rows follow the data set's classes but may not carry their names."""
    known = dataset.facts["classes"] if dataset.facts else []
    names = known if len(known) == len(table) else table["class"]
    return dict(zip(map(str, names), table["share"], strict=True))


def confusions(dataset: SetResult, folder: Path) -> list[Block]:
    """What the classifier recognises in the samples of each requested class, for conditional runs."""
    shown = []
    for run in dataset.runs:
        if run.confusion is None or run.confusion.empty:
            continue
        table = run.confusion.iloc[:, -len(run.confusion) :]  # without the names of the requested classes
        counts, names = table.to_numpy(float), [str(name) for name in table.columns]
        name = pictures.slug("confusion", run.name)
        plots.confusion(folder / name, run.name, counts, names)
        alt = f"Confusion matrix of {run.name}: requested by recognised classes. {_worst(counts, names)}"
        shown.append(
            Picture(name, alt, f"{run.name}, in percent of each requested class. {_worst(counts, names)}")
        )  # fmt: skip
    caption = "What the classifier recognises in the samples of each requested class. The diagonal is correct."
    galleries: list[Block] = [Gallery(caption, "plot", shown)] if shown else []
    tables: list[Block] = [labels for run in dataset.runs if (labels := _by_label(run))]
    text = (
        "For each requested label: the share of samples that the classifier recognises as that class, and their distance to "
        "the real images of the class alone, whose N differs from the comparison's."
    )
    return [*galleries, *([Text(text)] if tables else []), *tables]


def _worst(counts: np.ndarray, names: list[str]) -> str:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    off = shares - np.diag(np.diag(shares))
    requested, seen = np.unravel_index(off.argmax(), off.shape)
    share = float(off[requested, seen])
    if share == 0:
        return "No errors."
    return f"Most frequent error: {names[requested]} recognised as {names[seen]}, {wording.percent(share)}."


def _by_label(run: RunResult) -> Table | None:
    """Scores of a conditional run for each requested label, None for other runs."""
    if run.classes is None or "asked" not in run.classes:
        return None
    part = run.classes[run.classes["asked"] > 0]
    names = {"fd_classifier": "FD", "fid": "FID", "fid_legacy": "legacy FID"}
    shown = {title: [float(value) for value in part[key]] for key, title in names.items() if key in part}
    columns = {title: wording.column(values, wording.decimals_for(values)) for title, values in shown.items()}
    cells = zip(part["class"], part["asked"], part["accuracy"], *columns.values(), strict=True)
    rows = [Row(str(name), [wording.count(n), wording.percent(share), *other]) for name, n, share, *other in cells]
    numeric = [False, True, True, *[True] * len(columns)]
    return Table(f"`{run.name}` by requested label.", ["label", "N", "accuracy", *columns], rows, numeric, folded=True)
