"""The output of a running stage: written to a log and parsed for progress."""

import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Progress", "as_shown", "captured", "progress"]

_BAR = re.compile(
    r"(?:(?P<label>[^|]*?):\s*)?(?P<percent>\d+)%\|[^|]*\|\s*(?P<done>[\d.]+\w*)/(?P<total>[\d.]+\w*)\s*"
    r"\[[^<\]]*<(?P<left>[^,\]]*)(?:,\s*(?P<rate>[^,\]]*))?(?:,\s*(?P<terms>[^\]]*))?\]"
)
_LONGEST = 1000  # characters of a line that are parsed: the time grows with their square
_LOOK_SECONDS = 0.3


@dataclass(frozen=True)
class Progress:
    """The last line that a stage printed.

    Attributes:
        text: the line, or the label if the line is a progress bar.
        percent: of the bar; None for any other line.
        steps: completed and total steps, as the bar prints them.
        left: remaining time, as the bar prints it.
        terms: the bar's other values, such as losses.
    """

    text: str
    percent: int | None = None
    steps: str = ""
    left: str = ""
    terms: str = ""


def progress(line: str) -> Progress:
    """Parse a line, which may be one of tqdm's progress bars."""
    line = line[:_LONGEST]
    if not (bar := _BAR.search(line)):
        return Progress(line.strip())
    return Progress(
        (bar["label"] or "").strip(), int(bar["percent"]), f"{bar['done']}/{bar['total']}", bar["left"].strip(),
        (bar["terms"] or "").strip(),
    )  # fmt: skip


def as_shown(text: str) -> str:
    """Return the text as a terminal finally shows it: a carriage return restarts its line."""
    lines = (next((part for part in reversed(line.split("\r")) if part.strip()), "") for line in text.split("\n"))
    return "\n".join(line.rstrip() for line in lines)


@contextmanager
def captured(log: Path, watch: Callable[[Progress | None], None]) -> Iterator[None]:
    """Redirect the output of this process and its children to `log`.

    The children write to the file itself, so that one that outlives this process can still print.

    Args:
        watch: called about three times a second, from a thread, with the last line if it is new, else with None.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    _flush()
    terminal = os.dup(1), os.dup(2)
    target = os.open(log, os.O_WRONLY | os.O_APPEND)
    done = threading.Event()
    thread = threading.Thread(target=_follow, args=(log, watch, done), daemon=True)
    os.dup2(target, 1)
    os.dup2(target, 2)
    thread.start()
    try:
        yield
    finally:
        _flush()
        for number, saved in zip((1, 2), terminal, strict=True):
            os.dup2(saved, number)
            os.close(saved)
        os.close(target)
        done.set()
        thread.join()
        log.write_text(as_shown(log.read_bytes().decode("utf-8", errors="replace")), encoding="utf-8")


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def _follow(log: Path, watch: Callable[[Progress | None], None], done: threading.Event) -> None:
    last = ""
    with log.open("rb") as file:
        while not done.wait(_LOOK_SECONDS):
            new = last + file.read().decode("utf-8", errors="replace")
            lines = [line for line in re.split(r"[\r\n]", new) if line.strip()]
            watch(progress(lines[-1]) if lines and lines[-1] != last else None)
            last = lines[-1] if lines else ""
