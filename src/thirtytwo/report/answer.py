"""The answer: which generator is best on which data, by how much, and how sure that is."""

from pathlib import Path
from typing import Any

import pandas as pd

from thirtytwo.report import figures, numbers
from thirtytwo.report.blocks import Block, Gallery, Notice, Picture, Row, Section, Table, Text
from thirtytwo.report.comparison import floor_ratio, ranked
from thirtytwo.report.results import Results, RunResult, SetResult
from thirtytwo.report.verdict import Verdict, floor_of, judge

__all__ = ["SPLITS", "section", "sentence"]

SPLITS = {"train": "training", "test": "test"}


def section(results: Results, folder: Path) -> Section:
    """A table over all data sets, a sentence on each, and their scores with intervals."""
    blocks: list[Block] = []
    lost = [run.name for run in results.runs if run.metrics is None]
    if lost:
        names = ", ".join(f"`{name}`" for name in lost)
        blocks.append(Notice(f"{len(lost)} of {len(results.runs)} runs have no score yet: {names}."))
    blocks.append(_glance(results))
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


def _glance(results: Results) -> Table:
    """One row a data set."""
    rows = []
    for dataset in results.sets:
        verdict = judge(dataset)
        scored = [run for run in ranked(dataset.runs, verdict) if run.metric("fd_classifier") is not None]
        words = {"best": "clear of all others", "tie": f"a tie of {len(verdict.runs)}", "single": "alone",
                 "unknown": "no interval", "incomparable": "not comparable", "none": "no score"}  # fmt: skip
        cells = [words[verdict.kind], *[numbers.MISSING] * 4, f"{len(scored)} of {len(dataset.runs)}"]
        if verdict.runs:
            first, rest = verdict.runs[0], [run for run in scored if run not in verdict.runs]
            cells[1] = _stacked(first)
            cells[2] = f"{rest[0].name}\n{_ahead(first, rest[0])}" if rest else numbers.MISSING
            ratio = floor_ratio(first, dataset)
            cells[3] = f"{ratio:,.3g} times" if ratio is not None else numbers.MISSING
            cells[4] = _sure(first)
        best = " and ".join(run.name for run in verdict.runs) or numbers.MISSING
        rows.append(Row(dataset.name, [best, *cells]))
    columns = ["data set", "lowest score", "verdict", "FD", "next", "above the floor", "interval over", "runs scored"]
    caption = (
        "All data sets at a glance. FD: `fd_classifier` with its 95 % interval, lower is better; next: the best of "
        "those that are clearly worse, and by how much; above the floor: FD over that of real images against real "
        "images at the same N."
    )
    return Table(caption, columns, rows, [False, False, False, True, False, True, False, True])


def _stacked(run: RunResult) -> str:
    return numbers.scored([run.score("fd_classifier")])[0]


def _ahead(first: RunResult, other: RunResult) -> str:
    return f"{other.metric('fd_classifier') / first.metric('fd_classifier'):.2f} times as far"


def _sure(run: RunResult) -> str:
    count = run.metric("seeds") or 1
    return f"{count} training seeds" if count > 1 else "samples of one training"


def _scores(dataset: SetResult, verdict: Verdict, folder: Path) -> Picture:
    runs = [run for run in ranked(dataset.runs, verdict) if run.metric("fd_classifier") is not None]
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
        why = f"What they differ by in `fd_classifier` may be chance: {told}."
        return Text(f"{why} {end}", f"{name}: a tie between {' and '.join(run.name for run in verdict.runs)}.")
    second = next(run for run in ranked(dataset.runs, verdict) if run is not first)
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
