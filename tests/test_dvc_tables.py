"""What `dvc metrics`, `dvc exp` and `dvc plots` print: tables that a terminal of 120 columns shows, and a page that opens offline.

The metrics are the committed ones of all runs (those of gan for a run that was not scored before the last commit); no stage
runs, so other outputs are placeholders.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from repository_copy import ROOT, RepositoryCopy
from thirtytwo.runtime.project import Project
from thirtytwo.settings.resolve import resolve

pytestmark = pytest.mark.timeout(600)

WIDTH = 120
RUNS = ("vae", "vae_anneal", "ddpm")
CURVE = "step,fd_classifier,d_real,reconstruction,kl,loss,evaluations,sampler,eta\n1,9,0.5,3,4,5,6,ddim,0\n"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63f80f00010101001bb6ee560000000049454e"
    "44ae426082"
)


class Results(RepositoryCopy):
    """A copy of the repository with its metrics and the outputs of `runs`, or of all runs, as placeholders."""

    def __init__(self, folder: Path, runs: tuple[str, ...] = ()) -> None:
        super().__init__(folder)
        params = YAML(typ="safe").load(folder / "params.yaml")
        (folder / "metrics").mkdir()
        for name in runs or params["runs"]:
            path = ROOT / f"metrics/{name}.json"
            shutil.copy(path if path.is_file() else ROOT / "metrics/gan.json", folder / f"metrics/{name}.json")
        if runs:
            for group in ("runs", "sweeps"):
                params[group] = {name: entry for name, entry in params[group].items() if name in runs}
            self.write(params)
        self.run("git", "init", "-q")
        self.fill()
        if runs:  # so that DVC has the outputs of the commit
            self.run("dvc", "commit", "-f", "-q")
        self.commit()

    def write(self, params: Any) -> None:
        with (self.folder / "params.yaml").open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(params, file)

    def fill(self, value: float = 1.0, *names: str) -> None:
        """Resolve the settings; write all outputs, or those of the runs `names`, with `value` in them."""
        resolve(self.folder / "params.yaml", Project(self.folder))
        for out in Repo(str(self.folder)).index.outs:
            path = Path(out.fs_path)
            if out.metric or path.name == "configs" or (names and path.stem not in names):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".png":
                path.write_bytes(PIXEL)
            elif path.suffix:
                path.write_text(f"{CURVE}2,{value},0.5,2,4,{value},8,ddim,1\n", encoding="utf-8")
            else:
                path.mkdir(exist_ok=True)
                (path / "0").write_text(f"{out.def_path} {value}", encoding="utf-8")

    def change(self, run: str, factor: float) -> None:
        """Multiply the metrics of a run."""
        path = self.folder / f"metrics/{run}.json"
        values = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({name: round(value * factor, 4) for name, value in values.items()}, indent=1))

    def table(self, *command: str) -> list[str]:
        """The lines that a command prints; none is wider than the terminal."""
        printed = [line.rstrip() for line in self.run(*command).stdout.splitlines() if line.strip()]
        assert max(map(len, printed)) <= WIDTH
        return printed


@pytest.fixture(scope="module")
def all_runs(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Results(tmp_path_factory.mktemp("all"))


@pytest.fixture(scope="module")
def three_runs(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Results(tmp_path_factory.mktemp("three"), RUNS)


def test_metrics_of_all_runs_are_a_table_of_eight_columns_or_fewer(all_runs: Results):
    head, *rows = all_runs.table("dvc", "metrics", "show")
    names = list(YAML(typ="safe").load(ROOT / "params.yaml")["runs"])
    assert sorted(row.split()[0] for row in rows) == sorted(f"metrics/{name}.json" for name in names)
    assert head.split()[0] == "Path"
    assert {"fd", "fd_low", "fd_high", "precision", "coverage"} <= set(head.split())
    assert len(head.split()) <= 9
    assert all(len(row.split()) == len(head.split()) for row in rows)
    assert "second" not in head
    for name in names:
        assert len(json.loads((all_runs.folder / f"metrics/{name}.json").read_text(encoding="utf-8"))) <= 8


def test_the_difference_of_one_run_has_the_rows_of_that_run_alone(all_runs: Results):
    all_runs.change("vae", 1.1)
    try:
        head, *rows = all_runs.table("dvc", "metrics", "diff")
    finally:
        all_runs.run("git", "checkout", "-q", "metrics")
    assert head.split() == ["Path", "Metric", "HEAD", "workspace", "Change"]
    assert 3 <= len(rows) <= 8
    assert {row.split()[0] for row in rows} == {"metrics/vae.json"}


def test_plots_are_a_handful_on_a_page_that_loads_nothing(all_runs: Results):
    done = all_runs.run("dvc", "plots", "show", "-o", "shown")
    page = (all_runs.folder / "shown/index.html").read_text(encoding="utf-8")
    shutil.rmtree(all_runs.folder / "shown")
    assert "failed to load" not in done.stderr
    assert not re.findall(r"<(?:script|link)[^>]*(?:src|href)=", page)
    drawn = re.findall(r"vegaEmbed\('#([^']+)', spec\)", page)
    assert 5 <= len(drawn) <= 8
    assert 1 <= len(re.findall(r"<img", page)) <= 5
    first = json.loads(page.partition("var spec = ")[2].partition(";\n")[0])
    runs = {Path(point["filename"]).stem for point in first["data"]["values"]}
    assert {"gan", "r3gan"} <= runs
    assert "dcgan" not in runs  # of another data set, whose FD does not compare
    assert first["encoding"]["color"]["field"] == "run"


def test_the_drawing_code_is_of_the_versions_that_dvc_expects():
    from dvc_render.vega import VegaRenderer

    page = (ROOT / ".dvc/plots.html").read_text(encoding="utf-8")
    for package, version in re.findall(r"npm/([\w-]+)@([\d.]+)", VegaRenderer.SCRIPTS):
        assert f"{package} {version}" in page


@pytest.mark.slow
def test_a_sweep_is_a_table_and_its_curves_lie_in_one_plot(three_runs: Results):
    params = YAML(typ="safe").load(three_runs.folder / "params.yaml")
    for beta in (0.5, 1.5, 2.0):
        params["vae"]["beta"] = beta
        three_runs.write(params)
        three_runs.fill(beta, "vae", "vae_anneal")
        for run in ("vae", "vae_anneal"):
            three_runs.change(run, 1 + beta / 10)
        three_runs.run("dvc", "exp", "save", "-q", "--force", "-n", f"beta{beta:g}")
        three_runs.run("git", "checkout", "-q", ".")
        three_runs.run("dvc", "checkout", "-q")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    keep = re.findall(r"dvc exp show --drop '\.\*' --keep '([^']+)'", readme)[0]
    head, *rows = three_runs.table("dvc", "exp", "show", "--drop", ".*", "--keep", keep)[1:]
    columns = [
        "Experiment",
        "metrics/vae.json:fd",
        "metrics/vae.json:distortion",
        "metrics/vae.json:rate_nats",
        "vae.beta",
    ]
    assert head.split() == columns
    rows = [row for row in rows if "─ " not in row.replace("── ", "", 1) and any(c.isalpha() for c in row)]
    assert {row.split()[-1] for row in rows} == {"0.5", "1", "1.5", "2"}
    assert len(rows) == 5  # the workspace, the commit and three experiments
    three_runs.run("dvc", "plots", "diff", "HEAD", "beta2", "-o", "shown")
    page = (three_runs.folder / "shown/index.html").read_text(encoding="utf-8")
    specs = [json.loads(text.partition(";\n")[0]) for text in page.split("var spec = ")[1:]]
    points = next(spec for spec in specs if "reconstruction" in str(spec.get("title")))["data"]["values"]
    assert {(Path(point["filename"]).stem, point["rev"]) for point in points} == {
        (run, rev) for run in ("vae", "vae_anneal") for rev in ("HEAD", "beta2")
    }
