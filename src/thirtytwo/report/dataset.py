"""The section of one data set: its facts, its comparison, its pictures and its curves."""

from pathlib import Path

import pandas as pd

from thirtytwo.grids import grid_png
from thirtytwo.report import autoencoders, figures, gans, numbers, tables
from thirtytwo.report.blocks import Block, Gallery, Notice, Picture, Section, Text
from thirtytwo.report.results import Results, RunResult, SetResult
from thirtytwo.report.verdict import judge

__all__ = ["section"]

# How the terms of a curve share a panel: those with one of these prefixes or suffixes together, any other alone.
PANELS = (
    ("losses", lambda term: term.endswith("_loss")),
    ("discriminator's outputs", lambda term: term.startswith("d_")),
    ("gradient norms", lambda term: term.startswith("grad_norm")),
)


def section(dataset: SetResult, results: Results, folder: Path) -> Section:
    """Everything about one data set; pictures are written to `folder`."""
    parts = [
        ("Comparison", "comparison", _comparison(dataset)),
        ("Samples beside real images", "samples", _samples(dataset, results, folder)),
        ("Classes among the samples", "classes", _histograms(dataset, results, folder)),
        ("Score along the training", "trajectory", gans.along_training(dataset, folder)),
        ("Reconstructions", "reconstructions", autoencoders.reconstructions(dataset, folder)),
        ("Codes of the autoencoders", "codes", autoencoders.codes(dataset, folder)),
        ("Latent space of the GANs", "latent", gans.latent_space(dataset, folder)),
        ("Nash equilibrium", "equilibrium", gans.equilibrium(dataset, folder)),
        ("Validation curves", "validation", _validation(dataset, folder)),
        ("Training curves", "training", _training(dataset, folder)),
        ("The data set", "data", _data(dataset)),
    ]
    return Section(
        f"Data set: {dataset.name}",
        f"set-{dataset.name}",
        _missing(dataset),
        [Section(title, f"set-{dataset.name}-{key}", blocks) for title, key, blocks in parts if blocks],
    )


def _missing(dataset: SetResult) -> list[Block]:
    notes: list[Block] = []
    if dataset.missing:
        notes.append(Notice(f"Missing for this data set: {_files(dataset.missing)}."))
    for run in dataset.runs:
        if run.metrics is None:
            notes.append(Notice(f"Run `{run.name}` is missing: it has no score. Not there: {_files(run.missing)}."))
        elif run.missing:
            notes.append(Notice(f"Run `{run.name}` is incomplete. Not there: {_files(run.missing)}."))
    return notes


def _files(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _comparison(dataset: SetResult) -> list[Block]:
    if not dataset.runs:
        return [Text("No run trains on this data set.")]
    return [tables.comparison(dataset, judge(dataset)), tables.all_metrics(dataset.runs)]


def _samples(dataset: SetResult, results: Results, folder: Path) -> list[Block]:
    pictures, side = [], results.config.sampling.grid_side
    if dataset.images is not None and dataset.labels is not None:
        name = figures.slug("real", dataset.name)
        chosen = figures.spread_over_classes(dataset.labels, side * side)
        (folder / name).write_bytes(grid_png(dataset.images[chosen], side))
        caption = f"Real: the first {len(chosen)} {dataset.images_split} images, taking turns through the classes."
        alt = f"Grid of {len(chosen)} real {dataset.images_split} images of {dataset.name}."
        pictures.append(Picture(name, alt, caption))
    for run in dataset.runs:
        if run.grid is None:
            continue
        name = figures.slug("samples", run.name)
        (folder / name).write_bytes(run.grid.read_bytes())
        drawn = f"{tables.sampler_text(run)}; seed {results.config.seed}; {_shown(run)}"
        alt = f"Grid of images sampled from {run.name} ({run.family})."
        pictures.append(Picture(name, alt, f"{run.name}: {drawn}."))
    caption = "Every image is 32x32, shown twice enlarged. The samples are the first that were drawn, not selected."
    return [Gallery(caption, "grid", pictures)] if pictures else []


def _shown(run: RunResult) -> str:
    drawn = run.metric("n")
    return f"N = {numbers.count(drawn)} scored" if drawn is not None else "not scored"


def _histograms(dataset: SetResult, results: Results, folder: Path) -> list[Block]:
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
        covered = run.metric("modes_covered")
        words = f"N = {numbers.count(run.classes['count'].sum())}, seed {results.config.seed}"
        words += f"; {covered} of {run.metric('classes')} classes covered" if covered is not None else ""
        words += "".join(
            f", {label} {numbers.plain(run.metric(key))} bits"
            for key, label in (("class_entropy_bits", "entropy"), ("kl_to_uniform", "KL to uniform"))
            if run.metric(key) is not None
        )
        alt = f"Bar chart of the classes that the classifier sees in the samples of {run.name}; most frequent: "
        alt += f"{most} with {numbers.percent(shares[most])}."
        pictures.append(Picture(name, alt, f"{run.name}: {words}."))
    caption = "Share of each class among the samples, by the classifier. Black lines: among the training images."
    labelled = [table for run in dataset.runs if (table := tables.by_label(run))]
    return [Gallery(caption, "plot", pictures), *labelled] if pictures else []


def _shares(table: pd.DataFrame, dataset: SetResult) -> dict[str, float]:
    """Share of each class by name; the rows are in the order of the data set's classes, whose names they may lack."""
    known = dataset.facts["classes"] if dataset.facts else []
    names = known if len(known) == len(table) else table["class"]
    return dict(zip(map(str, names), table["share"], strict=True))


def _training(dataset: SetResult, folder: Path) -> list[Block]:
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
        blocks.append(Gallery(caption, "plot", pictures))
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


def _validation(dataset: SetResult, folder: Path) -> list[Block]:
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
        runs = ", ".join(curves)
        last = {run: numbers.plain(float(table[term].dropna().iloc[-1])) for run, table in curves.items()}
        ends = "; ".join(f"{run} ends at {value}" for run, value in last.items())
        pictures.append(Picture(name, f"Validation curve of {term} over epochs: {ends}.", f"{term} of {runs}."))
    return [Gallery("Held-out images, over passes through the training images.", "plot", pictures)] if pictures else []


def _data(dataset: SetResult) -> list[Block]:
    blocks: list[Block] = []
    if dataset.facts:
        blocks += [tables.facts(dataset, dataset.facts), tables.per_class(dataset.facts)]
        if dataset.facts["removed"]:
            blocks.append(tables.removed(dataset.facts))
    return [*blocks, Text(tables.classifier_text(dataset))]
