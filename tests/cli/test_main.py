"""The command line itself."""

import subprocess
import sys

import pytest

from thirtytwo.cli.main import main

PROGRAM = """
import sys
from thirtytwo.cli.main import main
try:
    main(["--help"])
finally:
    print("torch" in sys.modules)
"""


def test_help_does_not_import_torch():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert "doctor" in done.stdout
    assert done.stdout.endswith("False\n")


def test_a_null_character_is_refused_wherever_it_stands(capsys):
    for line in (["sample", "x", "--out", "o\0.png"], ["evaluate", "a\0b", "--against", "shapes"]):
        with pytest.raises(SystemExit, match="2"):
            main(line)
        assert "null character; remove it" in capsys.readouterr().err


@pytest.mark.parametrize("days", ["nan", "-1", "-inf", "x", ""])
def test_days_that_would_remove_every_checkpoint_are_refused(days, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["doctor", f"--clean={days}"])
    assert capsys.readouterr().err.endswith(f"--clean: expected a number of days >= 0, got '{days}'\n")
