"""Random changes to the results behind the report: it shows them, or names the file in one line."""

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from mutations import changed, damaged, one_line
from report_pages import TABLES, Page
from thirtytwo.report import page
from thirtytwo.report.reading import load
from thirtytwo.runtime.errors import ThirtyTwoError
from thirtytwo.runtime.project import Project
from thirtytwo.runtime.sealed import seal_json, unseal_json

JSON = (
    "scores/ddpm.json", "scores/train/ddpm.json", "scores/classifier/shapes.json", "scores/floor/shapes.json",
    "data/prepared/shapes.json",
)  # fmt: skip
CELLS = st.sampled_from(("", "0", "-1", "1e-300", "1e300", "nan", "inf", "x", "7", "1" * 30, "0.5"))


@st.composite
def other_numbers(draw: st.DrawFn, values: object) -> object:
    """The same keys with every finite number scaled, and ends of intervals kept around their values."""
    factor = draw(st.sampled_from((0, 1e-30, 1e-3, -1, 10, 1e30)))

    def scaled(value: object) -> object:
        if isinstance(value, dict):
            if {"value", "low", "high"} <= set(value) and factor < 0 and value["low"] is not None:
                value = {**value, "low": value["high"], "high": value["low"]}
            return {key: scaled(part) for key, part in value.items()}
        if isinstance(value, list):
            return [scaled(part) for part in value]
        return value * factor if isinstance(value, float) else value

    return scaled(values)


@st.composite
def wrong_json(draw: st.DrawFn, content: bytes) -> bytes:
    values = json.loads(unseal_json(content))
    values = draw(st.one_of(changed(values), other_numbers(values)))
    return seal_json(json.dumps(values, indent=1).encode() + b"\n")


@st.composite
def wrong_table(draw: st.DrawFn, content: bytes) -> bytes:
    if draw(st.booleans()):
        return draw(damaged(content))
    rows = [row.split(",") for row in content.decode().splitlines()]
    rows = [rows[0], *rows[1 : draw(st.integers(1, len(rows)))]]
    for _ in range(draw(st.integers(0, 3))):
        row, column = draw(st.integers(0, len(rows) - 1)), draw(st.integers(0, len(rows[0]) - 1))
        rows[row][column] = draw(CELLS)
    return ("\n".join(",".join(row) for row in rows) + "\n").encode()


@settings(max_examples=max(3, settings.default.max_examples // 40))  # drawing a report takes seconds
@given(file=st.sampled_from([*JSON, *TABLES]), data=st.data())
def test_report_of_changed_results(file: str, data: st.DataObject, results: Path):
    path = results / file
    before = path.read_bytes()
    try:
        path.write_bytes(data.draw((wrong_json if file.endswith(".json") else wrong_table)(before)))
        page.write(load(Project(results)), results / "report")
        Page((results / "report/index.html").read_text(encoding="utf-8"))
    except ThirtyTwoError as error:
        one_line(error, path.name)
    finally:
        path.write_bytes(before)
