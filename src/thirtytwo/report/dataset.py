"""The section of one data set: its facts, its comparison, its pictures and its curves."""

from pathlib import Path

from thirtytwo.report import (
    autoencoders,
    classes,
    comparison,
    cost,
    curves,
    diffusion,
    gans,
    samples,
    sweep,
    tables,
)  # fmt: skip
from thirtytwo.report.blocks import Block, Notice, Section, Text
from thirtytwo.report.results import Results, SetResult

__all__ = ["section"]


def section(dataset: SetResult, results: Results, folder: Path) -> Section:
    """Everything about one data set; pictures are written to `folder`."""
    parts = [
        ("Comparison", "comparison", comparison.blocks(dataset)),
        ("Samples beside real images", "samples", samples.grids(dataset, results, folder)),
        ("Nearest training images", "neighbours", samples.nearest(dataset, folder)),
        ("Classes among the samples", "classes", classes.histograms(dataset, results, folder)),
        ("Classes asked for", "confusion", classes.confusions(dataset, folder)),
        ("Quality against cost", "cost", cost.blocks(dataset, folder)),
        ("From noise to image", "diffusion", diffusion.ways(dataset, folder)),
        ("Samplers, steps and noise", "sweep", sweep.blocks(dataset, folder)),
        ("Likelihood", "likelihood", diffusion.bounds(dataset)),
        ("Noise schedules", "schedules", diffusion.noise_schedules(dataset, folder)),
        ("Reconstructions", "reconstructions", autoencoders.reconstructions(dataset, folder)),
        ("Codes of the autoencoders", "codes", autoencoders.codes(dataset, folder)),
        ("Score along the training", "trajectory", gans.along_training(dataset, folder)),
        ("Latent space of the GANs", "latent", gans.latent_space(dataset, folder)),
        ("Nash equilibrium", "equilibrium", gans.equilibrium(dataset, folder)),
        ("Several training seeds", "seeds", curves.seeds(dataset, folder)),
        ("The floor and the sample size", "floor", curves.floors(dataset, folder)),
        ("Validation curves", "validation", curves.validation(dataset, folder)),
        ("Training curves", "training", curves.training(dataset, folder)),
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


def _data(dataset: SetResult) -> list[Block]:
    blocks: list[Block] = []
    if dataset.facts:
        blocks += [tables.facts(dataset, dataset.facts), tables.per_class(dataset.facts)]
        if dataset.facts["removed"]:
            blocks.append(tables.removed(dataset.facts))
    return [*blocks, Text(tables.classifier_text(dataset))]
