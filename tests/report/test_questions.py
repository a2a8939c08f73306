"""Answers and judgements follow the measured values, and only runs that differ in the right settings."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import report_results
from report_pages import edit, set_of
from report_results import edit_card
from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate.scorecard import Measured
from thirtytwo.report import cost, questions, targets
from thirtytwo.report.reading import load
from thirtytwo.report.results import Floor
from thirtytwo.runtime.project import Project
from thirtytwo.settings import configs

ROOT = Path(__file__).parents[2]


def test_answers_follow_the_measured_values(pair):
    for name, score in (("dcgan", 6.0), ("dcgan_z100", 8.0)):
        edit_card(pair, name, {"fd_classifier": Estimate(score, score - 0.1, score + 0.1)})
    text = questions.latent_size(set_of(pair, "digits5k"))
    assert "(latent 16, hidden 16) 6.00 [5.90, 6.10]" in text
    assert "`dcgan` scores lowest of these two trained models, beyond chance." in text
    edit_card(pair, "dcgan", {"fd_classifier": Estimate(7.9, 7.8, 8.0)})
    text = questions.latent_size(set_of(pair, "digits5k"))
    assert "Which is lowest is not known: `dcgan` and `dcgan_z100` may differ by chance." in text
    assert questions.beta(set_of(pair, "digits5k")) is None
    assert questions.jumps(set_of(pair, "digits5k")) is None  # only one loss


def test_the_sample_size_is_shown_by_fid_too_where_it_was_measured(pair):
    digits = set_of(pair, "digits5k")
    assert questions.sample_size(digits) is None
    floor = Measured({"fid_equal_500": 87.5, "fid_equal_1000": 49.5, "fid": 5.0})
    runs = [dataclasses.replace(run, card=dataclasses.replace(run.card, floor=floor)) for run in digits.runs]
    shown = dataclasses.replace(digits, runs=runs)
    assert "`fid` of N real images against N others is 87.5 at N = 500, 49.5 at N = 1,000." in questions.sample_size(
        shown
    )
    assert "CIFAR-10" not in questions.sample_size(shown)
    cifar10 = dataclasses.replace(shown, kind="cifar10", floor=Floor())
    assert "has 87 at N = 500, 49.838 at 1,000 and 0.05 at 10,000" in questions.sample_size(cifar10)


def test_sizes_and_schedules_of_denoisers_are_compared_where_they_alone_differ(tmp_path):
    root = report_results.make(tmp_path, ("ddpm", "vae"))
    ddpm = next(run for run in set_of(root, "shapes").runs if run.name == "ddpm")
    for key, other, question, words in (
        ("schedule", "cosine", questions.noise_schedule, ("schedule linear (`ddpm`)", "schedule cosine (`other`)")),
        ("timesteps", 500, questions.timesteps, ("T = 1000 (`ddpm`)", "T = 500 (`other`)")),
    ):
        twin = dataclasses.replace(ddpm, name="other", model=ddpm.model | {key: other})
        dataset = dataclasses.replace(set_of(root, "shapes"), runs=[ddpm, twin])
        text = question(dataset)
        assert all(word in text for word in words)
        assert "`ddpm` and `other` may differ by chance" in text
        worse = dataclasses.replace(twin, model=twin.model | {"beta_end": 0.05})
        assert question(dataclasses.replace(dataset, runs=[ddpm, worse])) is None


def test_beta_takes_runs_that_differ_in_nothing_else(tmp_path):
    root = report_results.make(tmp_path, ("vae", "vae_beta08"))
    edit_card(root, "vae_beta08", {"distortion": Estimate(60.0, 59.0, 61.0), "rate_nats": 30.0})
    text = questions.beta(set_of(root, "shapes"))
    assert text.index("beta 0.8 (`vae_beta08`)") < text.index("beta 1 (`vae`)")
    assert "the distortion of these two trained models falls, beyond chance (difference -28.2 [-29.8, -26.7])" in text
    assert "rate 30 nats, FD of the samples 83.1" in text
    for distortion, words in (
        (Estimate(99.0, 98.0, 100.0), "does not always fall"),
        (Estimate(88.0, 87.0, 89.0), "whether the distortion falls is not known"),  # the interval contains 0
        (99.0, "not known from one training"),  # no interval
    ):
        edit_card(root, "vae_beta08", {"distortion": distortion})
        assert words in questions.beta(set_of(root, "shapes"))


@pytest.mark.parametrize(
    ("distortion", "words"),
    [
        (
            Estimate(60.0, 59.0, 61.0),
            "Annealing improves the reconstruction of these two trained models (difference -28.2",
        ),
        (Estimate(99.0, 98.0, 100.0), "Annealing worsens the reconstruction of these two"),
        (Estimate(88.0, 87.0, 89.0), "Whether annealing improves the reconstruction is not known from one training"),
    ],
)
def test_annealing_helps_only_beyond_chance(distortion, words, tmp_path):
    root = report_results.make(tmp_path, ("vae", "vae_beta08"))
    edit_card(root, "vae_beta08", {"distortion": distortion})
    path = root / "configs/train/vae_beta08.yaml"
    settings = json.loads((root / "configs/train/vae.yaml").read_text())["settings"]
    edit(path, settings=settings | {"beta_schedule": "linear"})
    assert words in questions.annealing(set_of(root, "shapes"))


def test_betas_are_compared_only_between_alike_runs(tmp_path):
    root = report_results.make(tmp_path, ("vae", "vae_beta08"))
    path = root / "configs/train/vae.yaml"
    edit(path, settings=json.loads(path.read_text())["settings"] | {"latent_dim": 99})
    assert questions.beta(set_of(root, "shapes")) is None


@pytest.mark.parametrize(
    ("loss", "words"), [("minimax", "as the course expects"), ("lsgan", "not what the course expects")]
)
def test_jumps_compare_losses(pair, loss, words):
    other = {"minimax": "lsgan", "lsgan": "minimax"}[loss]
    for name, its, scores in (("dcgan", loss, (9, 9, 4, 8, 4, 8)), ("dcgan_z100", other, (9, 9, 6, 6, 6, 6))):
        path = pair / f"configs/train/{name}.yaml"
        edit(path, settings=json.loads(path.read_text())["settings"] | {"loss": its})
        lines = [f"{k},64,{score}" for k, score in enumerate(scores)]
        (pair / f"plots/scores/{name}.csv").write_text("\n".join(["step,n,fd_classifier", *lines, ""]))
    text, table = questions.jumps(set_of(pair, "digits5k"))
    assert table.rows[0].cells[:2] == [loss, "60.0"]  # |8 - 4| twice over a mean of 20 / 3
    assert words in text


def test_unanswered_questions_name_the_runs_they_need(older):
    table = {row["question"]: row["needs"] for row in older[1].table("question", "needs")}
    assert table["What do the number of steps S and eta trade?"] == "an entry under sweeps:"
    assert "Has the GAN reached its Nash equilibrium?" not in table


def test_trade_offs_of_a_sweep():
    lines = [("ddim", s, eta, s, 100, 50 / s + 2 * eta) for eta in (0.0, 1.0) for s in (5, 10, 50)]
    lines.append(("heun", 5, 0.0, 9, 100, 4.5))
    table = pd.DataFrame(lines, columns=["sampler", "steps", "eta", "evaluations", "n", "fd_classifier"])
    texts = cost.trade_offs(table)
    assert texts["Steps:"] == (
        "DDIM with eta 0 scores 10 with S = 5 steps (5 evaluations) and 1 with S = 50 steps (50 evaluations). From 10 steps to "
        "50, the score falls by 80 %."
    )
    assert "With S = 5, eta 0 scores 10 and eta 1 scores 12; the best is 10 at eta 0." in texts["Noise:"]
    assert "Within 50 evaluations per image, DDIM with 50 steps and eta 0 scores best: 1." in texts["Sampler:"]
    assert cost.trade_offs(table[table["sampler"] == "heun"]) == {}
    lines = [("mean_flow", steps, 0.0, steps, 100, score) for steps, score in ((1, 19.0), (2, 4.0), (4, 5.0))]
    texts = cost.trade_offs(pd.DataFrame(lines, columns=table.columns))
    assert texts == {
        "Steps:": "Mean flow scores 19 with S = 1 step (1 evaluation) and 5 with S = 4 steps (4 evaluations). "
        "From 2 steps to 4, the score rises by 25 %."
    }


def test_targets_need_their_data_and_conditions(full, tmp_path):
    assert "No run here was scored on those data sets" in full[1].text
    root = report_results.make(tmp_path, ("vae",))
    path = root / "configs/report/report.yaml"
    settings = json.loads(path.read_text())
    settings["sources"]["shapes"] = {"kind": "cifar10"}
    report_results.write_report_config(root, settings)
    edit(root / "scores/train/vae.json", validation_reconstruction=142.8)
    table = targets.section(load(Project(root))).blocks[0]
    row = dict(zip(table.columns[1:], table.rows[0].cells, strict=True))
    assert (row["measured"], row["target"]) == ("143", "below 145")
    assert row["judgement"] == "not judged: epochs is 8, not 20; latent_dim is 16, not 1024"
    train = root / "configs/train/vae.yaml"
    edit(train, settings=json.loads(train.read_text())["settings"] | {"epochs": 20, "latent_dim": 1024})
    target = next(target for target in targets.TARGETS if target.run == "vae")
    assert targets.judged(target, load(Project(root)).runs[0]) == "met"
    edit(root / "scores/train/vae.json", validation_reconstruction=145.2)
    assert targets.judged(target, load(Project(root)).runs[0]) == "missed"


def test_a_target_for_one_class_is_judged_by_the_scores_of_that_class(tmp_path):
    run = load(Project(report_results.make(tmp_path, ("vae",)))).runs[0]
    table = pd.DataFrame({"class": ["cat", "frog"], "asked": [500, 0], "fid_legacy": [205.4, np.nan]})
    run = dataclasses.replace(run, name="cddpm_cats_frogs", classes=table)
    assert run.result("fid_legacy of cat").value == 205.4
    assert run.result("fid_legacy of frog").value is run.result("fid of cat").value is None
    target = next(target for target in targets.TARGETS if target.metric == "fid_legacy of cat")
    assert "not judged: scored against the training images, not the test images" in targets.judged(target, run)
    assert targets.judged(target._replace(split="train"), run) == "reported there; here -11 %"  # of 231.707


def test_targets_say_what_differs_from_the_document(tmp_path):
    run = load(Project(report_results.make(tmp_path, ("vae_beta08",)))).runs[0]
    target = targets.Target("vae_beta08", "shapes", (), "fd_classifier", "below", 90.0, "", targets.CMPUT)
    assert targets.judged(target, run) == "met"
    plain = target._replace(assigned={"beta": 0.8, "prior": "standard", "prediction": "epsilon"})
    assert targets.judged(plain, run) == "met, with prior mixture instead of standard"
    other = target._replace(n=1000, split="test")
    assert targets.judged(other, run) == (
        "not judged: N is 2,000, not 1,000; scored against the training images, not the test images"
    )
    assert targets.judged(target._replace(n=2000, split="train"), run) == "met"


def test_every_target_names_a_run_of_the_paper_scale():
    paper = configs.load_yaml(ROOT / "scales/paper.yaml")
    for target in targets.TARGETS:
        dataset = paper["datasets"][paper["runs"][target.run]["dataset"]]
        assert paper["sources"][dataset["source"]]["kind"] == target.kind
        assert tuple(dataset["classes"]) == target.classes
