"""What the report says, in order: the answer, one section a data set, the methods, how to repeat it, the settings."""

import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from thirtytwo.report import dataset as dataset_section
from thirtytwo.report import figures, numbers, tables
from thirtytwo.report.blocks import Block, Code, Equation, Gallery, Notice, Picture, Row, Section, Table, Text
from thirtytwo.report.results import Results, RunResult, SetResult
from thirtytwo.report.verdict import Verdict, floor_of, judge

__all__ = ["build", "sentence"]

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "pandas", "matplotlib", "pillow", "dvc", "clean-fid")
SPLITS = {"train": "training", "test": "test"}

FRECHET = Equation(
    mathml=(
        '<math display="block"><mi>FD</mi><mo>=</mo><msup><mrow><mo>‖</mo><msub><mi>μ</mi><mi>r</mi></msub>'
        "<mo>&minus;</mo><msub><mi>μ</mi><mi>g</mi></msub><mo>‖</mo></mrow><mn>2</mn></msup><mo>+</mo><mi>Tr</mi><mrow><mo>(</mo>"
        "<msub><mi>Σ</mi><mi>r</mi></msub><mo>+</mo><msub><mi>Σ</mi><mi>g</mi></msub><mo>&minus;</mo><mn>2</mn>"
        "<msup><mrow><mo>(</mo><msub><mi>Σ</mi><mi>r</mi></msub><msub><mi>Σ</mi><mi>g</mi></msub><mo>)</mo></mrow><mrow><mn>1</mn>"
        "<mo>/</mo><mn>2</mn></mrow></msup><mo>)</mo></mrow></math>"
    ),
    latex=r"\mathrm{FD} = \lVert \mu_r - \mu_g \rVert^2 + \mathrm{Tr}\big(\Sigma_r + \Sigma_g "
    r"- 2 (\Sigma_r \Sigma_g)^{1/2}\big)",
)


def build(results: Results, folder: Path) -> list[Section]:
    """All sections; pictures are written to `folder`."""
    return [
        _answer(results, folder),
        *(dataset_section.section(dataset, results, folder) for dataset in results.sets),
        _methods(results),
        _reproduce(results),
        _settings(results),
    ]


def _answer(results: Results, folder: Path) -> Section:
    blocks: list[Block] = []
    lost = [run.name for run in results.runs if run.metrics is None]
    if lost:
        names = ", ".join(f"`{name}`" for name in lost)
        blocks.append(Notice(f"{len(lost)} of {len(results.runs)} runs have no score yet: {names}."))
    pictures = []
    for dataset in results.sets:
        verdict = judge(dataset)
        blocks.append(sentence(dataset, verdict))
        if verdict.kind in ("best", "tie"):
            pictures.append(_scores(dataset, verdict, folder))
    if pictures:
        caption = "Points: `fd_classifier`. Lines and shade: 95 % intervals."
        blocks.append(Gallery(caption, "plot", pictures))
    return Section("Which generator is best?", "answer", blocks)


def _scores(dataset: SetResult, verdict: Verdict, folder: Path) -> Picture:
    runs = [run for run in tables.ranked(dataset.runs, verdict) if run.metric("fd_classifier") is not None]
    ends = {"value": "", "low": "_low", "high": "_high"}
    table = pd.DataFrame({key: [run.metric(f"fd_classifier{end}") for run in runs] for key, end in ends.items()})
    table.insert(0, "run", [run.name for run in runs])
    floor, _ = floor_of(runs[0], dataset.floor)
    key, name = "fd_classifier_floor", figures.slug("scores", dataset.name)
    bounds = (floor[key], floor.get(f"{key}_low"), floor.get(f"{key}_high")) if floor else None
    figures.scores(folder / name, table, bounds)
    values = numbers.column(list(table["value"]), numbers.decimals_for(list(table["value"])))
    told = ", ".join(f"{run.name} {value}" for run, value in zip(runs, values, strict=True))
    alt = f"Scores of the runs on {dataset.name} with their intervals, best first: {told}."
    return Picture(name, alt, f"{dataset.name}: {_protocol(runs[0])}.")


def _protocol(run: RunResult) -> str:
    return f"N = {numbers.count(run.metric('n'))} samples against the {SPLITS[run.metric('reference_split')]} images"


def _value(scores: dict[str, Any], key: str) -> str:
    """A score with its interval, for a sentence."""
    score, low, high = scores[key], scores.get(f"{key}_low"), scores.get(f"{key}_high")
    half = [(high - low) / 2] if low is not None and high is not None else []
    decimals = numbers.decimals_for([score], half)
    value = numbers.column([score], decimals)[0]
    return f"{value} {numbers.interval(low, high, decimals)}" if half else f"{value} (no interval)"


