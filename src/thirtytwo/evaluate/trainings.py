"""Scores of a run that is trained several times, by several seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import chdtri

from thirtytwo.core.intervals import Estimate, Z, over_trainings
from thirtytwo.evaluate.scorecard import REASONS, Diagnosis, Fact, Measured, Score, Scorecard
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["combine", "retraining_ratio", "sample_files", "seed_table"]


def sample_files(folder: Path, seeds: int) -> list[Path]:
    """The files 0.npz, 1.npz and so on in `folder`, one for each training.

    Raises:
        EvaluationError: one is missing, or there are others.
    """
    expected = [folder / f"{training}.npz" for training in range(seeds)]
    present = sorted(folder.glob("*.npz"))
    if sorted(expected) != present:
        names = ", ".join(path.name for path in present) or "no file"
        raise EvaluationError(
            f"{folder}: expected {', '.join(path.name for path in expected)} (seeds: {seeds}), got {names}; draw them"
            f" again with `dvc repro -f -s sample@{folder.name}`"
        )
    return expected


def combine(cards: Sequence[Scorecard], model: Measured) -> Scorecard:
    """The scores of a run from those of the samples of each training.

    Args:
        cards: one for each training, in the order of their seeds.
        model: further scores of the first training; their intervals, if any, are over samples.

    Returns:
        For one training its scores as they are. For several, each score becomes the mean with the interval over
        trainings, unknown where one training has no value; retraining_ratio is added. The protocol and the floor are those of the first training.
        The diagnosis is undecided where trainings differ in it. The protocol also holds seeds, how many;
        interval_over, `samples` or `training seeds`; with several first_seed_only, the names in `model`.

    Raises:
        EvaluationError: the trainings were not measured in the same way.
    """
    first = cards[0]
    if len(cards) == 1:
        about: dict[str, Fact] = {"seeds": 1, "interval_over": "samples"}
        return Scorecard(first.measured | model | Measured({}, about), first.floor, first.diagnosis)
    rows = [card.measured.scores for card in cards]
    scores: dict[str, Score] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [_value(row.get(name)) for row in rows]
        known = [value for value in values if value is not None]
        scores[name] = over_trainings(known) if len(known) == len(rows) else Estimate(None)
    scores["retraining_ratio"] = retraining_ratio([card.measured.estimate("fd_classifier") for card in cards])
    about = {
        "seeds": len(cards),
        "interval_over": "training seeds",
        "first_seed_only": " ".join(name for name, score in model.scores.items() if _value(score) is not None),
    }
    measured = Measured(scores, _agreed([card.measured.protocol for card in cards])) | model | Measured({}, about)
    for training, card in enumerate(cards):
        if card.floor != first.floor:
            raise EvaluationError(
                f"floor: training seed {training} has another than training seed 0; run the stage evaluate again"
            )
    return Scorecard(measured, first.floor, _diagnosis(cards))


def retraining_ratio(estimates: Sequence[Estimate]) -> Estimate:
    """How many times as much a score varies over trainings as over drawing the samples of one training again.

    The standard deviation over m trainings, each with noise of its own, is divided by the root mean square of their
    standard errors of drawing. 1 means that retraining adds nothing. The interval is that of a normal variance,
    (m - 1) s^2 / sigma^2 ~ chi-square, the standard errors being taken as exact; it is wide for few trainings.

    Args:
        estimates: of two or more trainings, each with its interval over samples; a missing end gives no ratio.
    """
    known = [
        (one.value, (one.high - one.low) / (2 * Z))
        for one in estimates
        if one.value is not None and one.low is not None and one.high is not None
    ]
    if len(known) < len(estimates):
        return Estimate(None)
    values, errors = np.array(known, np.float64).T
    spread = float(np.sqrt(np.square(errors).mean()))
    if not spread:
        return Estimate(None)
    ratio, degrees = float(values.std(ddof=1)) / spread, len(values) - 1
    low, high = (ratio * float(np.sqrt(degrees / chdtri(degrees, tail))) for tail in (0.025, 0.975))
    return Estimate(ratio, low, high)


def seed_table(cards: Sequence[Scorecard]) -> pd.DataFrame:
    """Columns seed (0, 1, ..., the training's number, as in the names of its files) and one a score; a row a training."""
    rows = [{name: _value(score) for name, score in card.measured.scores.items()} for card in cards]
    names = [
        name for name in dict.fromkeys(n for row in rows for n in row) if any(row.get(name) is not None for row in rows)
    ]
    return pd.DataFrame(
        [{"seed": training} | {name: row.get(name) for name in names} for training, row in enumerate(rows)]
    )


def _value(score: Score) -> float | None:
    return score.value if isinstance(score, Estimate) else score


def _agreed(protocols: Sequence[Mapping[str, Fact]]) -> dict[str, Fact]:
    """The protocol that all trainings share; reasons for missing scores may differ, and the first is kept."""
    agreed: dict[str, Fact] = {}
    for name in dict.fromkeys(name for protocol in protocols for name in protocol):
        values = [protocol.get(name) for protocol in protocols]
        if name in REASONS:
            agreed[name] = next(value for value in values if value is not None)
            continue
        for training, value in enumerate(values):
            if value != values[0]:
                raise EvaluationError(
                    f"{name}: {values[0]} for training seed 0 and {value} for training seed {training}; run the stages"
                    " sample and evaluate again"
                )
        agreed[name] = values[0]
    return agreed


def _diagnosis(cards: Sequence[Scorecard]) -> Diagnosis | None:
    """The first diagnosis where all agree, else undecided with a list of them."""
    words = [card.diagnosis.word if card.diagnosis else None for card in cards]
    if len(set(words)) == 1:
        return cards[0].diagnosis
    listed = ", ".join(f"{training} {word}" for training, word in enumerate(words))
    return Diagnosis("undecided", f"Training seeds differ: {listed}.")
