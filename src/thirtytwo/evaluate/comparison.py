"""Is one run better than another? Only scores of one protocol are compared; the difference has an interval."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from thirtytwo.core.intervals import Estimate, Z
from thirtytwo.evaluate.scorecard import Fact, Measured
from thirtytwo.runtime.errors import EvaluationError

__all__ = [
    "HIGHER", "LOWER", "PROTOCOL", "RANGES", "Comparison", "Ranking", "SecondOpinion", "comparable", "compare", "differences", "lower_is_better", "rank",
    "second_opinion", "short", "source", "subtract",
]  # fmt: skip

# What two scores must share to be compared, with a phrase for each.
PROTOCOL = {
    "n": "the number of samples N",
    "reference_n": "the number of reference images",
    "reference_split": "the reference split",
    "resampler": "the resampler",
    "features_sha256": "the features (classifier weights)",
}
_INCEPTION = {
    "n": "the number of samples N",
    "reference_n": "the number of reference images",
    "statistics": "the reference statistics",
    "mode": "the way of resizing and of computing features",
    "features_sha256": "the features (weights of their network)",
}
_FID, _FID_LEGACY = ({f"{score}_{key}": words for key, words in _INCEPTION.items()} for score in ("fid", "fid_legacy"))
_NEIGHBOURS = {
    "prdc_k": "the rank k of the neighbour",
    "prdc_n": "the number of samples N",
    "prdc_reference_n": "the number of reference images",
}
_SECOND = {key: words for key, words in PROTOCOL.items() if key != "features_sha256"} | {
    "second_sha256": "the second classifier (weights)"
}
_PROTOCOLS = {
    "fd_second": _SECOND,
    "accuracy_second": _SECOND,
    **dict.fromkeys(("precision", "recall", "density", "coverage"), PROTOCOL | _NEIGHBOURS),
}

LOWER = (
    "fd_classifier",
    "fd_second",
    "fd_classifier_infinity",
    "kid_classifier",
    "fid",
    "kid",
    "fid_legacy",
    "kid_legacy",
)
HIGHER = ("precision", "recall", "density", "coverage", "accuracy", "accuracy_second")
_NETWORK = re.compile(r"(fid|kid|fd|precision|recall|density|coverage)(?:_([a-z][a-z0-9]*))?\Z")
# Scores whose ends are a range of outcomes, not an interval; each with the score to compare in its place.
RANGES = {"best_of_5_accuracy": "accuracy"}


@dataclass(frozen=True)
class Comparison:
    """The outcome of comparing two runs by one score.

    Attributes:
        verdict: "a" or "b": that one is better, beyond chance; "tie": the difference may be chance; "incomparable".
        reason: one sentence.
        difference: the first score less the second, with its 95 % interval; None where incomparable.
    """

    verdict: Literal["a", "b", "tie", "incomparable"]
    reason: str
    difference: Estimate | None = None


def comparable(*sides: Measured) -> list[str]:
    """The scores that can be compared and that all sides have: those of LOWER and HIGHER, then those of users' spaces."""
    own = dict.fromkeys(
        score for side in sides for score in side.scores if score not in LOWER + HIGHER and _space(score)
    )
    return [score for score in (*LOWER, *HIGHER, *own) if all(side.estimate(score).value is not None for side in sides)]


def _space(score: str) -> str | None:
    """The Fréchet distance in the feature space of `score`: "fid" for "kid", "fd_<name>" for "recall_<name>"."""
    match = _NETWORK.match(score)
    if not match or score in _PROTOCOLS or score in ("fd_classifier", "kid_classifier"):
        return None
    kind, name = match.groups()
    if name in (None, "legacy"):
        return score.replace("kid", "fid") if kind in ("fid", "kid") else None
    return f"fd_{name}" if kind != "fid" else None


def _shared(score: str) -> Mapping[str, str]:
    """What two values of `score` must share to be compared, with a phrase for each."""
    if (distance := _space(score)) is None:
        return _PROTOCOLS.get(score, PROTOCOL)
    shared = {f"{distance}_{key}": words for key, words in _INCEPTION.items()}
    if score.startswith(("fid", "kid", "fd")):
        return shared
    name = distance.removeprefix("fd_")
    return shared | {f"{key}_{name}": words for key, words in _NEIGHBOURS.items()}


def lower_is_better(score: str) -> bool:
    """Whether a lower value of a score that can be compared is better."""
    return score in LOWER or score.startswith(("fd_", "kid_"))


