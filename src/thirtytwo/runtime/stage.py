"""The entry of a stage's script: its project, its name, and errors in one line."""

import sys
from collections.abc import Callable
from pathlib import Path

from thirtytwo.runtime.errors import ThirtyTwoError
from thirtytwo.runtime.project import Project

__all__ = ["run_stage"]


def run_stage(main: Callable[..., None]) -> None:
    """Call `main(project, *arguments)` with the command line's arguments; exit with one line where an error is for people."""
    try:
        main(Project.containing(Path.cwd()), *sys.argv[1:])
    except ThirtyTwoError as error:
        sys.exit(f"error: {' '.join([*sys.argv[1:2]])}: {error}" if sys.argv[1:] else f"error: {error}")
