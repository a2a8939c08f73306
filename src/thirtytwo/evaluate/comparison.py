"""Does one run beat another? Only scores of one protocol are compared, and only a difference beyond chance counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from thirtytwo.runtime.errors import EvaluationError

__all__ = ["HIGHER", "LOWER", "PROTOCOL", "Comparison", "compare", "differences", "short"]

# What two scores must share to be compared, with the words that name a difference.
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
_OWN = {
    "fid": _INCEPTION,
    "kid": _INCEPTION,
    **dict.fromkeys(("precision", "recall", "density", "coverage"), PROTOCOL | _NEIGHBOURS),
    "best_of_5_accuracy": PROTOCOL | {"best_of_5_n": "the number of samples of each evaluation"},
}

LOWER = ("fd_classifier", "fd_classifier_infinity", "kid_classifier", "fid", "kid")
HIGHER = ("precision", "recall", "density", "coverage", "accuracy", "best_of_5_accuracy")


@dataclass(frozen=True)
class Comparison:
    """What can be said of two runs by one score.

    Attributes:
        verdict: "a" or "b": that one is better, beyond chance; "tie": the difference may be chance; "incomparable".
        reason: one sentence.
        difference, low, high: the first score less the second, with its 95 % interval; None where incomparable.
    """

    verdict: Literal["a", "b", "tie", "incomparable"]
    reason: str
    difference: float | None = None
    low: float | None = None
    high: float | None = None


def compare(a: Mapping[str, object], b: Mapping[str, object], score: str) -> Comparison:
    """Compares two runs' metrics by `score`, which is among LOWER (better) or HIGHER.

    The interval of the difference is put together from the two runs' own (Zou and Donner 2008, MOVER), which may be
    asymmetric: L = a - b - ((a - l_a)^2 + (u_b - b)^2)^(1/2), U alike. The runs are independent given
    the reference. A run is better where 0 lies outside. Two intervals that just touch do differ by this test, whereas
    requiring that they do not overlap would be a test at about 0.6 %, not 5 %.

    Raises:
        EvaluationError: an unknown score.
    """
    if score not in LOWER + HIGHER:
        raise EvaluationError(f"score '{score}' cannot be compared; expected one of {', '.join(LOWER + HIGHER)}")
    both = {"the first": a, "the second": b}
    for name, metrics in both.items():
        if missing := [key for key in (score, f"{score}_low", f"{score}_high") if metrics.get(key) is None]:
            return Comparison("incomparable", f"{name} has no {missing[0]}.")
    if phrases := differences(both, _OWN.get(score, PROTOCOL)):
        return Comparison("incomparable", f"{_capital(' and '.join(phrases))}.")
    (value_a, low_a, high_a), (value_b, low_b, high_b) = (
        (float(m[score]), float(m[f"{score}_low"]), float(m[f"{score}_high"]))  # type: ignore[arg-type]
        for m in (a, b)
    )
    difference = value_a - value_b
    low = difference - float(np.hypot(value_a - low_a, high_b - value_b))
    high = difference + float(np.hypot(high_a - value_a, value_b - low_b))
    told = f"{score} {value_a:.4g} and {value_b:.4g} differ by {difference:.3g} [{low:.3g}, {high:.3g}]"
    if low <= 0 <= high:
        return Comparison("tie", f"{told}, which may be chance{_over(a, b)}.", difference, low, high)
    verdict: Literal["a", "b"] = "a" if (difference < 0) == (score in LOWER) else "b"
    better = "the first" if verdict == "a" else "the second"
    return Comparison(verdict, f"{told}, beyond chance, in favour of {better}{_over(a, b)}.", difference, low, high)


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
    """What the intervals are over, for the sentence."""
    over = sorted({str(metrics.get("interval_over", "samples")) for metrics in (a, b)})
    return f" (intervals over {' and '.join(over)})"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
