"""Which run is best: only among scores of one protocol, and only where the difference is beyond chance."""

from dataclasses import dataclass
from typing import Any, Literal

from thirtytwo.evaluate.comparison import PROTOCOL, compare, differences, short
from thirtytwo.report.results import RunResult, SetResult

__all__ = ["Verdict", "floor_of", "judge"]


@dataclass(frozen=True)
class Verdict:
    """The answer for one data set.

    Attributes:
        kind: "best": one run alone; "tie": several that differ by no more than chance; "single": one score only;
            "unknown": no interval, so no order; "incomparable": the protocols differ; "none": no scores.
        runs: the winner, or those tied, lowest score first.
        reasons: for "incomparable", one phrase for each difference.
    """

    kind: Literal["best", "tie", "single", "unknown", "incomparable", "none"]
    runs: tuple[RunResult, ...]
    reasons: tuple[str, ...] = ()

    def mark(self, run: RunResult) -> str:
        """The word that marks the run in a table; empty for all but the winners."""
        words = {"best": "best", "tie": "tied"}
        return words.get(self.kind, "") if run in self.runs else ""


def judge(dataset: SetResult) -> Verdict:
    """Compares the runs of a data set by `fd_classifier`, lower being better."""
    scored = [run for run in dataset.runs if run.metric("fd_classifier") is not None]
    if not scored:
        return Verdict("none", ())
    if reasons := differences({f"`{run.name}`": run.metrics or {} for run in scored}):
        return Verdict("incomparable", (), reasons)
    ranked = sorted(scored, key=lambda run: run.metric("fd_classifier"))
    if len(ranked) == 1:
        return Verdict("single", (ranked[0],))
    if any(run.metric("fd_classifier_low") is None or run.metric("fd_classifier_high") is None for run in ranked):
        return Verdict("unknown", (ranked[0],))
    first = ranked[0]
    held = [(run, compare(first.metrics or {}, run.metrics or {}, "fd_classifier")) for run in ranked[1:]]
    if refused := tuple(dict.fromkeys(found.reason for _, found in held if found.verdict == "incomparable")):
        return Verdict("incomparable", (), refused)
    tied = [run for run, found in held if found.verdict == "tie"]
    return Verdict("tie" if tied else "best", (first, *tied))


def floor_of(run: RunResult, floor: dict[str, Any] | None) -> tuple[dict[str, Any] | None, str]:
    """The floor that a run's score may be held against, else None and why not.

    The floor's reference may be smaller than the score's, since its images must not be scored as well.
    """
    if not floor or floor.get("fd_classifier_floor") is None:
        return None, "no floor was measured"
    for key in ("n", "reference_split", "resampler", "features_sha256"):
        if floor.get(key) != run.metric(key):
            sides = f"{short(floor.get(key))} for the floor, {short(run.metric(key))} for the score"
            return None, f"the floor cannot be compared with it, since {PROTOCOL[key]} is {sides}"
    return floor, ""
