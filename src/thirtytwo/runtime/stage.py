"""Entry point of the stage scripts: project, arguments, and one-line errors."""

import inspect
import re
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from thirtytwo.runtime.errors import Stopped, ThirtyTwoError
from thirtytwo.runtime.files import write
from thirtytwo.runtime.project import Project

__all__ = ["one_line", "run_stage", "unexpected"]


def run_stage(main: Callable[..., None]) -> None:
    """Call `main(project, *arguments)` with the command-line arguments.

    An error exits with a one-line message and code 1, a signal with code 143 or 130.
    """
    script, arguments = Path(sys.argv[0]), sys.argv[1:]
    try:
        names = list(inspect.signature(main).parameters)[1:]
        if len(arguments) != len(names):
            sys.exit(f"error: expected: {' '.join(['python', script.name, *map(str.upper, names)])}")
        main(Project.containing(Path.cwd()), *arguments)
    except Stopped as stopped:
        sys.exit(stopped.code)
    except KeyboardInterrupt:
        sys.exit(130)
    except ThirtyTwoError as error:
        sys.exit(": ".join(["error", *arguments, one_line(error)]))
    except Exception as error:  # the last line of defence
        sys.exit(": ".join(["error", *arguments, unexpected(error, "@".join([script.stem, *arguments]))]))


def unexpected(error: Exception, job: str) -> str:
    """Return one line about an error that nothing foresaw, and keep its traceback in a log.

    Args:
        job: the stage with its name, or the command.
    """
    name, text = re.sub(r"[^\w@-]", "_", job)[:100], "".join(traceback.format_exception(error))
    try:
        path = Project.containing(Path.cwd()).error_log(name)
        write(path, text.encode("utf-8", "backslashreplace"))
    except (ThirtyTwoError, OSError):  # outside a project, or its disk is full
        path = Path(tempfile.gettempdir()) / f"thirtytwo-{name}.log"
        try:
            write(path, text.encode("utf-8", "backslashreplace"))
        except (ThirtyTwoError, OSError):
            traceback.print_exception(error)
    what = f"{type(error).__name__}: {one_line(error)}"
    if isinstance(error, MemoryError):
        return f"not enough memory ({what}); free some, or lower batch_size or the number of images; details: {path}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'}: {error.strerror}; details: {path}"
    return f"{what}; this is a bug of ThirtyTwo: please report it to its authors with {path}"


def one_line(error: Exception) -> str:
    """Return the message of an error in one line; characters that a terminal would obey or cannot show become escapes."""
    text = " ".join(str(error).split())
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
