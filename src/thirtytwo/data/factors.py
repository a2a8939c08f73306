"""The table of ground-truth factors beside a source's images: `download` writes it, `prepare` reads it."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from thirtytwo.runtime.errors import DataError

__all__ = ["read_factors", "write_factors"]

_FILE = "factors.csv"


def write_factors(folder: Path, names: Sequence[str], values: Mapping[str, Sequence[float]]) -> None:
    """Write factors.csv: one row per image file, ordered by file name.

    Args:
        names: of the F factors.
        values: F numbers for each image, keyed by its path below `folder`.
    """
    rows = [[file, *(f"{value:.6f}" for value in values[file])] for file in sorted(values)]
    with (folder / _FILE).open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([["file", *names], *rows])


def read_factors(folder: Path, files: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Names of the F factors, and their values for `files`, [len(files), F] float32.

    Raises:
        DataError: factors.csv does not exist or lacks one of `files`.
    """
    path, remedy = folder / _FILE, f"run `dvc repro -f download@{folder.name}`"
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            (_, *names), *rows = csv.reader(stream)
        values = {file: [float(value) for value in row] for file, *row in rows}
        whole = all(len(row) == len(names) and np.isfinite(row).all() for row in values.values())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; {remedy}") from None
    except (ValueError, csv.Error, OSError) as error:
        raise DataError(f"{path}: damaged ({' '.join(str(error).split())}); {remedy}") from None
    if not whole:
        raise DataError(f"{path}: expected {len(names)} finite numbers in each row; {remedy}")
    if missing := [file for file in files if file not in values]:
        raise DataError(f"{path}: no row for '{missing[0]}'; {remedy}")
    return names, np.array([values[file] for file in files], np.float32)
