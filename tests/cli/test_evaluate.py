"""`thirtytwo evaluate` beside the stage `evaluate`: the same scores for the same images."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli_project import CLASSES
from thirtytwo.evaluate import comparison
from thirtytwo.evaluate.scorecard import Scorecard
from thirtytwo.runtime.files import read_json


def as_files(images: np.ndarray, labels: np.ndarray, folder: Path) -> Path:
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / CLASSES[label] / f"{index:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(path)
    return folder


def test_images_of_a_stage_get_the_scores_of_the_stage(command, project, card, tmp_path):
    out = tmp_path / "scores.json"
    assert command(f"evaluate {project.samples('cddpm')} --against digits5k --out {out}") == 0
    scored = read_json(out, Scorecard)
    comparable = [key for key in (*comparison.LOWER, *comparison.HIGHER) if key in card.measured.scores]
    assert {"fd_classifier", "fd_second", "accuracy", "accuracy_second", "coverage"} <= {*comparable}
    assert {*comparable} <= {*scored.measured.scores} & {*scored.floor.scores}
    assert {key: card.measured.scores[key] for key in scored.measured.scores} == scored.measured.scores
    assert scored.measured.protocol["removed"] == 0
    assert {key: card.measured.protocol[key] for key in comparison.PROTOCOL}.items() <= scored.measured.protocol.items()
    assert (scored.floor, scored.diagnosis) == (card.floor, card.diagnosis)


def test_a_folder_gets_the_same_scores_and_its_removed_files_are_listed(command, project, tmp_path, capsys):
    with np.load(project.samples("cddpm")) as file:
        images, labels = file["images"][:30], file["labels"][:30]
    np.savez(tmp_path / "same.npz", images=images, labels=labels)
    folder = as_files(images, labels, tmp_path / "folder")
    (folder / "zero/broken.png").write_bytes((folder / "zero/00000.png").read_bytes()[:200])
    Image.new("RGB", (32, 32)).save(folder / "one/coloured.png")
    (folder / "notes.txt").write_text("no image", encoding="utf-8")
    scored = []
    for source, options in ((folder, "--labels-from-folders"), (tmp_path / "same.npz", "")):
        out = tmp_path / "scores.json"
        assert command(f"evaluate {source} --against digits5k --split test {options} --out {out}") == 0
        scored.append(read_json(out, Scorecard))
    output = capsys.readouterr().out
    assert "zero/broken.png: does not decode" in output
    assert "one/coloured.png: rgb" in output
    assert "N = 30" in output
    assert [one.measured.protocol["removed"] for one in scored] == [2, 0]
    # of the folder the classes come one after another, so that sums and resamples round and fall otherwise
    values = [
        [
            part.estimate(key).value
            for part in (one.measured, one.floor)
            for key in ("fd_classifier", "fd_second", "accuracy")
        ]
        for one in scored
    ]
    np.testing.assert_allclose(*values, rtol=1e-5)
    facts = scored[0].measured.protocol
    assert [facts[key] for key in ("reference_split", "n", "reference_n")] == ["test", 30, 50]
    assert scored[0].floor.protocol["n"] == 30


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{0}/none --against digits5k", r"/none: .*folder.*\.npz"),
        ("{0} --against digits", r"--against: .*'digits'; did you mean 'digits5k'\?"),
        ("{0} --against digits5k", "0 usable images of 0 "),
        ("{0}/six.npz --against digits5k", r"six\.npz: 6 usable images of 6 .*expected 7 or more"),
        ("{0}/floats.npz --against digits5k", r"floats\.npz: .*float64 \[2, 32, 32, 1\]; expected uint8"),
        ("{0}/labels.npz --against digits5k", r"labels\.npz: .*\[2\] of \[0, 3\]; expected \[2\] of 0 to 2"),
        ("{0}/floats.npz --against digits5k --labels-from-folders", r"floats\.npz: expected a folder"),
        ("{0}/floats.npz --against digits5k --out x.csv", r"--out: x\.csv; .*\.json"),
        ("{0} --against digits5k --convert rbg", r"--convert\[0\]: .*'rbg'; did you mean 'rgb'\?"),
    ],
)
def test_a_wrong_option_or_image_is_refused_in_one_line(line, message, command, tmp_path, capsys):
    np.savez(tmp_path / "floats.npz", images=np.zeros((2, 32, 32, 1)))
    np.savez(tmp_path / "six.npz", images=np.zeros((6, 32, 32, 1), np.uint8))
    np.savez(tmp_path / "labels.npz", images=np.zeros((2, 32, 32, 1), np.uint8), labels=[0, 3])
    assert command(f"evaluate {line.format(tmp_path)}") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert re.search(message, error)
    assert error.count("\n") == 1
