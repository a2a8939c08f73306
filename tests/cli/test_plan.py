"""`thirtytwo doctor --plan`, and the check of `thirtytwo repro` before it starts."""

import pytest

from cli_project import configure, params
from dvc_project import project as dvc_project
from thirtytwo.cli import repro as cli_repro
from thirtytwo.cli.planning import capacity
from thirtytwo.cli.planning.needs import needs
from thirtytwo.repro.run import repro
from thirtytwo.runtime.errors import CommandError
from thirtytwo.settings import configs

__all__ = ["dvc_project"]


def test_a_row_for_each_run_and_the_totals(command, capsys):
    assert command("doctor --plan dcgan --jobs 1") == 0
    header, run, data, total, _, wall = capsys.readouterr().out.splitlines()
    assert header.split() == [
        "run", "steps", "batch", "images", "parameters", "memory", "disk", "train", "sample", "evaluate",
    ]  # fmt: skip
    assert run.split()[:4] == ["dcgan", "1800", "32", "60"]
    assert data.split()[:3] == ["digits5k", "(data)", "5000"]
    assert total.split()[:3] == ["total", "1800", "60"]
    assert "with --jobs 1" in wall


def test_an_unknown_run_is_named_with_the_nearest(command, capsys):
    assert command("doctor --plan dcgn") == 1
    assert "no run 'dcgn'; did you mean 'dcgan'?" in capsys.readouterr().err


def test_networks_beyond_the_memory_are_refused_before_they_are_built(command, project, root, capsys):
    values = params(root)
    values["cddpm"] |= {"width": 4096, "width_multipliers": [64, 64]}
    configure(project, values)
    try:
        assert command("doctor --plan") == 1
    finally:
        configure(project, params(root))
    error = capsys.readouterr().err
    assert error.startswith("error: runs.cddpm: ")
    assert "TB of memory, this machine has " in error
    assert error.count("\n") == 1


def test_what_a_disk_cannot_hold_is_refused_with_the_figures(command, monkeypatch, capsys):
    usage = capacity.shutil.disk_usage("/")._replace(free=1_000_000)
    monkeypatch.setattr(capacity.shutil, "disk_usage", lambda path: usage)
    assert command("doctor --plan") == 1
    error = capsys.readouterr().err
    assert "MB to be written, 1 MB free" in error


def test_stale_stages_are_checked_by_what_they_do(project, root, monkeypatch):
    compute = configs.Compute.model_validate(params(root)["compute"])
    cli_repro.check_stages(project, compute, ["report", "train@dcgan", "sample@cvae"])
    (needed,) = needs(project, project, ["cddpm"])
    sampling = needed.work.sampling_memory(needed.data, needed.networks)
    training = needed.work.training_memory(needed.data, needed.networks, 0.0)
    assert sampling < training
    monkeypatch.setattr(capacity, "memory_limit", lambda: (sampling + training) / 2)
    cli_repro.check_stages(project, compute, ["sample@cddpm", "evaluate@dcgan"])
    with pytest.raises(CommandError, match=r"runs.cddpm: .* of memory, this machine has "):
        cli_repro.check_stages(project, compute, ["sample@dcgan", "train@cddpm"])


def test_a_refusal_comes_before_the_first_stage_of_a_run(dvc_project, monkeypatch):
    folder = dvc_project('{"runs": {"a": {"steps": 2}}}')
    monkeypatch.chdir(folder)

    def refuse(stale):
        assert set(stale) == {"train@a", "sample@a", "evaluate@a", "report"}
        raise CommandError("too large")

    with pytest.raises(CommandError, match="too large"):
        repro(folder, [], jobs=1, check=refuse)
    assert (folder / "configs/a").exists()
    assert not (folder / "models").exists()
