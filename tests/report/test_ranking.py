"""Winners, ties and floors: only among scores of one protocol, only beyond chance."""

from pathlib import Path

import pytest

from report_pages import render, set_of
from report_results import edit_card, edit_floor, make
from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate.scorecard import Diagnosis
from thirtytwo.report import overview, wording
from thirtytwo.report.ranking import floor_of, floor_ratio, judge


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("n", 1000, "number of samples N differs (1000 for `ddpm`; 2000 for `wgan_gp`)"),
        ("reference_split", "test", "reference split differs"),
        ("resampler", "lanczos", "resampler differs"),
        ("features_sha256", "0" * 64, "(000000000000 for `ddpm`"),
    ],
)
def test_other_protocols_are_not_compared(small, key, value, words):
    edit_card(small, "ddpm", {}, {key: value})
    dataset = set_of(small, "shapes")
    verdict = judge(dataset)
    assert verdict.kind == "incomparable"
    assert not verdict.runs
    text = overview.sentence(dataset, verdict)
    assert "not comparable" in text.lead
    assert words in text.text


@pytest.mark.parametrize(
    ("half", "kind", "names"),
    [(0.2, "best", ["dcgan_z100"]), (0.22, "tie", ["dcgan_z100", "dcgan"]), (None, "unknown", ["dcgan_z100"])],
)
def test_verdict_depends_on_the_intervals(pair, half, kind, names):
    for name, score in (("dcgan", 6.0), ("dcgan_z100", 5.7)):
        estimate = Estimate(score, half and score - half, half and score + half)
        edit_card(pair, name, {"fd_classifier": estimate})
    verdict = judge(set_of(pair, "digits5k"))
    assert (verdict.kind, [run.name for run in verdict.runs]) == (kind, names)


@pytest.mark.parametrize(
    ("key", "value"), [("n", 7), ("reference_split", "test"), ("resampler", "other"), ("features_sha256", "other")]
)
def test_floor_of_another_protocol_is_refused(pair, key, value):
    edit_floor(pair, "digits5k", {}, {key: value})
    dataset = set_of(pair, "digits5k")
    floor, reason = floor_of(dataset.runs[0], dataset)
    assert floor.value is None
    assert floor_ratio(dataset.runs[0], dataset) is None
    assert f"{value} for the floor" in reason
    assert reason[1:] in overview.sentence(dataset, judge(dataset)).text


def test_score_over_its_floor(pair):
    dataset = set_of(pair, "digits5k")
    assert floor_ratio(dataset.runs[0], dataset) == pytest.approx(6.712 / 0.4127)


def test_scores_at_the_floor_are_not_said_to_be_worse_than_real_images(pair):
    for name in ("dcgan", "dcgan_z100"):
        edit_card(pair, name, {"fd_classifier": Estimate(0.65, 0.45, 0.85)})
    dataset = set_of(pair, "digits5k")
    assert "scores higher may be chance" in overview.sentence(dataset, judge(dataset)).text
    edit_card(pair, "dcgan", {"fd_classifier": Estimate(0.7, 0.65, 0.75)})
    edit_card(pair, "dcgan_z100", {"fd_classifier": Estimate(0.9, 0.85, 0.95)})
    dataset = set_of(pair, "digits5k")
    assert "may be chance" not in overview.sentence(dataset, judge(dataset)).text


def test_a_winner_far_from_real_images_is_not_crowned(small):
    edit_card(small, "ddpm", diagnosis=Diagnosis("undecided", "precision 0.01"))
    dataset = set_of(small, "shapes")
    assert "Not healthy by diagnosis: `ddpm` is undecided" in overview.sentence(dataset, judge(dataset)).text
    page = render(small)
    badges = [its["class"] for tag, its in page.elements if tag == "span" and "badge" in its.get("class", "")]
    assert badges == ["badge plain", "badge plain", "badge fair", "badge plain"]
    assert "lowest FD" in page.text


@pytest.fixture
def three(tmp_path: Path) -> Path:
    return make(tmp_path, ("wgan_gp", "vae", "ddpm"))


