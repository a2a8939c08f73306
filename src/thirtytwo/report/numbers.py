"""Numbers as text. A column is formatted as a whole, so that its digits align and none claims more than it knows."""

import math
from collections.abc import Sequence

__all__ = ["MISSING", "column", "count", "decimals_for", "interval", "percent", "plain", "scored", "seconds"]

MISSING = "\N{EN DASH}"


def decimals_for(values: Sequence[float], errors: Sequence[float] = ()) -> int:
    """Decimals that show two digits of the smallest half-width in `errors`, else three of the smallest value."""
    sizes = [abs(e) for e in errors if e and math.isfinite(e)] or [abs(v) for v in values if v and math.isfinite(v)]
    if not sizes:
        return 0
    digits = 2 if any(e and math.isfinite(e) for e in errors) else 3
    return min(max(digits - 1 - math.floor(math.log10(min(sizes))), 0), 4)


def column(values: Sequence[float | None], decimals: int) -> list[str]:
    """Each number with the same decimals."""
    return [MISSING if value is None else f"{value:,.{decimals}f}" for value in values]


def interval(low: float | None, high: float | None, decimals: int, scale: float = 1.0) -> str:
    """An interval such as "[1.2, 1.4]"."""
    if low is None or high is None:
        return MISSING
    return f"[{low * scale:,.{decimals}f}, {high * scale:,.{decimals}f}]"


def scored(rows: Sequence[tuple[float | None, float | None, float | None]], scale: float = 1.0) -> list[str]:
    """Scores (value, low, high) times `scale`, each interval on a second line; the narrowest one sets the decimals."""
    halves = [scale * (high - low) / 2 for _, low, high in rows if low is not None and high is not None]
    decimals = decimals_for([scale * value for value, _, _ in rows if value is not None], halves)
    cells = []
    for value, low, high in rows:
        ends = interval(low, high, decimals, scale)
        shown = column([None if value is None else scale * value], decimals)[0]
        cells.append(shown if ends == MISSING or value is None else f"{shown}\n{ends}")
    return cells


def seconds(value: float | None) -> str:
    """A duration, to three digits."""
    if value is None:
        return MISSING
    return f"{value:,.0f} s" if value >= 100 else f"{value:.3g} s"


def count(value: float | None) -> str:
    """A whole number with thousands separated."""
    return MISSING if value is None else f"{round(value):,}"


def percent(value: float | None) -> str:
    """A share in [0, 1] in percent."""
    return MISSING if value is None else f"{100 * value:.1f} %"


def plain(value: object) -> str:
    """Any value of a metrics file, to four significant digits where it is not whole."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return MISSING if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
