"""Results damaged between stages: the report names the file in one line and draws nothing from it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from report_pages import TABLES
from thirtytwo.report.reading import load
from thirtytwo.runtime.errors import ThirtyTwoError
from thirtytwo.runtime.files import write_arrays
from thirtytwo.runtime.project import Project
from thirtytwo.runtime.sealed import arrays_in, seal_json, unseal_json


def refusal(root: Path, path: Path, content: bytes) -> str:
    """The line by which the report refuses its results while the file has this content."""
    before = path.read_bytes()
    try:
        path.write_bytes(content)
        with pytest.raises(ThirtyTwoError) as caught:
            load(Project(root))
    finally:
        path.write_bytes(before)
    line = str(caught.value)
    assert path.name in line
    assert "\n" not in line
    return line


READ = [
    "data/prepared/shapes.npz", "data/prepared/shapes.json", "data/samples/ddpm/0.npz", "data/probes/wgan_gp.npz",
    "scores/ddpm.json", "scores/train/ddpm.json", "scores/classifier/shapes.json", "scores/floor/shapes.json",
]  # fmt: skip
PICTURES = ["plots/samples/ddpm.png", "plots/sweep/ddpm.png"]


@pytest.mark.parametrize("file", [*READ, *TABLES, *PICTURES])
def test_files_cut_short_are_named(file: str, results: Path):
    content = (results / file).read_bytes()
    half = content[: len(content) // 2].removesuffix(b"\n")  # a table that ends with a row may be whole
    for length in (0, 1, len(half)):
        assert "dvc repro" in refusal(results, results / file, content[:length])


@pytest.mark.parametrize("file", READ + PICTURES)
def test_a_flipped_bit_is_noticed(file: str, results: Path):
    content = bytearray((results / file).read_bytes())
    for share in (0.3, 0.9):
        content[int(share * len(content))] ^= 4
        assert "dvc repro" in refusal(results, results / file, bytes(content))
        content[int(share * len(content))] ^= 4


@pytest.mark.parametrize("file", TABLES)
@pytest.mark.parametrize(
    "change",
    [
        lambda rows: [",".join(f"x{name}" for name in rows[0].split(",")), *rows[1:]],
        lambda rows: [rows[0], *(",".join(["x"] * len(row.split(","))) for row in rows[1:])],
        lambda rows: [rows[0], *(",".join(["inf"] * len(row.split(","))) for row in rows[1:])],
        lambda rows: [rows[0], *(row + ",1,2,3" for row in rows[1:3]), '"'],
    ],
    ids=["names", "text", "infinity", "ragged"],
)
def test_tables_of_other_content_are_named(file: str, change: Callable[[list[str]], list[str]], results: Path):
    rows = (results / file).read_text(encoding="utf-8").splitlines()
    refusal(results, results / file, ("\n".join(change(rows)) + "\n").encode())


@pytest.mark.parametrize("kind", ["classes", "sweep"])
def test_tables_without_a_row_are_named(kind: str, results: Path):
    path = results / f"plots/{kind}/ddpm.csv"
    assert "expected a row" in refusal(results, path, path.read_bytes().splitlines(keepends=True)[0])


def test_neighbours_of_samples_that_were_not_drawn_are_named(results: Path):
    path = results / "plots/neighbours/ddpm.csv"
    head, first, *rest = path.read_text(encoding="utf-8").splitlines(keepends=True)
    absent = first.replace(first.split(",")[0], "999", 1)
    assert "names images that" in refusal(results, path, "".join([head, absent, *rest]).encode())


def edited(path: Path, change: Callable[[dict], None]) -> bytes:
    values = json.loads(unseal_json(path.read_bytes()))
    change(values)
    return seal_json(json.dumps(values, indent=1).encode() + b"\n")


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("scores/ddpm.json", lambda v: v.pop("measured"), "measured"),
        ("scores/ddpm.json", lambda v: v["measured"].update(scores=[1]), "measured.scores"),
        ("scores/ddpm.json", lambda v: v["measured"]["scores"].update(fd_classifier="12"), "fd_classifier"),
        (
            "scores/ddpm.json",
            lambda v: v["measured"]["scores"]["fd_classifier"].update(low=1e9),
            "outside its interval",
        ),
        ("scores/ddpm.json", lambda v: v["measured"]["scores"]["fd_classifier"].pop("value"), "fd_classifier"),
        ("scores/ddpm.json", lambda v: v["measured"]["scores"]["fd_classifier"].update(value=float("nan")), "NaN"),
        ("scores/ddpm.json", lambda v: v.update(diagnosis=7), "diagnosis"),
        ("scores/train/ddpm.json", lambda v: v.update(steps="many"), "steps"),
        ("scores/classifier/shapes.json", lambda v: v["accuracy_test"].update(high=-1.0), "outside its interval"),
        ("scores/floor/shapes.json", lambda v: v.update(at_random=None), "at_random"),
        ("data/prepared/shapes.json", lambda v: v.pop("per_class"), "per_class"),
        ("data/prepared/shapes.json", lambda v: v.update(images="100"), "images"),
        ("data/prepared/shapes.json", lambda v: v.update(removed=[{"file": 3}]), "removed"),
        ("data/prepared/shapes.json", lambda v: v.update(removed=[{"file": "a", "class": "b"}]), "'reason'"),
        ("scores/ddpm.json", lambda v: v["measured"]["protocol"].update(features_sha256=True), "features_sha256"),
        ("scores/ddpm.json", lambda v: v["measured"]["protocol"].pop("reference_split"), "reference_split"),
        (
            "scores/ddpm.json",
            lambda v: v["measured"]["protocol"].update(fd_classifier=1),
            "a score or a fact, not both",
        ),
        ("scores/floor/shapes.json", lambda v: v["at_random"]["protocol"].update(n=-1), "protocol.n"),
    ],
)
def test_json_of_other_content_is_named_with_its_key(
    file: str, change: Callable[[dict], None], words: str, results: Path
):
    assert words in refusal(results, results / file, edited(results / file, change))


@pytest.mark.parametrize(
    ("file", "name", "change", "words"),
    [
        ("data/prepared/shapes.npz", "images", lambda x: x[:, :, :16], "'images' is uint8 [100, 32, 16, 3]"),
        ("data/prepared/shapes.npz", "labels", lambda x: x + 1, "labels from 0 to 4"),
        ("data/samples/ddpm/0.npz", "images", lambda x: x[:2], "'labels' is int64 [20]; expected int64 N where N = 2;"),
        ("data/samples/ddpm/0.npz", "images", lambda x: x.astype(np.float32), "'images' is float32"),
        ("data/probes/wgan_gp.npz", "d_samples", lambda x: x * np.nan, "'d_samples' holds NaN"),
        ("data/probes/wgan_gp.npz", "snapshot_steps", lambda x: x[:-1], "snapshots = 5,"),
        ("data/probes/wgan_gp.npz", "interpolation_grid", lambda x: x[..., :8, :], "'interpolation_grid' is uint8"),
    ],
)
def test_arrays_of_other_content_are_named(
    file: str, name: str, change: Callable[[np.ndarray], np.ndarray], words: str, results: Path, tmp_path: Path
):
    arrays = arrays_in((results / file).read_bytes())
    write_arrays(tmp_path / "a.npz", arrays | {name: change(arrays[name])}, compressed=False)
    assert words in refusal(results, results / file, (tmp_path / "a.npz").read_bytes())
