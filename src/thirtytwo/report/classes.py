"""Classes among the samples: what a run draws, and whether it draws what was asked for."""

from pathlib import Path

import numpy as np
import pandas as pd

from thirtytwo.report import charts, figures, numbers
from thirtytwo.report.blocks import Block, Gallery, Picture
from thirtytwo.report.results import Results, RunResult, SetResult
from thirtytwo.report.tables import by_label

__all__ = ["confusions", "histograms"]


def histograms(dataset: SetResult, results: Results, folder: Path) -> list[Block]:
    """The share of each class among the samples of each run, against that among the training images."""
    real = None
    if dataset.facts:
        train = dataset.facts["per_class"].get("train", {})
        real = {name: n / max(sum(train.values()), 1) for name, n in train.items()}
    drawn = {run.name: _shares(run.classes, dataset) for run in dataset.runs if run.classes is not None}
    top = 1.1 * max([share for shares in [*drawn.values(), real or {}] for share in shares.values()], default=1.0)
    pictures = []
    for run in dataset.runs:
        if run.classes is None:
            continue
        name, shares = figures.slug("classes", run.name), drawn[run.name]
        figures.histogram(folder / name, run.name, shares, real, top)
        most = max(shares, key=lambda label: shares[label])
        alt = f"Bar chart of the classes that the classifier sees in the samples of {run.name}; most frequent: "
        alt += f"{most} with {numbers.percent(shares[most])}."
        words = f"N = {numbers.count(run.classes['count'].sum())}, seed {results.config.seed}{_covered(run)}"
        pictures.append(Picture(name, alt, f"{run.name}: {words}."))
    caption = "Share of each class among the samples, by the classifier. Black lines: among the training images."
    return [Gallery(caption, "plot", pictures)] if pictures else []


def _covered(run: RunResult) -> str:
    covered = run.metric("modes_covered")
    words = f"; {numbers.plain(covered)} of {run.metric('classes')} classes covered" if covered is not None else ""
    return words + "".join(
        f", {label} {numbers.plain(run.metric(key))} bits"
        for key, label in (("class_entropy_bits", "entropy"), ("kl_to_uniform", "KL to uniform"))
        if run.metric(key) is not None
    )


def _shares(table: pd.DataFrame, dataset: SetResult) -> dict[str, float]:
    """Share of each class by name; the rows are in the order of the data set's classes, whose names they may lack."""
    known = dataset.facts["classes"] if dataset.facts else []
    names = known if len(known) == len(table) else table["class"]
    return dict(zip(map(str, names), table["share"], strict=True))


def confusions(dataset: SetResult, folder: Path) -> list[Block]:
    """What the classifier sees in the samples of each class asked for, of conditional runs."""
    pictures = []
    for run in dataset.runs:
        if run.confusion is None or run.confusion.empty:
            continue
        table = run.confusion.iloc[:, -len(run.confusion) :]  # without the names of the classes asked for
        counts, names = table.to_numpy(float), [str(name) for name in table.columns]
        name = figures.slug("confusion", run.name)
        charts.confusion(folder / name, run.name, counts, names)
        alt = f"Confusion matrix of {run.name}: classes asked for by classes seen. {_worst(counts, names)}"
        pictures.append(Picture(name, alt, f"{run.name}, in percent of each class asked for. {_worst(counts, names)}"))
    caption = "What the classifier sees in the samples of each class asked for; the diagonal is right."
    found: list[Block] = [Gallery(caption, "plot", pictures)] if pictures else []
    return [*found, *(labelled for run in dataset.runs if (labelled := by_label(run)))]


def _worst(counts: np.ndarray, names: list[str]) -> str:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    off = shares - np.diag(np.diag(shares))
    asked, seen = np.unravel_index(off.argmax(), off.shape)
    if off[asked, seen] == 0:
        return "None is mistaken."
    return f"The most frequent error: {names[asked]} seen as {names[seen]}, {numbers.percent(float(off[asked, seen]))}."