def compare(a: Measured, b: Measured, score: str) -> Comparison:
    """Compare two runs by `score`, one of those that `comparable` gives.

    The interval of the difference is computed from those of the two runs (Zou and Donner 2008, MOVER), which may be
    asymmetric: L = a - b - ((a - l_a)^2 + (u_b - b)^2)^(1/2), U alike. The runs are independent given
    the reference. A run is better where 0 lies outside. Two intervals that just touch differ by this test; to
    require that they do not overlap would be a test at about 0.6 %, not 5 %.

    Raises:
        EvaluationError: an unknown score, or one whose ends are a range of outcomes.
    """
    if score in RANGES:
        raise EvaluationError(
            f"score '{score}' has a range of outcomes, not an interval of a quantity; compare {RANGES[score]}"
        )
    if score not in LOWER + HIGHER and _space(score) is None:
        raise EvaluationError(f"score '{score}' cannot be compared; expected one of {', '.join(LOWER + HIGHER)}")
    both = {"the first": a, "the second": b}
    first, second = a.estimate(score), b.estimate(score)
    for name, estimate in zip(both, (first, second), strict=True):
        if estimate.value is None:
            return Comparison("incomparable", f"{name} has no {score}.")
        if estimate.low is None or estimate.high is None:
            return Comparison("incomparable", f"{name} has no interval of {score}.")
    protocols = {name: measured.protocol for name, measured in both.items()}
    if phrases := differences(protocols, _shared(score)):
        return Comparison("incomparable", f"{_capital(' and '.join(phrases))}.")
    difference = subtract(first, second)
    value, low, high = (_known(end) for end in (difference.value, difference.low, difference.high))
    sentence = f"{score} {first.value:.4g} and {second.value:.4g} differ by {value:.3g} [{low:.3g}, {high:.3g}]"
    if low <= 0 <= high:
        return Comparison("tie", f"{sentence}, which may be chance{source(a, b)}.", difference)
    verdict: Literal["a", "b"] = "a" if (value < 0) == lower_is_better(score) else "b"
    better = "the first" if verdict == "a" else "the second"
    return Comparison(verdict, f"{sentence}, beyond chance, in favour of {better}{source(a, b)}.", difference)


def subtract(a: Estimate, b: Estimate) -> Estimate:
    """a - b of independent estimates, with the interval of Zou and Donner 2008; both have intervals."""
    (value_a, low_a, high_a), (value_b, low_b, high_b) = (
        (_known(one.value), _known(one.low), _known(one.high)) for one in (a, b)
    )
    difference = value_a - value_b
    low = difference - float(np.hypot(value_a - low_a, high_b - value_b))
    high = difference + float(np.hypot(high_a - value_a, value_b - low_b))
    return Estimate(difference, low, high)


def differences(protocols: Mapping[str, Mapping[str, Fact]], shared: Mapping[str, str] = PROTOCOL) -> tuple[str, ...]:
    """One phrase for each key of `shared` in which protocols, by their names in the text, differ."""
    phrases = []
    for key, words in shared.items():
        values: dict[str, list[str]] = {}
        for name, protocol in protocols.items():
            values.setdefault(short(protocol.get(key)), []).append(name)
        if len(values) > 1:
            sides = "; ".join(f"{value} for {', '.join(names)}" for value, names in values.items())
            phrases.append(f"{words} differs ({sides})")
    return tuple(phrases)


def short(value: object) -> str:
    """A protocol value for a sentence; hashes by their first 12 digits."""
    text = str(value)
    return text[:12] if len(text) == 64 else text


def source(a: Measured, b: Measured) -> str:
    """What the intervals of a comparison cover, in brackets at the end of a sentence."""
    over = sorted({str(measured.protocol.get("interval_over", "samples")) for measured in (a, b)})
    these = ": of these two trained models, not of their methods" if over == ["samples"] else ""
    return f" (intervals over {' and '.join(over)}{these})"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


@dataclass(frozen=True)
class Ranking:
    """Several runs by one score, with all pairs compared at once.

    Attributes:
        order: names, best value first.
        leaders: the best and those that it does not beat, in that order; one alone is the best.
        better: pairs (a, b) of which a is better than b.
        factor: how much wider than its own interval each difference is taken so that all hold at once; 1 for a pair.
    """

    order: tuple[str, ...]
    leaders: tuple[str, ...]
    better: frozenset[tuple[str, str]]
    factor: float


