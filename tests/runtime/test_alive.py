"""Which processes run, and which have ended although the system still lists them."""

import os
import subprocess
import time
from pathlib import Path

import psutil

from thirtytwo.runtime import files
from thirtytwo.runtime.alive import is_alive


def test_a_process_lives_until_it_has_ended_also_before_its_parent_collects_it(tmp_path: Path):
    assert is_alive(os.getpid())
    assert is_alive(1)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        temporary = tmp_path / f".a.{files._HOST}-{process.pid}.tmp"
        temporary.touch()
        assert is_alive(process.pid)
        assert not files.is_abandoned(temporary)
        process.kill()
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        assert psutil.pid_exists(process.pid)
        assert not is_alive(process.pid)
        assert files.is_abandoned(temporary)
    assert not is_alive(process.pid)
