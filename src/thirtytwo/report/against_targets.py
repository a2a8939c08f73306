"""Measured values beside the numbers of the documents."""

from typing import Any

from thirtytwo.report import numbers
from thirtytwo.report.blocks import Row, Section, Table, Text
from thirtytwo.report.results import Results, RunResult
from thirtytwo.report.targets import TARGETS, Target

__all__ = ["judged", "section"]


def section(results: Results) -> Section:
    """Every target whose run has been measured on the target's own data."""
    rows = []
    for target in TARGETS:
        for dataset in results.sets:
            for run in dataset.runs:
                if (
                    run.name == target.run
                    and dataset.kind == target.kind
                    and _classes(dataset.settings) == target.classes
                ):
                    rows += _row(target, run, dataset.name)
    if not rows:
        text = (
            "The documents name numbers for CUB-200-2011, CIFAR-10, MNIST and Fashion-MNIST. None of them is shown, "
            "since no run here was scored on those data by those metrics; `make scale SCALE=paper` puts the runs in "
            "place that can be."
        )
        return Section("Beside the documents' numbers", "targets", [Text(text)])
    caption = (
        "Numbers that the documents name, beside what was measured here on the same data by the same metric. Where "
        "conditions differ, nothing is said to be met or missed."
    )
    columns = ["run", "data", "metric", "measured", "target", "judgement", "its conditions", "source"]
    numeric = [False, False, False, True, True, False, False, False]
    return Section("Beside the documents' numbers", "targets", [Table(caption, columns, rows, numeric)])


def _classes(settings: dict[str, Any]) -> tuple[str, ...]:
    return tuple(settings["classes"])


def _row(target: Target, run: RunResult, dataset: str) -> list[Row]:
    value, low, high = (_value(run, target.metric + end) for end in ("", "_low", "_high"))
    if value is None:
        return []
    words = {"below": "below ", "above": "above ", "near": ""}[target.direction]
    cells = [dataset, f"`{target.metric}`", *numbers.scored([(value, low, high)]), f"{words}{target.limit:g}"]
    return [Row(run.name, [*cells, judged(target, run), target.conditions, target.source])]


def _value(run: RunResult, key: str) -> float | None:
    value = run.metric(key)
    return (run.training or {}).get(key) if value is None else value


def judged(target: Target, run: RunResult) -> str:
    """In words whether the target is met, or why that cannot be said."""
    other = [
        f"{key} is {run.model.get(key)}, not {value}"
        for key, value in target.needs.items()
        if run.model.get(key) != value
    ]
    n = run.metric("fid_n" if target.metric == "fid" else "n")
    if target.n is not None and n != target.n:
        other.append(f"N is {numbers.count(n)}, not {numbers.count(target.n)}")
    if other:
        return f"not judged: {'; '.join(other)}"
    value = _value(run, target.metric)
    assert value is not None
    if target.direction == "near":
        return f"reported there; here {value / target.limit - 1:+.0%}".replace("%", " %")
    return "met" if (value < target.limit) == (target.direction == "below") else "missed"