def sentence(dataset: SetResult, verdict: Verdict) -> Text:
    """The answer for one data set in words; intervals are in brackets."""
    name = dataset.name
    if verdict.kind == "none":
        return Text("No run has a score.", f"{name}: no answer yet.")
    if verdict.kind == "incomparable":
        return Text(f"{_capital(' and '.join(verdict.reasons))}. No winner is named.", f"{name}: cannot be compared.")
    first = verdict.runs[0]
    told = "; ".join(f"`{run.name}` {_value(run.metrics or {}, 'fd_classifier')}" for run in verdict.runs)
    end = f"{_floor(first, dataset)} {_capital(_protocol(first))}."
    if verdict.kind == "single":
        return Text(f"`fd_classifier` of {told}. {end}", f"{name}: only {first.name} has a score.")
    if verdict.kind == "unknown":
        why = "has the lowest score, but not every run has an interval, so no winner is named"
        return Text(f"{told} {why}. {end}", f"{name}: undecided.")
    if verdict.kind == "tie":
        why = f"Their 95 % intervals of `fd_classifier` overlap: {told}."
        return Text(f"{why} {end}", f"{name}: a tie between {' and '.join(run.name for run in verdict.runs)}.")
    second = next(run for run in tables.ranked(dataset.runs, verdict) if run is not first)
    rest = f"next is `{second.name}` {_value(second.metrics or {}, 'fd_classifier')}"
    return Text(f"`fd_classifier` of {told}, {rest}. {end}", f"{name}: {first.name} is best.")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _floor(run: RunResult, dataset: SetResult) -> str:
    floor, reason = floor_of(run, dataset.floor)
    if floor is None:
        return f"{_capital(reason)}."
    told = f"Real images against real images at the same N: {_value(floor, 'fd_classifier_floor')}"
    high, low = floor.get("fd_classifier_floor_high", floor["fd_classifier_floor"]), run.metric("fd_classifier_low")
    if low is not None and low <= high:
        told += "; by this score the samples cannot be told from real images"
    return f"{told}."


def _methods(results: Results) -> Section:
    evaluation, sampling = results.config.evaluation, results.config.sampling
    return Section(
        "Methods",
        "methods",
        [
            Text(
                "A small classifier is trained on each data set. Its last hidden layer gives features, and "
                "`fd_classifier` is the Fréchet distance between two Gaussians fitted to the features of real images "
                "(mean μ_r, covariance Σ_r) and of generated images (μ_g, Σ_g), as in Heusel et al. 2017, eq. 6:"
            ),
            FRECHET,
            Text(
                "It is not FID, which uses Inception features; a score is called `fid` only where those were used. "
                f"Each run draws {sampling.images:,} images; {evaluation.samples:,} of them are scored against the "
                f"{SPLITS[evaluation.reference_split]} images. Seed {results.config.seed} fixes all randomness: each "
                "training step and each image has its own stream. The score depends on N, on the reference, on the "
                "resampling of the data and on the features: scores that differ in one of them are not compared here."
            ),
            Text(
                f"Intervals hold 95 % of {evaluation.bootstrap_resamples} bootstrap resamples of the images drawn. "
                "Where the lowest score's interval overlaps others, they tie. The floor is the score of real images "
                "of the same N; below it a generator cannot be told from real images. One training run stands behind "
                "each score: the intervals do not cover what another training seed would change."
            ),
            Text(
                "Entropy is that of the classes that the classifier sees in the samples, in bits. A class counts as "
                f"covered from {evaluation.mode_share:g} times its share of the real images on. Accuracy is the share "
                "of a conditional generator's samples that the classifier gives the class they were drawn for."
            ),
        ],
    )


def _reproduce(results: Results) -> Section:
    compute = results.config.compute
    run = results.runs[0].name if results.runs else "NAME"
    commands = (
        "make repro                      # sets up the environment, runs what has changed\n"
        "dvc repro                       # the same, in an environment that is set up\n"
        f"dvc repro {f'evaluate@{run}':<22}# one run up to its score\n"
        "python stages/report.py         # this report alone, from the results that are there"
    )
    versions = [Row("Python", [platform.python_version()]), *(Row(name, [_version(name)]) for name in PACKAGES)]
    versions += [
        Row("device", [compute.device]), Row("CPU threads", [str(compute.threads)]),
        Row("precision", [compute.precision]), Row("torch.compile", ["on" if compute.compile else "off"]),
    ]  # fmt: skip
    hashes = [
        Row(dataset.name, ["data set", f"`{dataset.facts['sha256']}`"]) for dataset in results.sets if dataset.facts
    ]
    for dataset in results.sets:
        features = sorted({run.metric("features_sha256") for run in dataset.runs} - {None})
        hashes += [Row(dataset.name, ["classifier", f"`{value}`"]) for value in features]
    hashes += [Row(run.name, [kind, f"`{value}`"]) for run in results.runs for kind, value in run.hashes.items()]
    return Section(
        "Repeat it",
        "repeat",
        [
            Code("Commands, from the repository's root.", commands),
            Table("What this page was made with.", ["name", "version or value"], versions, [False, False]),
            Table("sha256 of files.", ["of", "file", "sha256"], hashes, [False] * 3, folded=True),
            Text(
                "Results repeat to the last bit for one kind of processor, one version of torch and one thread count."
            ),
        ],
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _settings(results: Results) -> Section:
    blocks: list[Block] = [
        Code(f"{run.name}: {run.family} with {run.net} on {run.dataset}", _yaml(run), folded=True)
        for run in results.runs
    ]
    return Section("Settings of every run", "settings", [Text("As resolved from params.yaml."), *blocks])


def _yaml(run: RunResult) -> str:
    return "\n".join(f"# configs/{stage}/{run.name}.yaml\n{text}" for stage, text in run.settings.items())
