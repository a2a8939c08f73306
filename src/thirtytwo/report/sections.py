"""What the report says, in order: the answer, one section a data set, questions, targets, methods, repetition."""

import platform
from importlib import metadata
from pathlib import Path

from thirtytwo.report import against_targets, answer, methods
from thirtytwo.report import dataset as dataset_section
from thirtytwo.report.answers import QUESTIONS
from thirtytwo.report.blocks import Block, Code, Row, Section, Table, Text
from thirtytwo.report.results import Results, RunResult

__all__ = ["build"]

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "pandas", "matplotlib", "pillow", "dvc", "clean-fid")


def build(results: Results, folder: Path) -> list[Section]:
    """All sections; pictures are written to `folder`."""
    return [
        answer.section(results, folder),
        *(dataset_section.section(dataset, results, folder) for dataset in results.sets),
        _questions(results),
        against_targets.section(results),
        methods.section(results),
        _reproduce(results),
        _settings(results),
    ]


def _questions(results: Results) -> Section:
    """The questions that the results here can answer, and what the others take."""
    parts, open_ones = [], []
    for place, question in enumerate(QUESTIONS):
        found = [(dataset.name, text) for dataset in results.sets if (text := question.answer(dataset))]
        asked = Text(f"Asked by {' and '.join(question.sources)}.")
        if found:
            blocks: list[Block] = [asked, *(Text(text, f"Measured on {name}:") for name, text in found)]
            parts.append(Section(question.asked, f"question-{place}", blocks))
        else:
            open_ones.append(Row(question.asked, [" and ".join(question.sources), question.takes]))
    intro = "Answered from this page's numbers alone; where they contradict what is taught, the numbers stand."
    blocks = [Text(intro)]
    if open_ones:
        caption = "Not answered here, since no data set has the runs that it takes."
        blocks.append(Table(caption, ["question", "asked by", "takes"], open_ones, [False] * 3))
    return Section("Questions the courses ask", "questions", blocks, parts)


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
