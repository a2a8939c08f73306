"""Entry point of the stage scripts: project, arguments, and one-line errors."""

import sys
from collections.abc import Callable
from pathlib import Path

from thirtytwo.runtime.errors import Stopped, ThirtyTwoError
from thirtytwo.runtime.project import Project

__all__ = ["run_stage"]


def run_stage(main: Callable[..., None]) -> None:
    """Call `main(project, *arguments)` with the command-line arguments.

    A ThirtyTwoError exits with a one-line message and code 1, a signal with code 143 or 130.
    """
    try:
        main(Project.containing(Path.cwd()), *sys.argv[1:])
    except Stopped as stopped:
        sys.exit(stopped.code)
    except ThirtyTwoError as error:
        sys.exit(": ".join(["error", *sys.argv[1:], str(error)]))
