"""Files damaged between stages, and files of users: each stage and command ends in one line that names the file."""

import io
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cli_project import configure, params
from thirtytwo.cli.main import main
from thirtytwo.core.weights import serialise
from thirtytwo.runtime import stage
from thirtytwo.runtime.project import Project
from thirtytwo.runtime.sealed import arrays_in, seal_json, seal_zip, unseal_json

JOBS = {  # each stage and command with the files that it reads
    "classifier digits5k": ("data/prepared/digits5k.npz", "data/prepared/digits5k.json"),
    "fid_stats digits5k": ("data/prepared/digits5k.npz",),
    "floor digits5k": ("data/prepared/digits5k.npz", "data/prepared/digits5k.json", "data/classifiers/digits5k.pt"),
    "train lddpm": ("data/prepared/digits5k.npz", "data/models/cvae/0.pt"),
    "sample cddpm": ("data/prepared/digits5k.npz", "data/models/cddpm/0.pt", "data/snapshots/cddpm.pt"),
    "sweep cddpm": ("data/models/cddpm/0.pt", "data/features/digits5k.npz", "data/features/digits5k.pt"),
    "evaluate cddpm": (
        "data/samples/cddpm/0.npz", "data/probes/cddpm.npz", "data/prepared/digits5k.npz", "data/prepared/digits5k.json",
        "data/features/digits5k.npz", "data/features/digits5k.pt", "scores/floor/digits5k.json",
    ),
    "thirtytwo sample cddpm --n 2 --out new.npz": ("data/prepared/digits5k.npz", "data/models/cddpm/0.pt"),
    "thirtytwo evaluate data/samples/cddpm/0.npz --against digits5k": (
        "data/prepared/digits5k.json", "data/features/digits5k.npz", "data/features/digits5k.pt",
    ),
    "thirtytwo export cddpm --to new": ("data/models/cddpm/0.pt",),
}  # fmt: skip
PAIRS = [pytest.param(job, file, id=f"{job.split(' -')[0]}-{file}") for job, files in JOBS.items() for file in files]


