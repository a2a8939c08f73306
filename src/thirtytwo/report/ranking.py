"""Rank the runs of a data set: only scores of one protocol, and only differences beyond chance."""

from dataclasses import dataclass, field
from typing import Literal

from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate.comparison import PROTOCOL, SecondOpinion, differences, rank, second_opinion, short
from thirtytwo.report.results import RunResult, SetResult

__all__ = ["Verdict", "floor_of", "floor_ratio", "judge", "ranked"]


@dataclass(frozen=True)
class Verdict:
    """The outcome for one data set.

    Attributes:
        kind: "best": one run beats all others; "tie": the best runs differ by no more than chance; "single": only one
            run has a score; "unknown": a score without an interval, so no order; "incomparable": the protocols differ;
            "none": no scores.
        runs: the winner, or the tied runs, lowest score first.
        reasons: for "incomparable", one phrase for each difference.
        better: pairs (a, b) of names of which a beats b, with all runs compared at once.
        second: what the second classifier says of these pairs.
    """

    kind: Literal["best", "tie", "single", "unknown", "incomparable", "none"]
    runs: tuple[RunResult, ...]
    reasons: tuple[str, ...] = ()
    better: frozenset[tuple[str, str]] = frozenset()
    second: SecondOpinion = field(default_factory=SecondOpinion)

    @property
    def doubt(self) -> SecondOpinion:
        """What the second classifier says of the winner, or of the tied runs, against the runs that they beat."""
        return self.second.of([run.name for run in self.runs])

    def mark(self, run: RunResult) -> str:
        """The badge of a winner: "best", "tied", or "lowest FD" where the second classifier doubts it; else empty."""
        words = {"best": "lowest FD" if self.doubt.doubts else "best", "tie": "tied"}
        return words.get(self.kind, "") if run in self.runs else ""


def judge(dataset: SetResult) -> Verdict:
    """Compares the runs of a data set by `fd_classifier`; lower is better. `fd_second` gives a second opinion."""
    scored = [run for run in dataset.runs if run.scored]
    if not scored:
        return Verdict("none", ())
    if reasons := differences({f"`{run.name}`": run.measured.protocol for run in scored}):
        return Verdict("incomparable", (), reasons)
    order = sorted(scored, key=lambda run: run.metric("fd_classifier"))
    if len(order) == 1:
        return Verdict("single", (order[0],))
    estimates = [run.estimate("fd_classifier") for run in order]
    if any(estimate.low is None or estimate.high is None for estimate in estimates):
        return Verdict("unknown", (order[0],))
    ranking = rank({run.name: run.estimate("fd_classifier") for run in order}, lower=True)
    leaders = tuple(run for run in order if run.name in ranking.leaders)
    second = second_opinion({run.name: run.measured for run in order}, ranking.better)
    return Verdict("best" if len(leaders) == 1 else "tie", leaders, better=ranking.better, second=second)


def ranked(runs: list[RunResult], verdict: Verdict) -> list[RunResult]:
    """Runs by score, lowest first and those without a score last; unchanged if the scores cannot be compared."""
    if verdict.kind in ("incomparable", "none"):
        return runs
    return sorted(runs, key=lambda run: (not run.scored, run.metric("fd_classifier")))


def floor_of(run: RunResult, dataset: SetResult) -> tuple[Estimate, str]:
    """The `fd_classifier` of real images that a run's score can be compared with; without a value, the reason why not.

    The floor's images are drawn like the run's samples, at random or within classes. Its reference may be smaller than the
    score's, because images that are scored cannot also be the reference.
    """
    floor = dataset.floor.within_classes if run.within_classes else dataset.floor
    if floor.estimate("fd_classifier").value is None:
        return Estimate(None), "no floor was measured"
    for key in ("n", "reference_split", "resampler", "features_sha256"):
        if floor.metric(key) != run.metric(key):
            sides = f"{short(floor.metric(key))} for the floor and {short(run.metric(key))} for the score"
            return Estimate(None), f"the floor cannot be compared with this score: {PROTOCOL[key]} is {sides}"
    return floor.estimate("fd_classifier"), ""


def floor_ratio(run: RunResult, dataset: SetResult) -> float | None:
    """A run's score as a multiple of its floor; None if they cannot be compared."""
    floor, _ = floor_of(run, dataset)
    return run.metric("fd_classifier") / floor.value if floor.value and floor.value > 0 and run.scored else None
