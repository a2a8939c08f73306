"""One line of the report of `thirtytwo doctor`; its modules share this class."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding"]


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        state: "ok"; "note", worth knowing; "missing", needed but absent or wrong.
        what: the thing that was checked, and its condition.
        remedy: what to do about it.
    """

    state: Literal["ok", "note", "missing"]
    what: str
    remedy: str = ""
