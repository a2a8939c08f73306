"""What `thirtytwo doctor` finds."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    Attributes:
        state: "ok"; "note": worth knowing; "missing": needed, and not as it should be.
        what: was looked at, and how it is.
        do: what helps.
    """

    state: Literal["ok", "note", "missing"]
    what: str
    do: str = ""
