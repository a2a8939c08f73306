"""A report on flows beside a diffusion model."""

import pandas as pd
import pytest

import report_results
from report_pages import Page, render, set_of
from thirtytwo.report import cost, diffusion

COLUMNS = ["sampler", "steps", "eta", "spacing", "evaluations", "n", "fd_classifier"]
SWEPT = {
    "ddpm": ("diffusion", [("dpm_solver_pp_2m", 5, 0.0, "log_snr", 10, 50, 9.0), ("ddim", 5, 1.0, "uniform", 10, 50, 8.0)]),
    "flow": ("flow", [("euler", 5, 0.0, "uniform", 10, 50, 7.0), ("heun", 3, 0.0, "uniform", 10, 50, 6.0)]),
}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory, quick_plots):
    folder = report_results.make(tmp_path_factory.mktemp("flows"), ("ddpm", "flow", "meanflow"))
    sweeps = {}
    (folder / "plots/sweep").mkdir(parents=True)
    for name, (family, rows) in SWEPT.items():
        pd.DataFrame(rows, columns=COLUMNS).to_csv(folder / f"plots/sweep/{name}.csv", index=False)
        samplers = {row[0]: row[3] for row in rows}
        sweeps[name] = {"family": family, "net": "unet", "dataset": "shapes", "images": 50, "samplers": samplers,
                        "steps": [3, 5], "etas": [0.0, 1.0]}  # fmt: skip
    settings = report_results.read_report_config(folder)
    report_results.write_report_config(folder, settings | {"sweeps": sweeps})
    return folder


@pytest.fixture(scope="module")
def page(root) -> Page:
    return render(root)


def test_cost_counts_the_evaluations_of_each_sampler(page):
    models = {row["run"]: row for row in page.table("sampler", "evaluations")}
    assert {name: int(row["evaluations"]) for name, row in models.items()} == {"ddpm": 50, "flow": 14, "meanflow": 2}
    assert models["meanflow"]["sampler"].startswith("mean flow, 2 steps")


def test_methods_explain_flows_and_mean_flows(page):
    for words in ("Lipman et al. 2023", "crosses it in one step", "to velocities", "Ho et al. 2020, eq. 4"):
        assert words in page.text
    assert {row["sampler"] for row in page.table("sampler", "for it")} >= {"Heun", "mean flow", "Euler"}


def test_flows_have_their_way_from_noise_to_image(root, tmp_path):
    shown = {picture.caption for picture in diffusion.strips(set_of(root, "shapes"), tmp_path)}
    assert {"flow: t = 1, 0.25, 0.", "ddpm: t = 1000, 500, 20, 0."} <= shown


def test_sweeps_of_two_runs_share_a_plot_over_evaluations(root, tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        cost.plots, "series", lambda path, title, lines, labels, log: drawn.setdefault(path.name, lines)
    )
    cost.sweeps(set_of(root, "shapes"), tmp_path)
    (together,) = [lines for name, lines in drawn.items() if name.startswith("sweeps")]
    points = {line.name: (line.x, line.y) for line in together}
    assert points == {
        "ddpm, DPM-Solver++(2M)": ([10], [9.0]), "flow, Euler": ([10], [7.0]), "flow, Heun": ([10], [6.0]),
    }  # fmt: skip
