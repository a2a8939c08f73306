"""The entry of a stage's script: its project, its arguments, and errors in one line."""

import sys
from collections.abc import Callable
from pathlib import Path

from thirtytwo.runtime.errors import Stopped, ThirtyTwoError
from thirtytwo.runtime.project import Project

__all__ = ["run_stage"]


def run_stage(main: Callable[..., None]) -> None:
    """Call `main(project, *arguments)` with the arguments of the command line.

    Exits with one line and code 1 after an error that a person can act on, and with 143 or 130 after a signal.
    """
    try:
        main(Project.containing(Path.cwd()), *sys.argv[1:])
    except Stopped as stopped:
        sys.exit(stopped.code)
    except ThirtyTwoError as error:
        sys.exit(": ".join(["error", *sys.argv[1:], str(error)]))
