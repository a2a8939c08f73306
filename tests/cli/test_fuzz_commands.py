"""Random command lines and weights: a command ends with a documented exit code, and in one line where it fails.

None has a traceback. Commands that start stages (`repro`) or DVC (`doctor`) are only parsed.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cli_project import RUNS
from mutations import bounded_memory, changed
from thirtytwo.cli import main as command_line
from thirtytwo.core.weights import load_weights, serialise
from thirtytwo.runtime.project import Project

NUMBERS = st.sampled_from((
    "0", "1", "2", "3", "-1", "1.5", "nan", "inf", "1e9", "1e400", "x", "", "999999999", "9" * 30, "9" * 5000, "٣", "1_0", " 2", "0x2", "2²",
))  # fmt: skip
NAMES = st.one_of(
    st.sampled_from((
        *RUNS, "digits5k", "", ".", "..", "../cvae", "/etc/passwd", "cvae/0", "cvae\0", "cvae\n", "-", "--", "é", "*", "%s", "a" * 300,
    )),
    st.text(max_size=5),
)  # fmt: skip
WORDS = st.one_of(
    NAMES, NUMBERS, st.sampled_from(("ddim", "ddpm", "heun", "unipc", "ema", "raw", "gaussian", "mixture", "karras"))
)
# Names of outputs: new ones, below the test's folder, and those that cannot be written.
OUTPUTS = st.sampled_from((
    "o.png", "o.npz", "o.json", "o", "o.txt", "", ".", "..", "o/", "o\0.png", "o\n.png", "a" * 300 + ".npz", "/proc/o.npz", "/dev/null",
    "/dev/full", "x" * 300, "~", "é.png", "\udcff.png", "o/a.png",
))  # fmt: skip
OPTIONS = {
    "sample": ("--labels", "--sampler", "--steps", "--eta", "--spacing", "--guidance", "--decoder-guidance", "--prior", "--proposals",
               "--weights", "--seed", "--training-seed", "--first"),
    "evaluate": ("--split", "--labels-from-folders", "--convert"),
    "compare": ("--score", "--json"),
    "export": (),
}  # fmt: skip


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    command = draw(st.sampled_from(sorted(OPTIONS)))
    line = [command]
    if command == "sample":
        run, out = (
            draw(st.one_of(st.sampled_from(good), any_))
            for good, any_ in ((sorted(RUNS), NAMES), (("o.png", "o.npz"), OUTPUTS))
        )
        line += [run, "--n", draw(st.sampled_from(("1", "2", "0", "x", "9" * 30, "9" * 12))), "--out", out]
    elif command == "evaluate":
        images = st.sampled_from(("data", "o.npz", "nothing", "/proc/version", "data/samples/cvae/0.npz"))
        line += [draw(images), "--against", draw(st.one_of(st.just("digits5k"), NAMES))]
        line += draw(st.sampled_from(([], ["--out", "s.json"], ["--out", "/proc/s.json"])))
    elif command == "compare":
        line += [draw(NAMES), draw(NAMES)]
    else:
        line += [draw(NAMES.filter(lambda name: name not in RUNS)), "--to", draw(OUTPUTS)]
    for option in draw(
        st.lists(st.sampled_from(OPTIONS[command] or ("--x",)), max_size=draw(st.sampled_from((0, 0, 1, 3))))
    ):
        line += [option, draw(WORDS)] if draw(st.integers(0, 5)) else [option]
    return line


@pytest.fixture(scope="module")
def folder(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder inside a project of its own, whose files are those of the command's tests."""
    folder = tmp_path_factory.mktemp("lines")
    for path in project.root.iterdir():
        (folder / path.name).symlink_to(path)
    return folder


