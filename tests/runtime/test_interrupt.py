"""One process at a time in a folder, whatever happens to the one that is in it."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from thirtytwo.runtime.errors import Stopped
from thirtytwo.runtime.interrupt import exclusive, in_use

HOLDER = """
import sys
from pathlib import Path
from thirtytwo.runtime.interrupt import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is inside `exclusive(folder)` until its standard input is closed."""
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


@pytest.fixture(autouse=True)
def importable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(root / "src"))


def test_a_second_process_waits_until_the_first_is_killed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder, polls = tmp_path / "checkpoints/vae", 0
    with another_process(folder) as other:

        def poll() -> int:
            nonlocal polls
            polls += 1
            assert in_use(folder)
            if polls == 2:
                other.kill()
                other.wait()
            return 0

        with exclusive(tmp_path / "checkpoints/gan"):  # another run is free
            pass
        with exclusive(folder, poll):
            assert polls == 2
            assert folder.is_dir()
    assert not in_use(folder)
    assert capsys.readouterr().out.count(str(folder.with_name("vae.lock"))) == 1


def test_a_signal_ends_the_wait(tmp_path: Path):
    with another_process(tmp_path / "vae"):
        with pytest.raises(Stopped) as stopped, exclusive(tmp_path / "vae", lambda: 143):
            pass
        assert stopped.value.code == 143


def test_a_second_process_waits_for_the_first(tmp_path: Path):
    released = threading.Event()
    with another_process(tmp_path / "vae") as other:
        assert other.stdin is not None
        threading.Timer(0.3, lambda: (released.set(), other.stdin.close())).start()
        with exclusive(tmp_path / "vae"):
            assert released.is_set()


def test_the_folder_may_be_deleted_inside(tmp_path: Path):
    for _ in range(2):
        with exclusive(tmp_path / "vae", lambda: 1):
            assert (tmp_path / "vae").is_dir()
            shutil.rmtree(tmp_path / "vae")
    assert not (tmp_path / "vae").exists()
