"""A report on an EDM and its consistency tuning."""

import pytest

import report_results
from report_pages import Page, render, set_of
from thirtytwo.report import diffusion


@pytest.fixture(scope="module")
def root(tmp_path_factory, quick_plots):
    return report_results.make(tmp_path_factory.mktemp("edms"), ("ddpm", "edm", "ect"))


@pytest.fixture(scope="module")
def page(root) -> Page:
    return render(root)


def test_cost_counts_the_evaluations_of_each_sampler(page):
    models = {row["run"]: row for row in page.table("sampler", "evaluations")}
    # Heun: 2 * 6 - 1, twice for guidance
    assert {name: int(row["evaluations"]) for name, row in models.items()} == {"ddpm": 50, "edm": 22, "ect": 2}


def test_methods_explain_edm_and_consistency(page):
    for words in ("Karras et al. 2022, eq. 7", "predicts the end of that path", "ect with those of edm"):
        assert words in page.text
    assert {row["sampler"] for row in page.table("sampler", "for it")} == {"DDIM", "Heun", "consistency"}


def test_a_report_without_edms_does_not_explain_them(quick_plots, tmp_path):
    assert "EDM." not in render(report_results.make(tmp_path, ("ddpm",))).text


def test_edms_have_their_way_from_noise_to_image(root, tmp_path):
    shown = {picture.caption for picture in diffusion.strips(set_of(root, "shapes"), tmp_path)}
    assert "edm: t = 1, 0.25, 0." in shown