def ends_well(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    try:
        with bounded_memory(2**30):
            code = command_line.main(line)
    except SystemExit as ended:  # of argparse
        code = ended.code if isinstance(ended.code, int) else 1
    error = capsys.readouterr().err
    assert code in (0, 1, 2)
    assert "Traceback" not in error
    assert "bug of ThirtyTwo" not in error
    assert code == 0 or "error: " in error


@given(line=lines())
def test_command_lines(
    line: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    threads = torch.get_num_threads()
    monkeypatch.chdir(folder)
    above = set(folder.parent.iterdir())
    ends_well(line, capsys)
    assert set(folder.parent.iterdir()) == above
    torch.set_num_threads(threads)


@given(line=st.lists(st.one_of(WORDS, st.sampled_from((
    "repro", "doctor", "sample", "evaluate", "compare", "export", "--jobs", "--plan", "--clean", "--network", "--log", "--scheduler",
    "--n", "--out", "--help", "tensorboard", "tcp://x:1", "-h", "--version",
))), max_size=6))  # fmt: skip
def test_parsing(line: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    class Command:
        @staticmethod
        def run(args: object) -> int:
            return 0

    if "--help" in line or "-h" in line:
        return
    monkeypatch.setattr(command_line, "import_module", lambda name: Command)
    ends_well(line, capsys)


# Tensors that no network has, and ones of any form in the place of a network's own.
TENSORS = st.sampled_from((
    torch.zeros(()), torch.zeros(0), torch.full((3,), torch.nan), torch.ones(2, 3, dtype=torch.int64), torch.eye(3).to_sparse(),
    torch.ones(8, 8, dtype=torch.complex64), torch.ones(4, dtype=torch.bool), torch.empty(3, device="meta"),
))  # fmt: skip
FORMS = st.sampled_from((
    lambda x: x.long(), lambda x: x.bool(), lambda x: x.to(torch.complex64), lambda x: x.half(), lambda x: x.bfloat16(), lambda x: x.double(),
    lambda x: x.to("meta"), lambda x: x.to_sparse(), lambda x: x * torch.nan, lambda x: x * torch.inf, lambda x: x * 1e30,
    lambda x: x * 0, lambda x: x[None], lambda x: x[..., None], lambda x: x.flatten(), lambda x: x.flatten()[1:], lambda x: x[None][:0],
))  # fmt: skip


class Weights(dict[str, Any]):
    """Weights whose repr is short: hypothesis writes out what a strategy is made of."""

    def __repr__(self) -> str:
        return f"Weights({len(self)})"


@st.composite
def wrong_weights(draw: st.DrawFn, state: Weights) -> dict[str, Any]:
    """`state` with any change to its keys and values, or with one or two tensors of another form."""
    if draw(st.booleans()):
        return draw(changed(state))
    groups = [key for key, value in state.items() if isinstance(value, dict) and value]
    group = draw(st.sampled_from(groups))
    tensors = dict(state[group])
    for name in draw(st.lists(st.sampled_from(sorted(tensors)), min_size=1, max_size=2, unique=True)):
        tensors[name] = draw(TENSORS) if draw(st.integers(0, 3)) == 0 else draw(FORMS)(tensors[name])
    return {**state, group: tensors}


@pytest.fixture(scope="module")
def copied(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose weights a test may overwrite."""
    return Project(shutil.copytree(project.root, tmp_path_factory.mktemp("weights"), dirs_exist_ok=True))


@contextmanager
def overwritten(path: Path, data: st.DataObject) -> Iterator[None]:
    """Within the block, `path` holds wrong weights with a right sha256."""
    right = path.read_bytes()
    path.write_bytes(serialise(data.draw(wrong_weights(Weights(load_weights(path, torch.device("cpu")))))))
    try:
        yield
    finally:
        path.write_bytes(right)


@settings(max_examples=max(1, settings.default.max_examples // 5))
@given(run=st.sampled_from(sorted(RUNS)), data=st.data())
def test_weights_of_a_run(
    run: str,
    data: st.DataObject,
    copied: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(copied.root)
    with overwritten(copied.model(run), data):
        ends_well(["sample", run, "--n", "1", "--out", "o.npz"], capsys)


@settings(max_examples=max(1, settings.default.max_examples // 5))
@given(second=st.booleans(), data=st.data())
def test_weights_of_a_classifier(
    second: bool,
    data: st.DataObject,
    copied: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(copied.root)
    path = copied.second_classifier("digits5k") if second else copied.classifier("digits5k")
    with overwritten(path, data):
        ends_well(["evaluate", "data/samples/cvae/0.npz", "--against", "digits5k"], capsys)