def rank(estimates: Mapping[str, Estimate], *, lower: bool) -> Ranking:
    """Compare all runs with one another, so that among equal runs any difference is claimed in 5 % of cases at most.

    The intervals of all differences hold at once with a probability of 95 % (Tukey-Kramer with unequal variances, as in
    Hochberg and Tamhane 1987, chapter 3): each is `subtract`'s, wider by the 95 % point of the largest standardised
    difference among independent normal variables of the runs' standard errors, over 1.96. Hsu's comparisons with the
    best alone would be narrower, but count the exclusion of a run that is equal to the best as no error.

    Args:
        estimates: by name; each with an interval, of one protocol.
        lower: whether lower is better.

    Raises:
        EvaluationError: an estimate has no interval.
    """
    for name, estimate in estimates.items():
        if estimate.value is None or estimate.low is None or estimate.high is None:
            raise EvaluationError(f"{name}: the score has no interval, so it cannot be ranked")
    order = sorted(estimates, key=lambda name: _known(estimates[name].value) * (1 if lower else -1))
    factor = _simultaneous(tuple(_error(estimates[name]) for name in order)) / Z if len(order) > 2 else 1.0
    better = set()
    for place, one in enumerate(order):
        for other in order[place + 1 :]:
            first, second = (estimates[one], estimates[other]) if lower else (estimates[other], estimates[one])
            difference = subtract(first, second)
            if _known(difference.value) + factor * (_known(difference.high) - _known(difference.value)) < 0:
                better.add((one, other))
    leaders = [name for name in order if (order[0], name) not in better]
    return Ranking(tuple(order), tuple(leaders), frozenset(better), factor)


@dataclass(frozen=True)
class SecondOpinion:
    """What `fd_second` says of pairs (a, b) of which a is better than b by `fd_classifier`.

    Attributes:
        asked: whether all runs have fd_second, with intervals and under one protocol; otherwise the rest is empty.
        reversed: pairs of which b is better by fd_second.
        unconfirmed: pairs that fd_second cannot tell apart.
    """

    asked: bool = False
    reversed: frozenset[tuple[str, str]] = frozenset()
    unconfirmed: frozenset[tuple[str, str]] = frozenset()

    @property
    def doubts(self) -> bool:
        """Whether a pair is not confirmed."""
        return bool(self.reversed or self.unconfirmed)

    def of(self, names: Collection[str]) -> "SecondOpinion":
        """The opinion on pairs whose better one, by fd_classifier, is among `names`."""
        kept = (frozenset(pair for pair in pairs if pair[0] in names) for pairs in (self.reversed, self.unconfirmed))
        return SecondOpinion(self.asked, *kept)

    def clause(self, quote: str = "") -> str:
        """What is not confirmed, with `quote` around names: "but by the second classifier ..."; empty if all is."""
        parts = []
        for pairs, words in ((self.reversed, "is worse than"), (self.unconfirmed, "cannot be told from")):
            for one in sorted({pair[0] for pair in pairs}):
                others = " and ".join(f"{quote}{other}{quote}" for first, other in sorted(pairs) if first == one)
                parts.append(f"{quote}{one}{quote} {words} {others}")
        return f"but by the second classifier ({quote}fd_second{quote}) {', and '.join(parts)}" if parts else ""


def second_opinion(measured: Mapping[str, Measured], better: Collection[tuple[str, str]]) -> SecondOpinion:
    """Compare the same runs by `fd_second`, all pairs at once as in `rank`.

    Args:
        measured: by name.
        better: pairs (a, b) of names of which a is better by fd_classifier.
    """
    estimates = {name: one.estimate("fd_second") for name, one in measured.items()}
    if any(None in (one.value, one.low, one.high) for one in estimates.values()):
        return SecondOpinion()
    if differences({name: one.protocol for name, one in measured.items()}, _SECOND):
        return SecondOpinion()
    found = rank(estimates, lower=True).better
    reversed_pairs = frozenset((one, other) for one, other in better if (other, one) in found)
    return SecondOpinion(True, reversed_pairs, frozenset(better) - found - reversed_pairs)


def _simultaneous(errors: tuple[float, ...]) -> float:
    """The 95 % point of max over pairs |e_i - e_j| / sqrt(s_i^2 + s_j^2), e ~ N(0, s^2); from 40 000 draws."""
    draws = np.ascontiguousarray((np.random.default_rng(0).standard_normal((40_000, len(errors))) * np.array(errors)).T)
    largest = np.zeros(40_000)
    for i, one in enumerate(errors):
        for j in range(i):
            if (spread := float(np.hypot(one, errors[j]))) > 0:
                np.maximum(largest, np.abs(draws[i] - draws[j]) / spread, out=largest)
    return max(float(np.quantile(largest, 0.95)), Z)


def _error(estimate: Estimate) -> float:
    return (_known(estimate.high) - _known(estimate.low)) / (2 * Z)


def _known(value: float | None) -> float:
    assert value is not None
    return value
