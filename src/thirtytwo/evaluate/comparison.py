"""Is one run better than another? Only scores of one protocol are compared; the difference has an interval."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from thirtytwo.core.intervals import Estimate, read
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["HIGHER", "LOWER", "PROTOCOL", "Comparison", "compare", "differences", "short", "subtract"]

# What two scores must share to be compared, with a phrase for each.
PROTOCOL = {
    "n": "the number of samples N",
    "reference_n": "the number of reference images",
    "reference_split": "the reference split",
    "resampler": "the resampler",
    "features_sha256": "the features (classifier weights)",
}
_INCEPTION = {
    "fid_n": "the number of samples N",
    "fid_reference_n": "the number of reference images",
    "fid_statistics": "the reference statistics",
    "fid_resizer": "the resizer",
    "fid_features_sha256": "the features (Inception weights)",
}
_NEIGHBOURS = {
    "prdc_k": "the rank k of the neighbour",
    "prdc_n": "the number of samples N",
    "prdc_reference_n": "the number of reference images",
}
_PROTOCOLS = {
    "fid": _INCEPTION,
    "kid": _INCEPTION,
    **dict.fromkeys(("precision", "recall", "density", "coverage"), PROTOCOL | _NEIGHBOURS),
    "best_of_5_accuracy": PROTOCOL | {"best_of_5_n": "the number of samples of each evaluation"},
}

LOWER = ("fd_classifier", "fd_classifier_infinity", "kid_classifier", "fid", "kid")
HIGHER = ("precision", "recall", "density", "coverage", "accuracy", "best_of_5_accuracy")


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


def compare(a: Mapping[str, object], b: Mapping[str, object], score: str) -> Comparison:
    """Compare two runs' metrics by `score`, which is among LOWER (better) or HIGHER.

    The interval of the difference is computed from those of the two runs (Zou and Donner 2008, MOVER), which may be
    asymmetric: L = a - b - ((a - l_a)^2 + (u_b - b)^2)^(1/2), U alike. The runs are independent given
    the reference. A run is better where 0 lies outside. Two intervals that just touch differ by this test; to
    require that they do not overlap would be a test at about 0.6 %, not 5 %.

    Raises:
        EvaluationError: an unknown score.
    """
    if score not in LOWER + HIGHER:
        raise EvaluationError(f"score '{score}' cannot be compared; expected one of {', '.join(LOWER + HIGHER)}")
    both = {"the first": a, "the second": b}
    first, second = read(a, score), read(b, score)
    for name, estimate in zip(both, (first, second), strict=True):
        if estimate.value is None:
            return Comparison("incomparable", f"{name} has no {score}.")
        if estimate.low is None or estimate.high is None:
            return Comparison("incomparable", f"{name} has no interval of {score}.")
    if phrases := differences(both, _PROTOCOLS.get(score, PROTOCOL)):
        return Comparison("incomparable", f"{_capital(' and '.join(phrases))}.")
    difference = subtract(first, second)
    value, low, high = difference.value, difference.low, difference.high
    assert value is not None
    assert low is not None
    assert high is not None
    sentence = f"{score} {first.value:.4g} and {second.value:.4g} differ by {value:.3g} [{low:.3g}, {high:.3g}]"
    if low <= 0 <= high:
        return Comparison("tie", f"{sentence}, which may be chance{_over(a, b)}.", difference)
    verdict: Literal["a", "b"] = "a" if (value < 0) == (score in LOWER) else "b"
    better = "the first" if verdict == "a" else "the second"
    return Comparison(verdict, f"{sentence}, beyond chance, in favour of {better}{_over(a, b)}.", difference)


def subtract(a: Estimate, b: Estimate) -> Estimate:
    """a - b of independent estimates, with the interval of Zou and Donner 2008; both have intervals."""
    assert a.value is not None
    assert a.low is not None
    assert a.high is not None
    assert b.value is not None
    assert b.low is not None
    assert b.high is not None
    difference = a.value - b.value
    low = difference - float(np.hypot(a.value - a.low, b.high - b.value))
    high = difference + float(np.hypot(a.high - a.value, b.value - b.low))
    return Estimate(difference, low, high)


def differences(scores: Mapping[str, Mapping[str, Any]], protocol: Mapping[str, str] = PROTOCOL) -> tuple[str, ...]:
    """One phrase for each part of the protocol in which the scores differ; `scores` by their names in the text."""
    phrases = []
    for key, words in protocol.items():
        values: dict[str, list[str]] = {}
        for name, metrics in scores.items():
            values.setdefault(short(metrics.get(key)), []).append(name)
        if len(values) > 1:
            sides = "; ".join(f"{value} for {', '.join(names)}" for value, names in values.items())
            phrases.append(f"{words} differs ({sides})")
    return tuple(phrases)


def short(value: object) -> str:
    """A protocol value for a sentence; hashes by their first 12 digits."""
    text = str(value)
    return text[:12] if len(text) == 64 else text


def _over(a: Mapping[str, object], b: Mapping[str, object]) -> str:
    """The source of the intervals, for the sentence."""
    over = sorted({str(metrics.get("interval_over", "samples")) for metrics in (a, b)})
    return f" (intervals over {' and '.join(over)})"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
