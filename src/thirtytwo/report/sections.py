"""The order of the report: the page's sections, and the blocks of the front page."""

import platform
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from thirtytwo.report import comparison, dataset, methods, overview, questions, targets
from thirtytwo.report.blocks import Block, Code, Gallery, Notice, Row, Section, Showcase, Table, Text
from thirtytwo.report.results import Results, RunResult

__all__ = ["Report", "build"]

PACKAGES = ("torch", "torchvision", "numpy", "scipy", "pandas", "matplotlib", "pillow", "dvc", "clean-fid")
_MOVING, _ROWS = 4, 6  # animations, and runs of each data set, on the front page


@dataclass(frozen=True)
class Report:
    """The whole report.

    Attributes:
        sections: everything, for the HTML page.
        front: pictures and headline scores, for Markdown; without durations, so that its bytes depend on the results
            alone.
    """

    sections: list[Section]
    front: list[Block]


def build(results: Results, folder: Path) -> Report:
    """The report of all results; pictures are written to `folder`."""
    first, moving = overview.section(results, folder), overview.motion(results, folder)
    sections = [
        first,
        *([moving] if moving else []),
        *(dataset.section(one, results, folder) for one in results.sets),
        questions.section(results),
        targets.section(results),
        methods.section(results),
        _reproduce(results),
        _settings(results),
    ]
    return Report(sections, _front(results, first, moving))


def _front(results: Results, first: Section, moving: Section | None) -> list[Block]:
    blocks: list[Block] = [block for block in first.blocks if isinstance(block, Notice | Showcase | Gallery | Text)]
    for one in results.sets:
        table = comparison.headline(one)
        if table.rows:
            more = f" {len(table.rows) - _ROWS} more are on the page." if len(table.rows) > _ROWS else ""
            blocks.append(replace(table, rows=table.rows[:_ROWS], caption=table.caption + more))
    animations = [block for block in moving.blocks if isinstance(block, Gallery)][:2] if moving else []
    for gallery in animations:
        blocks.append(replace(gallery, pictures=gallery.pictures[: _MOVING // 2]))
    return [*blocks, _commands(results)]


def _commands(results: Results) -> Code:
    run = results.runs[0].name if results.runs else "NAME"
    return Code(
        "Run these in the repository's root.",
        "make repro                      # set up the environment and run what has changed\n"
        "dvc repro                       # the same in an existing environment\n"
        f"dvc repro {f'evaluate@{run}':<22}# one run up to its scores\n"
        "python stages/report.py         # only this report, from the existing results",
    )


def _reproduce(results: Results) -> Section:
    compute = results.config.compute
    versions = [Row("Python", [platform.python_version()]), *(Row(name, [_version(name)]) for name in PACKAGES)]
    versions += [
        Row("device", [compute.device]), Row("CPU threads", [str(compute.threads)]),
        Row("precision", [compute.precision]), Row("torch.compile", ["on" if compute.compile else "off"]),
    ]  # fmt: skip
    hashes = [Row(one.name, ["data set", f"`{one.facts['sha256']}`"]) for one in results.sets if one.facts]
    for one in results.sets:
        features = sorted({run.metric("features_sha256") for run in one.runs} - {None})
        hashes += [Row(one.name, ["classifier", f"`{value}`"]) for value in features]
    hashes += [Row(run.name, [kind, f"`{value}`"]) for run in results.runs for kind, value in run.hashes.items()]
    return Section(
        "Reproduce it",
        "reproduce",
        [
            _commands(results),
            Table("Software and settings behind this page.", ["name", "value"], versions, [False, False]),
            Table("sha256 of files.", ["name", "file", "sha256"], hashes, [False] * 3, folded=True),
            Text("Results repeat bit for bit on the same kind of processor, version of torch and number of threads."),
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
    return Section("Settings of every run", "settings", [Text("As resolved from params.yaml."), *blocks], folded=True)


def _yaml(run: RunResult) -> str:
    return "\n".join(f"# configs/{stage}/{run.name}.yaml\n{text}" for stage, text in run.settings.items())