def second(root: Path, **values: float) -> None:
    """Give runs an `fd_second` with an interval of 1 on each side."""
    for name, value in values.items():
        edit_card(root, name, {"fd_second": Estimate(value, value - 1, value + 1)}, {"second_sha256": "same"})


def test_a_winner_that_the_second_classifier_confirms_stays_best(three):
    second(three, wgan_gp=40, vae=88, ddpm=12)
    dataset = set_of(three, "shapes")
    text = overview.sentence(dataset, judge(dataset))
    assert "ddpm is the best of these trained models" in text.lead
    assert "The second classifier (`fd_second`) agrees." in text.text


def test_a_winner_that_the_second_classifier_doubts_is_not_called_best(three):
    second(three, wgan_gp=4, vae=12.5, ddpm=12)
    dataset, page = set_of(three, "shapes"), render(three)
    verdict = judge(dataset)
    text = overview.sentence(dataset, verdict)
    assert text.lead == "shapes: ddpm has the lowest FD of these trained models."
    assert (
        "But by the second classifier (`fd_second`) `ddpm` is worse than `wgan_gp`, and `ddpm` cannot be told from `vae`."
        in text.text
    )
    assert verdict.mark(verdict.runs[0]) == "lowest FD"
    rows = {row["data set"]: row for row in page.table("data set", "best run")}
    assert rows["shapes"]["verdict"] == "beats all others, not by the second classifier"
    pairs = {row["run"]: row for row in page.table("run", "ddpm", "wgan_gp")}
    assert (pairs["ddpm"]["wgan_gp"], pairs["wgan_gp"]["ddpm"]) == ("better, second: worse", "worse, second: better")
    assert (pairs["ddpm"]["vae"], pairs["vae"]["ddpm"]) == ("better, second: tie", "worse, second: tie")
    assert pairs["wgan_gp"]["vae"] == "better"
    answer = wording.beats(*(next(run for run in dataset.runs if run.name == name) for name in ("ddpm", "wgan_gp")))
    assert answer == (
        "`ddpm` is better (of these two trained models; but by the second classifier (`fd_second`) `ddpm` is worse than "
        "`wgan_gp`)"
    )


def test_a_run_without_a_second_score_leaves_the_verdict_as_it_is(three):
    second(three, wgan_gp=4, vae=12.5)
    dataset = set_of(three, "shapes")
    text = overview.sentence(dataset, judge(dataset))
    assert "ddpm is the best" in text.lead
    assert "second classifier" not in text.text


def test_the_multiple_of_a_distance_of_zero_is_left_out(pair):
    for name, score in (("dcgan", 6.0), ("dcgan_z100", 0.0)):
        edit_card(pair, name, {"fd_classifier": Estimate(score, score, score)})
    row = render(pair).table("data set", "best run", "runner-up")[0]
    assert (row["best run"], row["runner-up"]) == ("dcgan_z100", "dcgan")


def test_overview_names_winner_and_tie(full):
    text = full[1].text
    assert "shapes: ddpm is the best of these trained models." in text
    assert "digits5k: of these two trained models, dcgan_z100 and dcgan are tied." in text
    digits, shapes = (table for table in full[1].tables if table[0][0] == "run" and "× floor" in table[0])
    assert [row[0].split() for row in shapes[1:]] == [
        ["ddpm", "best"], ["wgan_gp"], ["vae_beta08"], ["vae"], ["real", "images", "floor"],
    ]  # fmt: skip
    assert [row[0].split() for row in digits[1:3]] == [["dcgan_z100", "tied"], ["dcgan", "tied"]]


def test_glance_has_a_row_for_each_data_set(full):
    rows = {row["data set"]: row for row in full[1].table("data set", "best run")}
    assert rows["shapes"]["best run"] == "ddpm"
    assert rows["shapes"]["verdict"] == "beats all others"
    assert rows["shapes"]["runner-up"] == f"wgan_gp{41.37 / 12.64:.2f} × its FD"
    assert rows["shapes"]["× floor"] == f"{12.64 / 0.8213:.0f}"
    assert rows["digits5k"]["verdict"] == "tie of 2"
