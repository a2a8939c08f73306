"""The section of one data set: comparison, pictures, curves and facts."""

from pathlib import Path
from typing import Any

from thirtytwo.evaluate.scorecard import Measured
from thirtytwo.report import autoencoders, comparison, cost, curves, diffusion, gans, samples, wording
from thirtytwo.report.blocks import Block, Notice, Row, Section, Table, Text
from thirtytwo.report.results import Results, SetResult

__all__ = ["section"]

FOLD_ABOVE = 12  # rows; longer lists of removed files are folded
_OPEN = ("comparison", "samples", "classes")


def section(dataset: SetResult, results: Results, folder: Path) -> Section:
    """Everything about one data set; pictures are written to `folder`."""
    parts = [
        ("Comparison", "comparison", comparison.blocks(dataset)),
        ("Samples beside real images", "samples", samples.grids(dataset, results, folder)),
        ("Classes among the samples", "classes", samples.histograms(dataset, results, folder)),
        ("Nearest training images", "neighbours", samples.nearest(dataset, folder)),
        ("Requested classes", "confusion", samples.confusions(dataset, folder)),
        ("Quality against cost", "cost", cost.runs(dataset, folder)),
        ("Samplers, steps and noise", "sweep", cost.sweeps(dataset, folder)),
        ("Likelihood", "likelihood", diffusion.bounds(dataset)),
        ("Noise schedules", "schedules", diffusion.noise_schedules(dataset, folder)),
        ("Reconstructions", "reconstructions", autoencoders.reconstructions(dataset, folder)),
        ("Codes of the autoencoders", "codes", autoencoders.codes(dataset, folder)),
        ("Scores during training", "trajectory", gans.along_training(dataset, folder)),
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
        [
            Section(title, f"set-{dataset.name}-{key}", blocks, folded=key not in _OPEN)
            for title, key, blocks in parts
            if blocks
        ],
    )


def _missing(dataset: SetResult) -> list[Block]:
    notes: list[Block] = []
    if dataset.missing:
        notes.append(Notice(f"Files of this data set are missing: {_files(dataset.missing)}."))
    for run in dataset.runs:
        if not run.card:
            notes.append(Notice(f"Run `{run.name}` has no score. Missing files: {_files(run.missing)}."))
        elif run.missing:
            notes.append(Notice(f"Run `{run.name}` is incomplete. Missing files: {_files(run.missing)}."))
    return notes


def _files(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _data(dataset: SetResult) -> list[Block]:
    blocks: list[Block] = []
    if dataset.facts:
        blocks += [_facts(dataset, dataset.facts), _per_class(dataset.facts)]
        if dataset.facts["removed"]:
            blocks.append(_removed(dataset.facts))
    return [*blocks, Text(_classifier(dataset))]


def _facts(dataset: SetResult, facts: dict[str, Any]) -> Table:
    """What the data set is and how its images became 32x32."""
    fit = {"squash": "squashed to a square", "crop": "cropped at the centre", "pad": "padded with black"}[facts["fit"]]
    pairs = {
        "source": facts["source"],
        "images": f"{wording.count(facts['images'])} ({wording.count(facts['train'])} training, "
        f"{wording.count(facts['test'])} test)",
        "size": f"32x32, {'RGB' if facts['channels'] == 3 else 'grey'}",
        "classes": f"{len(facts['classes'])}: {_few(facts['classes'])}",
        "resampling": f"{facts['resample']}; images that are not square are {fit}",
    }
    if facts["factor_names"]:
        pairs["true factors"] = ", ".join(facts["factor_names"])
    converted = {mode: n for mode, n in facts["converted"].items() if n}
    pairs["converted"] = ", ".join(f"{n:,} {mode}" for mode, n in sorted(converted.items())) or "none"
    pairs["removed"] = f"{len(facts['removed']):,} files"
    pairs["sha256"] = f"`{facts['sha256']}`"
    rows = [Row(key, [value]) for key, value in pairs.items()]
    return Table(f"{dataset.name} as prepared.", ["fact", "value"], rows, [False, False])


def _few(names: list[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _per_class(facts: dict[str, Any]) -> Table:
    splits = facts["per_class"]
    rows = [
        Row(name, [wording.count(splits.get(split, {}).get(name, 0)) for split in ("train", "test")])
        for name in facts["classes"]
    ]
    return Table("Images of each class.", ["class", "training", "test"], rows, [False, True, True], folded=True)


def _removed(facts: dict[str, Any]) -> Table:
    rows = [Row(str(item["file"]), [str(item["class"]), str(item["reason"])]) for item in facts["removed"]]
    caption = f"Files removed during preparation: {len(rows)}."
    return Table(caption, ["file", "class", "reason"], rows, [False] * 3, folded=len(rows) > FOLD_ABOVE)


def _classifier(dataset: SetResult) -> str:
    """On the classifiers whose features and labels score the runs."""
    if dataset.accuracy.value is None:
        return "The accuracy of this data set's classifier is missing."
    measured = Measured(dataset.classifier)
    parameters, n = (measured.estimate(key).value for key in ("parameters", "n_test"))
    size = f" It has {wording.count(parameters)} parameters." if parameters else ""
    return (
        f"The classifier that scores the samples recognises {wording.inline(dataset.accuracy, 100)} % of "
        f"{wording.count(n)} test images (95 % Wilson interval).{size}{_second(measured)}"
    )


def _second(measured: Measured) -> str:
    accuracy, parameters = (measured.estimate(f"{key}_second") for key in ("accuracy_test", "parameters"))
    if accuracy.value is None:
        return ""
    return (
        f" The second classifier, an MLP-Mixer of {wording.count(parameters.value)} parameters, recognises "
        f"{wording.inline(accuracy, 100)} %."
    )
