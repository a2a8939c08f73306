"""`thirtytwo doctor`: a line for each check, and an exit code."""

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from cli_project import configure, params
from thirtytwo.cli import doctor
from thirtytwo.repro.run import repro
from thirtytwo.runtime.errors import CommandError
from thirtytwo.runtime.project import Project


def test_leftovers_of_interrupted_work(tmp_path):
    for name in ("data/downloads/x.part", "data/samples/.vae.npz.1.tmp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    part, temporary = doctor.leftovers(Project(tmp_path))
    assert "data/downloads/x.part" in part.what
    assert "data/samples/.vae.npz.1.tmp" in temporary.what


@pytest.mark.parametrize(
    "content",
    [
        '{"write": {"/a/b": {"pid": 12, "cm', "", "[]", '{"write": 3}', "\udcff", "9" * 5000, "[" * 100_000,
        '{"write": {"/a/b": {"pid": -12, "cmd": ""}}}',
    ],
    ids=range(8),
)  # fmt: skip
def test_a_broken_lock_of_dvc_is_named_and_mended(content, tmp_path, monkeypatch):
    Repo.init(str(tmp_path), no_scm=True).close()
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).touch()
    path = tmp_path / ".dvc/tmp/rwlock"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match=r"rwlock.*thirtytwo doctor"):
        repro(tmp_path, [], jobs=1)
    (finding,) = doctor.lock_of_dvc(Project(tmp_path))
    assert ".dvc/tmp/rwlock" in finding.what
    assert not path.exists()
    assert list(doctor.lock_of_dvc(Project(tmp_path))) == []
    path.write_text('{"write": {}, "read": {}}')
    assert list(doctor.lock_of_dvc(Project(tmp_path))) == []
    assert path.exists()


def test_stale_stages_are_those_of_dvc_status(tmp_path):
    project = Project(tmp_path)
    assert doctor.stale(project).state == "missing"  # no repository
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = True\n", encoding="utf-8")
    stages = "stages:\n  copy: {cmd: cp a b, deps: [a], outs: [b]}\n"
    (tmp_path / "dvc.yaml").write_text(stages, encoding="utf-8")
    (tmp_path / "a").write_text("a", encoding="utf-8")
    finding = doctor.stale(project)
    assert (finding.state, finding.remedy) == ("note", "dvc repro")
    assert "1 (copy)" in finding.what


def test_exit_code_1_if_something_is_missing(command, project, root, monkeypatch, capsys):
    for name in ("pyproject.toml", "requirements.txt"):
        (project.root / name).write_bytes((root / name).read_bytes())
    monkeypatch.setattr(doctor, "stale", lambda project: doctor.Finding("ok", "every stage is up to date"))
    assert command("doctor") == 0
    output = capsys.readouterr().out
    assert "params.yaml: 7 runs, 1 data sets" in output
    assert "source digits5k: " in output
    values = params(root)
    values["vae"]["beta"] = "1.2"
    with project.params.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(values, file)
    try:
        assert command("doctor") == 1
    finally:
        configure(project, params(root))
    assert "missing params.yaml: vae.beta: " in capsys.readouterr().out
