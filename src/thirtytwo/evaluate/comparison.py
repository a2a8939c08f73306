"""Does one run beat another? Only scores of one protocol are compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["HIGHER", "LOWER", "Comparison", "compare"]

LOWER, HIGHER = ("fd_classifier",), ("accuracy",)
_PROTOCOL = ("n", "reference_n", "reference_split", "resampler", "features_sha256")


@dataclass(frozen=True)
class Comparison:
    """What can be said of two runs by one score."""

    verdict: Literal["a", "b", "tie", "incomparable"]
    reason: str


def compare(a: Mapping[str, object], b: Mapping[str, object], score: str) -> Comparison:
    """Compares two runs' metrics by `score`, which is among LOWER (better) or HIGHER."""
    for key in (score, *_PROTOCOL):
        if key not in a or key not in b or (key != score and a[key] != b[key]):
            return Comparison("incomparable", f"{key} differs ({a.get(key)}; {b.get(key)}).")
    (low_a, high_a), (low_b, high_b) = (
        (float(m[f"{score}_low"]), float(m[f"{score}_high"]))  # type: ignore[arg-type]
        for m in (a, b)
    )
    if low_a <= high_b and low_b <= high_a:
        return Comparison("tie", "The intervals overlap.")
    return Comparison("a" if (high_a < low_b) == (score in LOWER) else "b", "The intervals do not overlap.")
