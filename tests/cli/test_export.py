"""`thirtytwo export`: the folder draws the images of `thirtytwo sample` without this package."""

import ast
import io
import json
import os
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.numpy import load_file

from cli_project import RUNS, comparable_scores
from thirtytwo.cli import export as cli_export
from thirtytwo.cli.export import SCRIPT
from thirtytwo.runtime.errors import ThirtyTwoError
from thirtytwo.runtime.sealed import unseal_json


@pytest.mark.parametrize(
    "run", [run if run in ("dcgan", "cvae") else pytest.param(run, marks=pytest.mark.slow) for run in RUNS]
)
def test_the_folder_draws_the_images_of_the_run(run, command, tmp_path):
    folder, count = tmp_path / "exported", 60
    assert command(f"export {run} --to {folder}") == 0
    assert command(f"sample {run} --n {count} --out {tmp_path / 'ours.npz'}") == 0
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.modules['thirtytwo'] = None; sys.argv = ['sample.py', '60'];"
         "exec(open('sample.py').read())"],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(folder / "images.npz") as theirs, np.load(tmp_path / "ours.npz") as ours:
        assert len(np.unique(theirs["images"])) > 50
        np.testing.assert_allclose(theirs["images"].astype(int), ours["images"].astype(int), rtol=0, atol=1)
        if (ours["labels"] >= 0).all():
            np.testing.assert_array_equal(theirs["labels"], ours["labels"])
    weights = load_file(folder / "model.safetensors")
    assert any(np.abs(value).max() > 0.1 for value in weights.values())
    script = (folder / "sample.py").read_text(encoding="utf-8")
    assert len([line for line in script.splitlines() if line.strip()]) <= 31
    assert set(re.findall(r"^(?:import|from) (\w+)", script, re.M)) == {
        "hashlib",
        "io",
        "sys",
        "numpy",
        "torch",
        "safetensors",
    }
    assert json.loads((folder / "settings.json").read_text(encoding="utf-8"))["train"]["run"] == run


class Plant:
    """Unpickling it makes the folder `ran`."""

    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_code_planted_in_the_program_does_not_run(command, tmp_path):
    """torch unpickles the program's example inputs."""
    folder = tmp_path / "exported"
    assert command(f"export dcgan --to {folder}") == 0
    buffer = io.BytesIO()
    torch.save(Plant(), buffer)
    with zipfile.ZipFile(folder / "program.pt2") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    (planted,) = [name for name in members if "sample_inputs" in name]
    with zipfile.ZipFile(folder / "program.pt2", "w") as archive:
        for name, content in (members | {planted: buffer.getvalue()}).items():
            archive.writestr(name, content)
    done = subprocess.run([sys.executable, "sample.py", "2"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: program.pt2: not the file")
    assert not (folder / "ran").exists()
    assert not (folder / "images.npz").exists()


def test_names_of_classes_stay_text_in_the_script():
    classes = ("'); import os; os.mkdir('ran') #", '"""', "{sha256}", "a\nb", "<script>alert(1)</script>")
    script = SCRIPT.format(run="vae", classes=classes, draws=1, count=1, shape=(1,), seed=0, sha256="0")
    (assigned,) = [
        node.value for node in ast.parse(script).body if isinstance(node, ast.Assign) and "CLASSES" in ast.unparse(node)
    ][:1]
    assert ast.literal_eval(assigned) == classes


def test_the_card_has_scores_with_intervals_and_floors(command, card, project, tmp_path):
    assert command(f"export cddpm --to {tmp_path / 'exported'}") == 0
    shown = ModelCard.load(tmp_path / "exported/README.md")
    assert shown.data.license == "mit"
    names = {result.metric_type: result.metric_value for result in shown.data.eval_results}
    assert names["fd_classifier"] == pytest.approx(card.measured.estimate("fd_classifier").value, rel=0.1)
    row = next(line for line in shown.text.splitlines() if line.startswith("| fd_classifier "))
    value, floor = (float(re.findall(r"[\d.,]+", cell)[0].replace(",", "")) for cell in row.split("|")[2:4])
    assert value == pytest.approx(card.measured.estimate("fd_classifier").value, rel=0.1)
    assert floor == pytest.approx(card.floor.estimate("fd_classifier").value, rel=0.1)
    assert "N = 40 images" in shown.text


def test_an_export_that_fails_leaves_nothing(command, tmp_path, monkeypatch, capsys):
    def fail(*arguments):
        raise ThirtyTwoError("stopped")

    monkeypatch.setattr(cli_export, "write_json", fail)
    assert command(f"export dcgan --to {tmp_path / 'exported'}") == 1
    assert capsys.readouterr().err == "error: stopped\n"
    assert not list(tmp_path.iterdir())


def test_scores_that_are_damaged_or_carry_no_sha256_are_refused(command, project, tmp_path, capsys):
    path = comparable_scores(project.scores("dcgan"), 1)
    sealed = path.read_bytes()
    try:
        for content in (sealed.replace(b"50", b"51", 1), unseal_json(sealed)):
            path.write_bytes(content)
            assert command(f"export dcgan --to {tmp_path / 'exported'}") == 1
            error = capsys.readouterr().err
            assert re.search(r"dcgan\.json: damaged: its sha256", error)
            assert error.count("\n") == 1
    finally:
        path.unlink()
    assert not (tmp_path / "exported").exists()


def test_an_existing_folder_or_file_and_an_unknown_run_are_refused(command, tmp_path, capsys):
    file = comparable_scores(tmp_path / "full/a.json", 1)
    for line, message in (
        (f"export dcgan --to {tmp_path / 'full'}", "--to: .*full exists; name a new folder"),
        (f"export dcgan --to {file}", r"--to: .*a\.json exists; name a new folder"), ("export dcgna", "dcgan"),
    ):  # fmt: skip
        assert command(line) == 1
        error = capsys.readouterr().err
        assert re.search(message, error)
        assert error.count("\n") == 1
