"""The last line of defence: one line for an error that nothing foresaw, and the traceback in a log."""

import errno
from pathlib import Path

import pytest

from thirtytwo.runtime.stage import one_line, unexpected


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("dvc.yaml", "params.yaml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError("cannot\nallocate"), "not enough memory (MemoryError: cannot allocate); free some"),
        (OSError(errno.ENOSPC, "No space left on device", "data/x"), "data/x: No space left on device; details: "),
        (PermissionError(errno.EACCES, "Permission denied", "data/x"), "data/x: Permission denied; details: "),
        (KeyError("x"), "KeyError: 'x'; this is a bug of ThirtyTwo: please report it"),
    ],
)
def test_the_line_tells_a_machine_s_limits_from_a_bug(error: Exception, words: str, project: Path):
    line = unexpected(error, "train@vae")
    assert line.startswith(words)
    assert "\n" not in line
    assert line.endswith(str(project / "logs/errors/train@vae.log"))
    assert type(error).__name__ in (project / "logs/errors/train@vae.log").read_text()


def test_outside_a_project_the_log_is_among_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "dvc.yaml").unlink()
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert str(tmp_path / "thirtytwo-a_b.log") in unexpected(ValueError("x"), "a/b")


def test_a_message_is_one_line_that_a_terminal_only_shows():
    assert one_line(ValueError("a\n b\tc é 'd'")) == "a b c é 'd'"
    assert one_line(ValueError("\x1b[2J\udcff\0")) == r"\x1b[2J\udcff\x00"
