"""Runs and their scores in sentences."""

from collections.abc import Sequence

from thirtytwo.evaluate.comparison import compare
from thirtytwo.report import numbers
from thirtytwo.report.results import RunResult, SetResult

__all__ = ["beats", "besides", "groups", "listed", "lowest", "score"]


def groups(dataset: SetResult, family: str, metric: str, free: Sequence[str]) -> list[list[RunResult]]:
    """Runs of one family, network and data set that were scored and differ in their settings `free` alone."""
    found: dict[str, list[RunResult]] = {}
    for run in dataset.runs:
        if run.family == family and run.metric(metric) is not None and all(key in run.model for key in free):
            same = {key: value for key, value in run.model.items() if key not in free}
            found.setdefault(f"{run.net} {sorted(same.items())}", []).append(run)
    return [group for group in found.values() if len(group) > 1]


def besides(runs: list[RunResult], known: Sequence[str]) -> str:
    """A sentence on the settings in which runs differ besides `known`; empty where there is none."""
    keys = {key for run in runs for key in run.model} - {*known}
    other = sorted(key for key in keys if len({str(run.model.get(key)) for run in runs}) > 1)
    return f" The runs also differ in {listed(other)}." if other else ""


def score(run: RunResult, key: str) -> str:
    """A score with its interval, for a sentence."""
    cell = numbers.scored([run.score(key)])[0]
    return cell.replace("\n", " ")


def lowest(runs: list[RunResult], key: str) -> str:
    """A sentence on the run with the lowest score."""
    return f"The lowest is that of `{min(runs, key=lambda run: run.metric(key)).name}`."


def beats(a: RunResult, b: RunResult) -> str:
    """In words which of two runs is better by `fd_classifier`, or why that cannot be said."""
    found = compare(a.metrics or {}, b.metrics or {}, "fd_classifier")
    if found.verdict == "incomparable":
        return f"not comparable ({found.reason.rstrip('.')})"
    return {"a": f"`{a.name}` is better", "b": f"`{b.name}` is better", "tie": "a tie"}[found.verdict]


def listed(names: Sequence[str]) -> str:
    """Names as `a`, `b` and `c`."""
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
