"""Scores of a run that has been trained several times, by several seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from thirtytwo.core.intervals import mean_and_interval
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["over_seeds", "seed_files", "seed_table"]

Value = float | int | str | bool | None
_COUNTS = ("n", "classes", "prdc_k")  # numbers that say how was measured, besides those that end in _n


def seed_files(folder: Path, seeds: int) -> list[Path]:
    """The files 0.npz, 1.npz and so on in `folder`, one a training seed.

    Raises:
        EvaluationError: one is missing, or there are others.
    """
    expected = [folder / f"{place}.npz" for place in range(seeds)]
    found = sorted(folder.glob("*.npz"))
    if sorted(expected) != found:
        names = ", ".join(path.name for path in found) or "no file"
        raise EvaluationError(
            f"{folder}: expected {', '.join(path.name for path in expected)} (seeds: {seeds}), got {names}; draw them"
            f" again with `dvc repro -f -s sample@{folder.name}`"
        )
    return expected


def over_seeds(rows: Sequence[Mapping[str, Value]], first: Mapping[str, Value]) -> dict[str, Value]:
    """The scores of a run: with several trainings their means, whose intervals tell how much trainings differ.

    Args:
        rows: the scores of one set of samples each, one a training seed.
        first: further scores, measured for the first training seed alone; what intervals they have are over samples.

    Returns:
        For one training its scores as they are. For several, each score is the mean and <score>_low, <score>_high the
        95 % t-interval of the mean, None where one training has no value. All else is that of the first training.
        `diagnosis` is undecided where trainings differ in it. Besides: seeds, how many; interval_over, `samples` or
        `training seeds`; with several first_seed_only, the scores in `first`, separated by blanks.

    Raises:
        EvaluationError: the rows were not measured in the same way.
    """
    if len(rows) == 1:
        return {**rows[0], **first, "seeds": 1, "interval_over": "samples"}
    result: dict[str, Value] = {}
    scores = _scores(rows)
    for name in dict.fromkeys(name for row in rows for name in row):
        if name in scores:
            values = [row.get(name) for row in rows]
            numbers = [{name: float(value)} for value in values if value is not None]
            whole = len(numbers) == len(rows)
            result |= mean_and_interval(numbers) if whole else dict.fromkeys((name, f"{name}_low", f"{name}_high"))
        elif name.removesuffix("_low").removesuffix("_high") not in scores:
            result[name] = _agreed(name, rows)
    result |= _diagnosis(rows)
    result |= first
    return result | {
        "seeds": len(rows),
        "interval_over": "training seeds",
        "first_seed_only": " ".join(_scores([first])),
    }


def seed_table(rows: Sequence[Mapping[str, Value]]) -> pd.DataFrame:
    """Columns seed (0, 1, ..., the training's place, as in the names of its files) and one a score; a row a training."""
    scores = _scores(rows)
    return pd.DataFrame([{"seed": place} | {name: row.get(name) for name in scores} for place, row in enumerate(rows)])


def _scores(rows: Sequence[Mapping[str, Value]]) -> list[str]:
    """Names of what is measured on the samples: all numbers but counts, floors and the ends of intervals."""
    names = list(dict.fromkeys(name for row in rows for name, value in row.items() if _is_number(value)))
    return [
        name
        for name in names
        if "_floor" not in name
        and name not in _COUNTS
        and not name.endswith("_n")
        and not (name.endswith(("_low", "_high")) and name.rpartition("_")[0] in names)
    ]


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _agreed(name: str, rows: Sequence[Mapping[str, Value]]) -> Value:
    """What all rows say; reasons and the like may differ."""
    values = [row.get(name) for row in rows]
    if name.endswith("_reason") or name == "diagnosis":
        return next((value for value in values if value is not None), None)
    for place, value in enumerate(values):
        if value != values[0]:
            raise EvaluationError(
                f"{name}: {values[0]} for training seed 0 and {value} for training seed {place}; run the stages sample"
                " and evaluate again"
            )
    return values[0]


def _diagnosis(rows: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    """Of trainings with different diagnoses: undecided, and which each has."""
    found = [row.get("diagnosis") for row in rows]
    if len(set(found)) == 1:
        return {}
    told = ", ".join(f"{place} {diagnosis}" for place, diagnosis in enumerate(found))
    return {"diagnosis": "undecided", "diagnosis_reason": f"Training seeds differ: {told}."}
