"""The graph as a user runs it: real dvc commands in a clone, on a parameter file of a few seconds."""

import json
import re
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from ruamel.yaml import YAML

from thirtytwo.evaluate.scorecard import Score, Scorecard
from thirtytwo.runtime.files import read_json
from thirtytwo.runtime.project import Project
from thirtytwo.settings.resolve import resolve
from tiny_clone import RUNS, Clone

pytestmark = pytest.mark.timeout(1200)

STAGES = {"resolve", "report", "sweep@ddpm"} | {
    *(f"{stage}@shapes" for stage in ("download", "prepare", "classifier", "fid_stats", "floor")),
    *(f"{stage}@{run}" for stage in ("train", "sample", "evaluate") for run in RUNS),
}


def ran(output: str) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", output))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The clone in which every stage has run once and the result is committed."""
    made = Clone(tmp_path_factory.mktemp("clone"))
    made.first = made.run("dvc", "repro").stdout  # type: ignore[attr-defined]
    made.commit()
    return made


def test_first_run_runs_every_stage_to_the_report(clone: Clone):
    assert ran(clone.first) == STAGES  # type: ignore[attr-defined]
    assert YAML(typ="safe").load(clone.folder / "dvc.lock")["stages"].keys() == STAGES
    page = (clone.folder / "report/index.html").read_text(encoding="utf-8")
    assert "vae" in page
    assert "ddpm" in page


def test_second_run_does_nothing(clone: Clone):
    done = clone.run("dvc", "repro")
    assert ran(done.stdout) == set()
    assert "up to date" in done.stdout
    assert clone.status() == set()


def test_git_has_nothing_that_dvc_keeps(clone: Clone):
    assert clone.run("git", "status", "--porcelain").stdout == ""
    tracked = clone.run("git", "ls-files").stdout.split()
    assert not [
        name
        for name in tracked
        if name.startswith(("data/", "configs/", "report/", "checkpoints/", "logs/", "plots/", "scores/"))
    ]
    assert [name for name in tracked if name.endswith(".gitignore")] == [".dvc/.gitignore", ".gitignore"]


def test_metrics_and_plots_show(clone: Clone):
    shown = json.loads(clone.run("dvc", "metrics", "show", "--json").stdout)[""]["data"]
    assert shown.keys() == {f"metrics/{run}.json" for run in RUNS}
    vae, ddpm = (read_json(Project(clone.folder).scores(run), Scorecard).measured for run in ("vae", "ddpm"))
    assert [vae.protocol["n"], vae.protocol["seeds"], ddpm.protocol["seeds"]] == [25, 2, 1]
    assert [one.protocol["interval_over"] for one in (vae, ddpm)] == ["training seeds", "samples"]
    assert read_json(Project(clone.folder).scores("vae", "train"), dict[str, Score])["seeds"] == 2
    rows = (clone.folder / "plots/seeds/vae.csv").read_text(encoding="utf-8").splitlines()
    column = rows[0].split(",").index("fd_classifier")
    values = [float(row.split(",")[column]) for row in rows[1:]]
    estimate = vae.estimate("fd_classifier")
    assert estimate.value == pytest.approx(sum(values) / 2)
    assert shown["metrics/vae.json"]["data"]["fd"] == pytest.approx(
        estimate.value, abs=0.01 * (estimate.high - estimate.low)
    )
    # t for 0.975 and one degree of freedom is 12.706, and the mean of two has the standard error |a - b| / 2
    half = 12.706 * abs(values[0] - values[1]) / 2
    assert estimate.high - estimate.value == pytest.approx(half, rel=1e-3)
    clone.run("dvc", "plots", "show", "-o", "shown")
    assert (clone.folder / "shown/index.html").is_file()
    shutil.rmtree(clone.folder / "shown")


