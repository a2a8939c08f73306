"""The command line itself."""

import subprocess
import sys

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
