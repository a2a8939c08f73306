"""The table of factors: written by one stage, read by another."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from thirtytwo.data.factors import read_factors, write_factors
from thirtytwo.runtime.errors import DataError

VALUES = {"b/1.png": [1.0, -0.25], "a/0.png": [0.0, 1 / 3]}


def test_the_table_is_a_csv_file_ordered_by_file(tmp_path: Path):
    write_factors(tmp_path, ("shape", "x"), VALUES)
    table = pd.read_csv(tmp_path / "factors.csv")
    assert table.columns.tolist() == ["file", "shape", "x"]
    assert table.file.tolist() == ["a/0.png", "b/1.png"]
    np.testing.assert_allclose(table.x, [1 / 3, -0.25], atol=5e-7)


def test_rows_are_read_in_the_requested_order(tmp_path: Path):
    write_factors(tmp_path, ("shape", "x"), VALUES)
    names, factors = read_factors(tmp_path, ["b/1.png", "a/0.png", "b/1.png"])
    assert names == ["shape", "x"]
    assert factors.dtype == np.float32
    np.testing.assert_allclose(factors, [[1, -0.25], [0, 1 / 3], [1, -0.25]], atol=5e-7)


def test_a_missing_row_and_a_missing_table_name_the_stage_to_run(tmp_path: Path):
    folder = tmp_path / "shapes"
    with pytest.raises(DataError, match=r"factors\.csv: no such file; .*download@shapes"):
        read_factors(folder, ["a/0.png"])
    folder.mkdir()
    write_factors(folder, ("x",), {"a/0.png": [0.0]})
    with pytest.raises(DataError, match=r"factors\.csv: .*'a/1\.png'; .*download@shapes"):
        read_factors(folder, ["a/1.png"])


@pytest.mark.parametrize(
    "content", ["", "file,x\na/0.png,one\n", "file,x\na/0.png,nan\n", "file,x\na/0.png,1,2\n", "\0"]
)
def test_a_damaged_table_names_the_stage_to_run(content: str, tmp_path: Path):
    (tmp_path / "factors.csv").write_text(content)
    with pytest.raises(DataError, match=r"factors\.csv: .*download@") as caught:
        read_factors(tmp_path, ["a/0.png"])
    assert "\n" not in str(caught.value)
