"""Random command lines: each ends with a documented exit code, and in one line where it fails; none has a traceback.

Commands that start stages (`repro`) or DVC (`doctor`) are only parsed.
"""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cli_project import RUNS
from mutations import bounded_memory
from thirtytwo.cli import main as command_line
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
               "--weights", "--seed", "--training-seed"),
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