def test_wrong_parameter_stops_before_any_work(clone: Clone):
    params = clone.folder / "params.yaml"
    before, models = params.read_bytes(), sorted((clone.folder / "data/models").iterdir())
    try:
        values = YAML(typ="safe").load(params)
        values["vae"]["beta"] = "1.2"
        clone.write(values)
        done = clone.run("dvc", "repro", ok=False)
    finally:
        params.write_bytes(before)
        resolve(params, Project(clone.folder))
    assert done.returncode != 0
    assert "error: params.yaml: vae.beta: expected a number, got the text '1.2'; write it without quotes" in done.stderr
    assert "Traceback" not in done.stderr
    assert ran(done.stdout) == {"resolve"}
    assert sorted((clone.folder / "data/models").iterdir()) == models
    assert clone.status() == set()


def sampler_steps(params: Any) -> None:
    params["ddpm"]["sample"]["steps"] = 2


def images_drawn(params: Any) -> None:
    params["sampling"]["images"] = 40


def intervals(params: Any) -> None:
    params["evaluation"]["bootstrap_resamples"] = 30


def override(params: Any) -> None:
    params["runs"]["vae"]["set"] = {"beta": 0.5}


def another_run(params: Any) -> None:
    params["runs"]["added"] = params["runs"]["vae"] | {"set": {"beta": 0.5}}


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        (sampler_steps, {"sample@ddpm"}),
        (images_drawn, {f"sample@{run}" for run in RUNS}),
        (intervals, {"floor@shapes", "sweep@ddpm", *(f"evaluate@{run}" for run in RUNS)}),
        (override, {"train@vae"}),
        (another_run, {"train@added", "sample@added", "evaluate@added"}),
    ],
)
def test_parameter_reaches_its_stages_alone(clone: Clone, change: Callable[[Any], None], stages: set[str]):
    # Of a chain, the stages after the first change only once it has run, so that they are not in the status yet.
    with clone.changed(change):
        assert clone.status() == stages | {"resolve", "report"}
    assert clone.status() == set()


@pytest.mark.parametrize(
    ("module", "stages"),
    [
        ("src/thirtytwo/models/diffusion/schedules.py", {"train@ddpm", "sample@ddpm", "sweep@ddpm", "report"}),
        ("src/thirtytwo/sampling/diffusion/generate.py", {"sample@ddpm", "sweep@ddpm"}),
        ("src/thirtytwo/models/gan/model.py", {"train@gan", "sample@gan"}),
        ("src/thirtytwo/nets/conv_vae.py", {"train@vae", "sample@vae"}),
        ("src/thirtytwo/training/loop.py", {f"train@{run}" for run in RUNS}),
        ("src/thirtytwo/report/page.py", {"report"}),
        ("src/thirtytwo/settings/strict.py", {"resolve"}),
        ("src/thirtytwo/runtime/errors.py", set()),
        (
            "src/thirtytwo/evaluate/kid.py",
            {"fid_stats@shapes", "floor@shapes", *(f"evaluate@{run}" for run in RUNS)},
        ),
    ],
)
def test_edited_module_reaches_its_stages_alone(clone: Clone, module: str, stages: set[str]):
    path = clone.folder / module
    before = path.read_bytes()
    path.write_bytes(before + b"# edited\n")
    try:
        assert clone.status() == stages
    finally:
        path.write_bytes(before)


def test_experiment_runs_its_chain_alone_and_the_way_back_is_cached(clone: Clone):
    weights = clone.folder / "data/models/vae/1.pt"
    before = weights.read_bytes()
    done = clone.run("dvc", "exp", "run", "-S", "vae.beta=1.2")
    assert ran(done.stdout) == {"resolve", "train@vae", "sample@vae", "evaluate@vae", "report"}
    assert weights.read_bytes() != before
    assert YAML(typ="safe").load(clone.folder / "configs/train/vae.yaml")["settings"]["beta"] == 1.2
    different = json.loads(clone.run("dvc", "metrics", "diff", "--json").stdout)
    assert different.keys() == {"metrics/vae.json"}
    clone.run("dvc", "plots", "diff", "-o", "shown")
    shutil.rmtree(clone.folder / "shown")
    clone.run("git", "checkout", "-q", "params.yaml")
    back = clone.run("dvc", "repro")
    assert not ran(back.stdout)
    assert weights.read_bytes() == before
    assert clone.status() == set()