@pytest.fixture(scope="module")
def copy(project: Project, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project of the command's tests, with a sweep and, for the stage fid_stats alone, FID."""
    folder = tmp_path_factory.mktemp("damaged") / "project"
    shutil.copytree(project.root, folder)
    values = params(root)
    about = {
        "family": "diffusion",
        "net": values["runs"]["cddpm"]["net"],
        "dataset": "digits5k",
        "samplers": {"ddim": "uniform"},
    }
    values["sweeps"] = {"cddpm": about | {"images": 2, "steps": [1], "etas": [0.0]}}
    configure(Project(folder), values)
    fid = Project(folder).config("fid_stats", "digits5k")
    fid.write_text(fid.read_text(encoding="utf-8").replace("fid: false", "fid: true"), encoding="utf-8")
    return Project(folder)


@pytest.fixture
def run(copy: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """Runs a stage or a command, which must fail, and returns its one line."""
    monkeypatch.chdir(copy.root)

    def run(job: str) -> str:
        name, *arguments = job.split()
        if name == "thirtytwo":
            assert main(arguments) == 1
            (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
            return line
        monkeypatch.setattr(sys, "argv", [f"stages/{name}.py", *arguments])
        with pytest.raises(SystemExit) as ended:
            stage.run_stage(import_module(f"stages.{name}").main)
        assert isinstance(ended.value.code, str)  # Python prints it and exits with code 1
        return ended.value.code

    return run


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@contextmanager
def damaged(path: Path, content: bytes | None) -> Iterator[None]:
    before = path.read_bytes()
    try:
        path.unlink() if content is None else path.write_bytes(content)
        yield
    finally:
        path.write_bytes(before)


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :]


def overwritten(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(64) + content[middle + 64 :]


@pytest.mark.parametrize(("job", "file"), PAIRS)
def test_missing_cut_flipped_and_overwritten_files(job: str, file: str, copy: Project, run: Callable[[str], str]):
    content = (copy.root / file).read_bytes()
    for broken in (None, b"", content[: len(content) // 2], flipped(content), overwritten(content)):
        with damaged(copy.root / file, broken):
            line = run(job)
        assert Path(file).name in line
        assert "dvc repro" in line
        assert "\n" not in line
        assert "bug" not in line


# Content that is whole, but not what the stage expects.


def npz(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        arrays, buffer = arrays_in(content), io.BytesIO()
        change(arrays)
        np.savez(buffer, **arrays)
        return seal_zip(buffer.getvalue())

    return changed


def without(name: str) -> Callable[[bytes], bytes]:
    return npz(lambda arrays: arrays.pop(name))


def replaced(name: str, value: Callable[[np.ndarray], Any]) -> Callable[[bytes], bytes]:
    return npz(lambda arrays: arrays.update({name: np.asarray(value(arrays[name]))}))


def text(old: str, new: str) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        values = unseal_json(content).decode()
        assert old in values
        return seal_json(values.replace(old, new, 1).encode())

    return changed


def pt(state: Any) -> Callable[[bytes], bytes]:
    return lambda content: serialise(state)


def other_shape(content: bytes) -> bytes:
    state = torch.load(io.BytesIO(content), weights_only=True)
    for weights in (state.get("modules", {}), state.get("ema", {}), state.get("state_dict", {})):
        weights.update(
            {key: value[:1] for key, value in weights.items() if isinstance(value, torch.Tensor) and value.dim()}
        )
    return serialise(state)


CHANGES = [
    ("floor digits5k", "data/prepared/digits5k.npz", without("labels")),
    ("floor digits5k", "data/prepared/digits5k.npz", replaced("images", lambda x: x[:, :16])),
    ("floor digits5k", "data/prepared/digits5k.npz", replaced("images", lambda x: x[:-1])),
    ("floor digits5k", "data/prepared/digits5k.npz", replaced("images", lambda x: x.repeat(2, axis=3))),
    ("floor digits5k", "data/prepared/digits5k.npz", replaced("images", lambda x: x / 255)),
    ("floor digits5k", "data/prepared/digits5k.npz", replaced("labels", lambda x: x + 1)),
    ("floor digits5k", "data/prepared/digits5k.npz", replaced("labels", lambda x: x - 1)),
    ("floor digits5k", "data/prepared/digits5k.npz", replaced("split", lambda x: x + 1)),
    ("floor digits5k", "data/prepared/digits5k.json", text('"classes"', '"klasses"')),
    ("floor digits5k", "data/prepared/digits5k.json", text('"factor_names": []', '"factor_names": ["x"]')),
    ("floor digits5k", "data/prepared/digits5k.json", text('"factor_names": []', '"factor_names": {}')),
    ("floor digits5k", "data/classifiers/digits5k.pt", pt({"modules": {}})),
    ("floor digits5k", "data/classifiers/digits5k.pt", pt([1])),
    ("floor digits5k", "data/classifiers/digits5k.pt", pt({"state_dict": {}, "classes": ["a"], "channels": 1.5, "width": 8})),
    ("floor digits5k", "data/classifiers/digits5k.pt", pt({"state_dict": [], "classes": ["a"], "channels": 1, "width": 8})),
    ("train lddpm", "data/models/cvae/0.pt", pt({"modules": 3, "ema": None})),
    ("train lddpm", "data/models/cvae/0.pt", other_shape),
    ("sample cddpm", "data/models/cddpm/0.pt", pt({"modules": {}, "ema": {"a": 1}, "channels": 1, "classes": ["a"]})),
    ("sample cddpm", "data/models/cddpm/0.pt", pt({"modules": [1], "ema": 2, "channels": 1, "classes": ["a"]})),
    ("sample cddpm", "data/models/cddpm/0.pt", other_shape),
    ("sample cddpm", "data/snapshots/cddpm.pt", pt({5: {"denoiser": {}}})),
    ("sample cddpm", "data/snapshots/cddpm.pt", pt({5: {"generator": {}}})),
    ("sample cddpm", "data/snapshots/cddpm.pt", pt({5: 6})),
    ("evaluate cddpm", "data/samples/cddpm/0.npz", without("labels")),
    ("evaluate cddpm", "data/samples/cddpm/0.npz", replaced("labels", lambda x: x + 90)),
    ("evaluate cddpm", "data/samples/cddpm/0.npz", replaced("labels", lambda x: x - 9)),
    ("evaluate cddpm", "data/samples/cddpm/0.npz", replaced("images", lambda x: x[:, :, :8])),
    ("evaluate cddpm", "data/samples/cddpm/0.npz", replaced("images", lambda x: x[:5])),
    ("evaluate cddpm", "data/probes/cddpm.npz", npz(lambda arrays: arrays.update(path_start=np.zeros(3)))),
    ("evaluate cddpm", "data/probes/cddpm.npz", npz(lambda arrays: arrays.update(snapshot_steps=np.arange(3)))),
    ("evaluate cddpm", "data/probes/cddpm.npz", npz(lambda arrays: arrays.update(bound_bits=np.full((4, 3), np.nan)))),
    ("evaluate cddpm", "data/features/digits5k.npz", without("split")),
    ("evaluate cddpm", "data/features/digits5k.npz", replaced("features", lambda x: x * np.nan)),
    ("evaluate cddpm", "data/features/digits5k.npz", replaced("features", lambda x: x[:-1])),
    ("evaluate cddpm", "data/features/digits5k.npz", replaced("labels", lambda x: x + 1)),
    ("evaluate cddpm", "data/features/digits5k.npz", replaced("features_sha256", lambda x: "0" * 64)),
    ("evaluate cddpm", "scores/floor/digits5k.json", text('"at_random"', '"by_chance"')),
    ("evaluate cddpm", "scores/floor/digits5k.json", text('"low": ', '"low": 9e')),
    ("evaluate cddpm", "scores/floor/digits5k.json", text('"value": ', '"value": "x", "was": ')),
    ("sweep cddpm", "data/features/digits5k.npz", without("features")),
    ("sweep cddpm", "data/features/digits5k.pt", other_shape),
]  # fmt: skip


@pytest.mark.parametrize(
    ("job", "file", "change"),
    [pytest.param(*change, id=f"{n}-{change[0]}-{change[1]}") for n, change in enumerate(CHANGES)],
)
def test_whole_files_of_another_content(
    job: str, file: str, change: Callable[[bytes], bytes], copy: Project, run: Callable[[str], str]
):
    path = copy.root / file
    with damaged(path, change(path.read_bytes())):
        line = run(job)
    assert path.name in line
    assert "\n" not in line
    assert "bug" not in line


# Files of users


def arrays_file(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


PIXELS = np.zeros((4, 32, 32, 1), np.uint8)
GIVEN = {
    "empty": b"", "no archive": b"PK", "cut": arrays_file(images=PIXELS)[:900],
    "flipped": flipped(arrays_file(images=np.arange(4096, dtype=np.uint8).reshape(4, 32, 32, 1))),
    "no images": arrays_file(pictures=PIXELS), "a number": arrays_file(images=np.uint8(3)),
    "one dimension": arrays_file(images=PIXELS.ravel()), "no pixels": arrays_file(images=PIXELS[:, :0]),
    "no images at all": arrays_file(images=PIXELS[:0]), "floats": arrays_file(images=PIXELS / 255),
    "objects": arrays_file(images=np.array([{}], object)), "text": arrays_file(images=np.array(["a"])),
    "labels of text": arrays_file(images=PIXELS, labels=np.array(["a", "b", "c", "d"])),
    "labels of floats": arrays_file(images=PIXELS, labels=np.full(4, np.nan)),
    "other labels": arrays_file(images=PIXELS, labels=np.arange(5)), "no class": arrays_file(images=PIXELS, labels=[9] * 4),
    "a label": arrays_file(images=PIXELS, labels=1),
}  # fmt: skip


@pytest.mark.parametrize("content", GIVEN.values(), ids=GIVEN)
def test_images_of_users(content: bytes, run: Callable[[str], str], tmp_path: Path):
    (tmp_path / "mine.npz").write_bytes(content)
    line = run(f"thirtytwo evaluate {tmp_path}/mine.npz --against digits5k")
    assert "mine.npz" in line
    assert "bug" not in line


SCORES = [
    b"", b"{", b"[]", b"7", b"\xff", b"[" * 50_000, b'{"measured": {"scores": {"fd_classifier": NaN}}}',
    b'{"measured": {"scores": {"fd_classifier": {"value": 1, "low": 2, "high": 3}}}}', b'{"measured": 3}',
    b'{"measured": {"scores": {"fd_classifier": []}}}', b'{"measured": {"scores": {}}}',
]  # fmt: skip


@pytest.mark.parametrize("content", SCORES)
def test_scores_of_users(content: bytes, run: Callable[[str], str], tmp_path: Path):
    (tmp_path / "mine.json").write_bytes(content)
    line = run(f"thirtytwo compare {tmp_path}/mine.json {tmp_path}/mine.json")
    assert "mine.json" in line
    assert "bug" not in line


@pytest.mark.parametrize(
    "content", [b"", b"[1]", b"a: [", b"\xff\xfe\x00", b"run: cddpm", b"family: 3", b"family: gan", b"{a: &a [*a]}"]
)
@pytest.mark.parametrize("stage", ["sample", "train"])
def test_settings_edited_by_hand(content: bytes, stage: str, copy: Project, run: Callable[[str], str]):
    with damaged(copy.config(stage, "cddpm"), content):
        line = run("thirtytwo sample cddpm --n 2 --out new.npz")
    assert "cddpm.yaml" in line
    assert "bug" not in line


def test_an_error_that_nothing_foresaw_keeps_its_traceback(
    copy: Project, run: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
):
    def broken(*arguments: Any) -> None:
        raise ZeroDivisionError("first\nsecond")

    monkeypatch.setattr("thirtytwo.settings.families.read_sample", broken)
    monkeypatch.setattr("thirtytwo.cli.sample.read_sample", broken)
    for job, log in (
        ("thirtytwo sample cddpm --n 2 --out new.npz", "thirtytwo-sample.log"),
        ("sample cddpm", "sample@cddpm.log"),
    ):
        if not job.startswith("thirtytwo"):
            monkeypatch.setattr("stages.sample.read_sample", broken)
        line = run(job)
        path = copy.root / "logs/errors" / log
        assert (
            f"ZeroDivisionError: first second; this is a bug of ThirtyTwo: please report it to its authors with {path}"
            in line
        )
        assert "in broken" in path.read_text()


def test_a_stage_says_how_it_is_called(copy: Project, run: Callable[[str], str]):
    assert run("train") == "error: expected: python train.py RUN"
