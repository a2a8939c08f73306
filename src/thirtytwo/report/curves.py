"""Curves: losses on training and held-out images, the floor over N, and the spread over training seeds."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from thirtytwo.evaluate.scorecard import Measured
from thirtytwo.report import pictures, plots, wording
from thirtytwo.report.blocks import Block, Gallery, Picture, Text
from thirtytwo.report.plots import Series
from thirtytwo.report.results import RunResult, SetResult

__all__ = ["floors", "seeds", "training", "validation"]

# Terms of a curve that share a panel, by prefix or suffix; every other term has its own.
PANELS = (
    ("losses", lambda term: term.endswith("_loss")),
    ("discriminator outputs", lambda term: term.startswith("d_")),
    ("gradient norms", lambda term: term.startswith("grad_norm")),
)
SEEDED = ("fd_classifier", "kid_classifier", "fid", "fid_legacy", "accuracy", "coverage")


def training(dataset: SetResult, folder: Path) -> list[Block]:
    """Every term of every run's training."""
    blocks: list[Block] = []
    for run in dataset.runs:
        if run.curve is None or run.curve.empty:
            continue
        shown = []
        for title, terms in _panels(run.curve):
            name = pictures.slug("training", run.name, title)
            plots.training(folder / name, title, run.curve, terms)
            last = wording.count(run.curve["step"].iloc[-1])
            alt = f"Training curve of {run.name} over {last} steps: {', '.join(terms)}."
            shown.append(Picture(name, alt, f"{run.name}: {', '.join(terms)}."))
        about = f"{run.name} ({run.family}; {wording.size(run)})"
        caption = f"{about}: recorded values (faint) and their running mean over 4 % of the run."
        blocks.append(Gallery(caption, "plot", shown, folded=True))
    return blocks


