"""Scores of several trainings become one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate.scorecard import Diagnosis, Measured, Scorecard
from thirtytwo.evaluate.trainings import combine, sample_files, seed_table
from thirtytwo.runtime.errors import EvaluationError


def card(
    fd: float, *, floor: float = 0.04, word: str = "healthy", facts: dict[str, Any] | None = None, **changes: Any
) -> Scorecard:
    scores = {"fd_classifier": Estimate(fd, fd - 0.1, fd + 0.1), "modes_covered": 5, "mean_confidence": 0.5}
    protocol = {"n": 2000, "classes": 5, "features_sha256": "ab"} | (facts or {})
    return Scorecard(
        Measured(scores | changes, protocol), Measured({"fd_classifier": Estimate(floor, 0.02, 0.06)}, {"n": 2000}),
        Diagnosis(word, f"It is {word}."),
    )  # fmt: skip


def test_one_training_keeps_its_scores_and_their_intervals():
    run = combine([card(6.0)], Measured({"mig": 0.1}, {"mig_n": 9}))
    assert run.measured.scores == {**card(6.0).measured.scores, "mig": 0.1}
    about = {"mig_n": 9, "seeds": 1, "interval_over": "samples"}
    assert run.measured.protocol == {**card(6.0).measured.protocol, **about}
    assert (run.floor, run.diagnosis) == (card(6.0).floor, card(6.0).diagnosis)


def test_scores_are_means_and_the_protocol_stays():
    model = Measured({"mig": Estimate(0.1, 0.05, 0.2), "sap": None}, {"mig_n": 9, "batch_norm": "none"})
    run = combine([card(6.0), card(7.0, modes_covered=4), card(8.0)], model)
    half = stats.t.ppf(0.975, 2) / np.sqrt(3)
    distance = run.measured.scores["fd_classifier"]
    assert (distance.value, distance.low, distance.high) == pytest.approx((7, 7 - half, 7 + half))
    assert run.measured.scores["modes_covered"].value == pytest.approx(14 / 3)
    assert run.measured.scores["mean_confidence"] == Estimate(0.5, 0.5, 0.5)
    assert run.measured.scores["mig"] == Estimate(0.1, 0.05, 0.2)
    about = {"mig_n": 9, "batch_norm": "none", "seeds": 3, "interval_over": "training seeds", "first_seed_only": "mig"}
    assert run.measured.protocol == {**card(6.0).measured.protocol, **about}
    assert run.floor == card(6.0).floor
    assert run.measured.scores["modes_covered"].low < 14 / 3


def test_a_score_that_one_training_lacks_is_none_with_the_reason():
    lacking = card(
        7.0, facts={"fd_classifier_infinity_reason": "N is too small"}, fd_classifier_infinity=Estimate(None)
    )
    run = combine([card(6.0, fd_classifier_infinity=Estimate(5.5, 5.4, 5.6)), lacking], Measured())
    assert run.measured.scores["fd_classifier_infinity"] == Estimate(None)
    assert run.measured.protocol["fd_classifier_infinity_reason"] == "N is too small"


@pytest.mark.parametrize(("key", "other"), [("n", 1000), ("features_sha256", "cd")])
def test_scores_of_different_protocols_are_refused(key: str, other: object):
    with pytest.raises(EvaluationError, match=f"{key}: .* seed 0 .*{other} .* seed 1"):
        combine([card(6.0), card(7.0, facts={key: other})], Measured())


def test_scores_with_different_floors_are_refused():
    with pytest.raises(EvaluationError, match="floor: training seed 1"):
        combine([card(6.0), card(7.0, floor=0.05)], Measured())


def test_trainings_with_different_diagnoses_are_undecided():
    assert combine([card(6.0), card(7.0)], Measured()).diagnosis == card(6.0).diagnosis
    differing = combine([card(6.0), card(99.0, word="collapsed")], Measured()).diagnosis
    assert differing.word == "undecided"
    for part in ("0 healthy", "1 collapsed"):
        assert part in differing.reason


def test_table_has_a_row_a_training_and_a_column_a_score():
    table = seed_table([card(6.0, kl_to_uniform=None), card(7.0, kl_to_uniform=None)])
    assert list(table.columns) == ["seed", "fd_classifier", "modes_covered", "mean_confidence"]
    assert table["seed"].tolist() == [0, 1]
    assert table["fd_classifier"].tolist() == [6.0, 7.0]


@pytest.mark.parametrize(
    ("there", "got"),
    [((), "no file"), (("0",), "0.npz;"), (("0", "2"), "0.npz, 2.npz;"), (("0", "1", "2"), "0.npz, 1.npz, 2.npz;")],
)
def test_missing_or_further_files_of_samples_are_refused(there: tuple[str, ...], got: str, tmp_path: Path):
    for name in there:
        (tmp_path / f"{name}.npz").touch()
    with pytest.raises(EvaluationError, match=r"expected 0\.npz, 1\.npz \(seeds: 2\), got ") as caught:
        sample_files(tmp_path, 2)
    assert got in str(caught.value)
    assert "\n" not in str(caught.value)
    if not there:
        assert sample_files(tmp_path, 0) == []
