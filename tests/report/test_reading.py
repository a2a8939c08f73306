"""Broken results are errors of one line that name the file; missing ones are None."""

import json

import numpy as np
import pytest

from report_pages import edit
from thirtytwo.report.reading import load
from thirtytwo.runtime.errors import ParamsError, ThirtyTwoError
from thirtytwo.runtime.files import write_arrays
from thirtytwo.runtime.project import Project


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("scores/ddpm.json", b"{"),
        ("scores/ddpm.json", b"[1]"),
        ("scores/ddpm.json", b'{"measured": {"scores": {"fd_classifier": "low"}}}'),
        ("scores/floor/shapes.json", b"{}"),
        ("scores/train/ddpm.json", b'{"steps": {"value": "many"}}'),
        ("plots/train/ddpm.csv", b"step;loss\n1;2\n"),
        ("plots/train/ddpm.csv", b""),
        ("plots/train/ddpm.csv", b'"'),
        ("plots/samples/ddpm.png", b"\x89PNG"),
        ("data/probes/ddpm.npz", b"PK"),
    ],
)
def test_broken_result_is_one_line(small, path, content):
    (small / path).write_bytes(content)
    with pytest.raises(ThirtyTwoError) as error:
        load(Project(small))
    assert path in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_configuration_names_the_command(tmp_path):
    with pytest.raises(ParamsError, match="dvc repro resolve"):
        load(Project(tmp_path))


def test_estimates_have_the_file_s_values(full):
    root, _ = full
    run = next(run for run in load(Project(root)).runs if run.name == "vae")
    values = json.loads((root / "scores/vae.json").read_text())
    assert vars(run.estimate("coverage")) == values["measured"]["scores"]["coverage"]
    assert vars(run.floor("fd_classifier")) == values["floor"]["scores"]["fd_classifier"]
    assert run.metric("modes_covered") == values["measured"]["scores"]["modes_covered"]
    assert run.metric("classes") == values["measured"]["protocol"]["classes"]
    assert run.estimate("fid").value is None


def test_factors_are_those_of_the_latent_space(full):
    run = next(run for run in load(Project(full[0])).runs if run.name == "dcgan")
    assert run.factors() == ["hue"]


def test_floor_by_n_has_intervals(full):
    floor = next(dataset for dataset in load(Project(full[0])).sets if dataset.name == "shapes").floor
    assert [n for n, _ in floor.curves["fd_classifier"]] == [125, 500, 2000]
    assert {*floor.curves} == {"fd_classifier", "kid_classifier"}
    first = floor.curves["fd_classifier"][0][1]
    assert (first.value, first.low, first.high) == pytest.approx((60 / 125, 40 / 125, 90 / 125))
    assert floor.curves["kid_classifier"][0][1].low is None


def test_sweep_without_its_log_has_no_seconds(tmp_path, full):
    root = full[0]
    log = (root / "logs/sweep/ddpm.json").read_text()
    run = next(run for run in load(Project(root)).runs if run.name == "ddpm")
    assert run.sweep.table["seconds"].tolist()[:3] == [2.0, 4.0, 8.0]
    edit(root / "logs/sweep/ddpm.json", points=[])
    try:
        assert "seconds" not in next(run for run in load(Project(root)).runs if run.name == "ddpm").sweep.table
    finally:
        (root / "logs/sweep/ddpm.json").write_text(log)


def test_data_set_without_a_test_split_shows_training_images(small):
    with np.load(small / "data/prepared/shapes.npz") as file:
        arrays = dict(file)
    write_arrays(small / "data/prepared/shapes.npz", arrays | {"split": np.zeros_like(arrays["split"])}, False)
    dataset = next(one for one in load(Project(small)).sets if one.name == "shapes")
    assert (dataset.shown_split, len(dataset.shown)) == ("training", 6000)
