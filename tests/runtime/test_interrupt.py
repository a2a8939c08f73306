"""One process at a time in a folder, whatever happens to the one that is in it."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from thirtytwo.runtime.errors import TrainingError
from thirtytwo.runtime.interrupt import exclusive

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


def test_a_second_process_is_refused_in_one_line_until_the_first_is_killed(tmp_path: Path):
    folder = tmp_path / "checkpoints/vae"
    with another_process(folder) as other:
        with pytest.raises(TrainingError) as caught, exclusive(folder, wait_seconds=0.2):
            pass
        assert str(folder.with_name("vae.lock")) in str(caught.value)
        assert "\n" not in str(caught.value)
        with exclusive(tmp_path / "checkpoints/gan", wait_seconds=0.2):  # another run is free
            pass
        other.kill()
        other.wait()
        with exclusive(folder, wait_seconds=5):
            assert folder.is_dir()


def test_a_second_process_waits_for_the_first(tmp_path: Path):
    released = threading.Event()
    with another_process(tmp_path / "vae") as other:
        assert other.stdin is not None
        threading.Timer(0.3, lambda: (released.set(), other.stdin.close())).start()
        with exclusive(tmp_path / "vae", wait_seconds=60):
            assert released.is_set()


def test_the_folder_may_be_deleted_inside(tmp_path: Path):
    for _ in range(2):
        with exclusive(tmp_path / "vae", wait_seconds=0.2):
            assert (tmp_path / "vae").is_dir()
            shutil.rmtree(tmp_path / "vae")
    assert not (tmp_path / "vae").exists()
