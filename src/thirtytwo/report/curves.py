"""Curves: losses along training and validation, the floor's dependence on N, the spread over training seeds."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from thirtytwo.report import charts, figures, numbers
from thirtytwo.report.blocks import Block, Gallery, Picture, Text
from thirtytwo.report.charts import Series
from thirtytwo.report.results import SetResult

__all__ = ["floors", "seeds", "training", "validation"]

# How the terms of a curve share a panel: those with one of these prefixes or suffixes together, any other alone.
PANELS = (
    ("losses", lambda term: term.endswith("_loss")),
    ("discriminator's outputs", lambda term: term.startswith("d_")),
    ("gradient norms", lambda term: term.startswith("grad_norm")),
)
SEEDED = ("fd_classifier", "kid_classifier", "fid", "accuracy", "coverage")


def training(dataset: SetResult, folder: Path) -> list[Block]:
    """Every term of every run's training."""
    blocks: list[Block] = []
    for run in dataset.runs:
        if run.curve is None or run.curve.empty:
            continue
        pictures = []
        for title, terms in _panels(run.curve):
            name = figures.slug("training", run.name, title)
            figures.training(folder / name, title, run.curve, terms)
            last = numbers.count(run.curve["step"].iloc[-1])
            alt = f"Training curve of {run.name} over {last} steps: {', '.join(terms)}."
            pictures.append(Picture(name, alt, f"{run.name}: {', '.join(terms)}."))
        caption = f"{run.name} ({run.family}): faint as recorded, strong the running mean over 4 % of the run."
        blocks.append(Gallery(caption, "plot", pictures, folded=True))
    return blocks


def _panels(table: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """Titles and terms of a curve's panels, losses first, gradients last; terms without a value are left out."""
    terms = [str(name) for name in table.columns if name not in ("step", "epoch") and table[name].notna().any()]
    panels: dict[str, list[str]] = {}
    for term in terms:
        title = next((title for title, belongs in PANELS if belongs(term)), term)
        panels.setdefault(title, []).append(term)
    ordered = sorted(panels.items(), key=lambda panel: ("loss" not in panel[0], panel[0] == "gradient norms"))
    return [(terms[0] if len(terms) == 1 else title, terms) for title, terms in ordered]


def validation(dataset: SetResult, folder: Path) -> list[Block]:
    """One panel for each family and term, so that a panel's lines can be compared."""
    groups: dict[tuple[str, str], dict[str, pd.DataFrame]] = {}
    for run in dataset.runs:
        if run.validation is not None:
            for term in (str(name) for name in run.validation.columns if name not in ("step", "epoch")):
                if run.validation[term].notna().any():
                    groups.setdefault((run.family, term), {})[run.name] = run.validation
    pictures = []
    for (family, term), curves in groups.items():
        name = figures.slug("validation", dataset.name, family, term)
        figures.lines(folder / name, f"{family}: {term}", curves, term, x="epoch")
        last = {run: numbers.plain(float(table[term].dropna().iloc[-1])) for run, table in curves.items()}
        ends = "; ".join(f"{run} ends at {value}" for run, value in last.items())
        pictures.append(Picture(name, f"Validation curve of {term} over epochs: {ends}.", f"{term}: {ends}."))
    return [Gallery("Held-out images, over passes through the training images.", "plot", pictures)] if pictures else []


def floors(dataset: SetResult, folder: Path) -> list[Block]:
    """Real images against real images at different N."""
    table = dataset.floors
    if table is None or len(table) < 2:
        return []
    pictures = []
    for key, title in (("fd_classifier", "fd_classifier"), ("kid_classifier", "kid_classifier")):
        if key not in table:
            continue
        name = figures.slug("floor", dataset.name, key)
        ends = [list(table[f"{key}_{end}"]) if f"{key}_{end}" in table else None for end in ("low", "high")]
        line = Series(dataset.name, list(table["n"]), list(table[key]), *ends)
        charts.series(
            folder / name, f"{dataset.name}: real against real", [line], ("N", title),
            log=(True, bool((table[key] > 0).all())), floor=None,
        )  # fmt: skip
        first, last = table.iloc[0], table.iloc[-1]
        told = f"{numbers.plain(float(first[key]))} at N = {numbers.count(first['n'])}, "
        told += f"{numbers.plain(float(last[key]))} at N = {numbers.count(last['n'])}"
        pictures.append(
            Picture(name, f"{title} of real images against real images over N: {told}.", f"{title}: {told}.")
        )
    text = (
        "The floor is no constant: the Fréchet distance of finite samples is biased upwards, the more the fewer they "
        "are, so that a score without its N says little. The kernel distance is unbiased: it scatters around zero at "
        "any N."
    )
    return [Text(text), Gallery("Real images against other real images, at each N.", "plot", pictures)]


def seeds(dataset: SetResult, folder: Path) -> list[Block]:
    """What another training seed changes."""
    runs = [run for run in dataset.runs if run.seeds is not None and len(run.seeds) > 1]
    pictures = []
    for key in SEEDED:
        groups: dict[str, Sequence[float]] = {
            run.name: list(run.seeds[key]) for run in runs if run.seeds is not None and key in run.seeds
        }
        if groups:
            name = figures.slug("seeds", dataset.name, key)
            charts.dots(folder / name, key, groups, key)
            told = "; ".join(f"{run}: {', '.join(f'{v:.4g}' for v in values)}" for run, values in groups.items())
            pictures.append(Picture(name, f"{key} of each training seed. {told}.", f"{told}."))
    if not pictures:
        return []
    alone = [run.name for run in dataset.runs if run not in runs and run.metrics]
    text = "Dots: trainings that differ in their seed alone; line: their mean."
    if alone:
        text += f" One training each stands behind {_names(alone)}, whose intervals do not cover this spread."
    return [Gallery(text, "plot", pictures)]


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
