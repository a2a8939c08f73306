"""Damage to files and values for the tests with random input, and limits that each of those tests keeps."""

import gc
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from thirtytwo.runtime import stage

EXTREME = (0, 1, -1, 2, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**53 + 1, 2**63, 2**64, 10**30)
NUMBERS = st.one_of(
    st.sampled_from(EXTREME),
    st.integers(-5, 50),
    st.floats(allow_subnormal=False),  # torch may have set the processor to round them to 0
    st.sampled_from((1e-300, 1e300, 0.5, math.nan, -math.inf)),
)
WORDS = st.one_of(
    st.sampled_from(
        ("", ".", "..", "/", "a/b", "../x", "~", "null", "1e5", "<b>", "a" * 300, "é", "\ud800", "\0", "-1")
    ),
    st.text(max_size=6),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=5,
)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """`content` after a few changes: bytes flipped, overwritten, inserted, repeated or removed, or the end cut off."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        place, length = draw(st.integers(0, max(0, len(data) - 1))), draw(st.sampled_from((1, 2, 4, 8, 64)))
        match draw(st.sampled_from(("flip", "number", "insert", "remove", "repeat", "cut"))):
            case "flip" if data:
                data[place] ^= 1 << draw(st.integers(0, 7))
            case "number":  # a size or an offset in a header
                width = draw(st.sampled_from((2, 4, 8)))
                number = draw(st.sampled_from(EXTREME)) % 256**width
                data[place : place + width] = number.to_bytes(width, draw(st.sampled_from(("little", "big"))))
            case "insert":
                data[place:place] = draw(st.binary(min_size=1, max_size=8))
            case "remove":
                del data[place : place + length]
            case "repeat":
                data[place:place] = data[place : place + length]
            case "cut":
                del data[place:]
    return bytes(data)


@st.composite
def changed(draw: st.DrawFn, values: Any) -> Any:
    """A copy of nested dicts and lists with one or two parts removed, renamed, repeated or replaced by any value."""
    copy = _copied(values)
    for _ in range(draw(st.integers(1, 2))):
        place = copy
        while isinstance(place, (dict, list)) and place:
            keys = sorted(place, key=str) if isinstance(place, dict) else range(len(place))
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], (dict, list)) and place[key] and draw(st.integers(0, 9)):
                place = place[key]
                continue
            match draw(st.sampled_from(("replace", "replace", "remove", "rename"))):
                case "replace":
                    place[key] = draw(VALUES)
                case "remove":
                    del place[key]
                case "rename" if isinstance(place, dict):
                    place[draw(st.one_of(WORDS, NUMBERS))] = place.pop(key)
                case "rename":
                    place.insert(key, place[key])
            break
    return copy


def _copied(values: Any) -> Any:
    if isinstance(values, dict):
        return {key: _copied(value) for key, value in values.items()}
    return [_copied(value) for value in values] if isinstance(values, list) else values


@contextmanager
def bounded_memory(most: int) -> Iterator[None]:
    """Fails if the process's memory grows by more than `most` bytes at any moment inside the block; Linux alone counts."""
    counter, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    if not counter.exists():
        yield
        return
    gc.collect(0)
    counter.write_text("5")  # the peak is counted from here on; man 5 proc
    before = _kibibytes(status, "VmRSS")
    try:
        yield
    finally:
        grown = 1024 * (_kibibytes(status, "VmHWM") - before)
        assert grown <= most, f"memory grew by {grown / 2**20:.0f} MiB"


def _kibibytes(status: Path, name: str) -> int:
    return int(next(line for line in status.read_text().splitlines() if line.startswith(name)).split()[1])


def one_line(error: Exception, *words: str) -> None:
    """Check that a message holds `words` and is short text that a terminal can show in one line."""
    text = stage.one_line(error)
    assert text.isprintable()
    assert text.strip()
    assert len(text) < 5000
    assert all(word in text for word in words), text


def everything_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