def _panels(table: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """Titles and terms of a curve's panels, losses first and gradients last, without terms that have no value."""
    terms = [str(name) for name in table.columns if name not in ("step", "epoch") and table[name].notna().any()]
    panels: dict[str, list[str]] = {}
    for term in terms:
        title = next((title for title, belongs in PANELS if belongs(term)), term)
        panels.setdefault(title, []).append(term)
    ordered = sorted(panels.items(), key=lambda panel: ("loss" not in panel[0], panel[0] == "gradient norms"))
    return [(terms[0] if len(terms) == 1 else title, terms) for title, terms in ordered]


def validation(dataset: SetResult, folder: Path) -> list[Block]:
    """One panel for each family and term, so that all lines in a panel are comparable."""
    groups: dict[tuple[str, str], dict[str, pd.DataFrame]] = {}
    for run in dataset.runs:
        if run.validation is not None:
            for term in (str(name) for name in run.validation.columns if name not in ("step", "epoch")):
                values = run.validation[["epoch", term]].dropna()
                if len(values):
                    groups.setdefault((run.family, term), {})[run.name] = values
    shown = []
    for (family, term), curves in groups.items():
        name = pictures.slug("validation", dataset.name, family, term)
        lines = [Series(run, list(values["epoch"]), list(values[term])) for run, values in curves.items()]
        plots.series(folder / name, f"{family}: {term}", lines, ("epoch", ""))
        last = "; ".join(f"{line.name} ends at {wording.plain(float(line.y[-1]))}" for line in lines)
        shown.append(Picture(name, f"Validation curve of {term} over epochs: {last}.", f"{term}: {last}."))
    text = f"Losses on held-out images over epochs.{wording.trained_on_all(dataset.runs)}"
    return [Gallery(text, "plot", shown)] if shown else []


def floors(dataset: SetResult, folder: Path) -> list[Block]:
    """Real images against other real images for several N."""
    shown = []
    for key in ("fd_classifier", "kid_classifier"):
        curve = dataset.floor.curves.get(key, [])
        if len(curve) < 2:
            continue
        name = pictures.slug("floor", dataset.name, key)
        values = [score.value or 0.0 for _, score in curve]
        low, high = ([end for _, score in curve if (end := getattr(score, side)) is not None]
                     for side in ("low", "high"))  # fmt: skip
        whole = len(low) == len(high) == len(curve)
        line = Series(dataset.name, [n for n, _ in curve], values, *((low, high) if whole else ()))
        plots.series(
            folder / name, f"{dataset.name}: real against real", [line], ("N", key), log=(True, min(values) > 0)
        )  # fmt: skip
        text = ", ".join(f"{wording.plain(values[end])} at N = {wording.count(curve[end][0])}" for end in (0, -1))
        shown.append(Picture(name, f"{key} of real images against real images over N: {text}.", f"{key}: {text}."))
    for key, points in equal_sizes(dataset).items():
        name = pictures.slug("floor-equal", dataset.name, key)
        line = Series(dataset.name, [n for n, _ in points], [value for _, value in points])
        plots.series(folder / name, f"{dataset.name}: real against as many real", [line], ("N", key), log=(True, True))
        text = ", ".join(f"{wording.plain(value)} at N = {wording.count(n)}" for n, value in points)
        shown.append(Picture(name, f"{key} of N real images against N others: {text}.", f"{key}, N of each: {text}."))
    if not shown:
        return []
    text = (
        "The floor depends on N. The Fréchet distance of finite samples is biased upwards, and more so for fewer "
        "samples, so a score means little without its N. The kernel distance is unbiased: it scatters around zero for "
        "any N."
    )
    return [Text(text), Gallery("Real images against other real images.", "plot", shown)]


def equal_sizes(dataset: SetResult) -> dict[str, list[tuple[int, float]]]:
    """By score, its values for N real images against N other ones, by N, where networks of features were used."""
    curves: dict[str, dict[int, float]] = {}
    for run in dataset.runs:
        for key, value in (run.card.floor.scores if run.card else {}).items():
            score, _, size = key.partition("_equal_")
            if size and (number := Measured({key: value}).estimate(key).value) is not None:
                curves.setdefault(score, {})[int(size)] = number
    return {score: sorted(values.items()) for score, values in curves.items() if len(values) > 1}


def seeds(dataset: SetResult, folder: Path) -> list[Block]:
    """How much the scores vary with the training seed."""
    runs = [run for run in dataset.runs if run.seeds is not None and len(run.seeds) > 1]
    shown = []
    for key in SEEDED:
        groups: dict[str, Sequence[float]] = {
            run.name: list(run.seeds[key]) for run in runs if run.seeds is not None and key in run.seeds
        }
        if groups:
            name = pictures.slug("seeds", dataset.name, key)
            plots.dots(folder / name, key, groups, key)
            text = "; ".join(f"{run}: {', '.join(f'{v:.4g}' for v in values)}" for run, values in groups.items())
            shown.append(Picture(name, f"{key} of each training seed. {text}.", f"{text}."))
    if not shown:
        return []
    alone = [run.name for run in dataset.runs if run not in runs and run.card]
    caption = "Dots: trainings that differ only in their seed. Line: their mean."
    if alone:
        caption += f" {wording.capital(wording.listed(alone))}: one training each; their intervals omit this spread."
    return [*_retraining(runs), Gallery(caption, "plot", shown)]


def _retraining(runs: list[RunResult]) -> list[Block]:
    """What retraining adds to the chance of drawing samples."""
    ratios = [(run.name, ratio) for run in runs if (ratio := run.estimate("retraining_ratio")).value is not None]
    if not ratios:
        return []
    listed = ", ".join(f"`{name}` {wording.inline(ratio)}" for name, ratio in ratios)
    return [
        Text(
            "FD varies over trainings by this multiple of its variation over drawing the samples of one training again: "
            f"{listed}. Intervals over the drawing alone are too narrow by this factor where methods are compared.",
            "Retraining:",
        )
    ]
