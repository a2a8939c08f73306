"""Entry point of the stage scripts: project, arguments, and one-line errors."""

import errno
import inspect
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from thirtytwo.runtime.errors import Stopped, ThirtyTwoError
from thirtytwo.runtime.files import write
from thirtytwo.runtime.interrupt import alone
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
        project, name = Project.containing(Path.cwd()), "@".join([script.stem, *arguments])
        with _outputs(project, name):
            main(project, *arguments)
    except Stopped as stopped:
        sys.exit(stopped.code)
    except KeyboardInterrupt:
        sys.exit(130)
    except ThirtyTwoError as error:
        sys.exit(": ".join(["error", *arguments, one_line(error)]))
    except Exception as error:  # the last line of defence
        sys.exit(": ".join(["error", *arguments, unexpected(error, "@".join([script.stem, *arguments]))]))


def _outputs(project: Project, stage: str) -> AbstractContextManager[None]:
    """Hold the lock of a stage's outputs, so that a process of the stage that still lives never writes after this one."""
    if os.environ.get("RANK", "0") != "0" or not project.lock_of_dvc.parent.is_dir():
        return nullcontext()  # of the processes that torchrun started the first one writes; without DVC there is one
    return alone(project.lock_of_stage(stage), stage)


def unexpected(error: Exception, job: str) -> str:
    """Return one line about an error that nothing foresaw, and keep its traceback in a log.

    Args:
        job: the stage with its name, or the command.
    """
    path = _keep(re.sub(r"[^\w@-]", "_", job)[:100], "".join(traceback.format_exception(error)))
    what, details = f"{type(error).__name__}: {one_line(error)}", f"details: {path}"
    if _out_of_memory(error):
        return f"not enough memory ({what}); free some, or lower batch_size or the number of images; {details}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'}: {error.strerror}; {details}"
    return f"{what}; this is a bug of ThirtyTwo: please report it to its authors with {path}"


def _keep(name: str, text: str) -> Path | str:
    """Write a log in the project or, outside one or where its disk is full, among temporary files; return where it is."""
    with suppress(ThirtyTwoError, OSError):
        write(path := Project.containing(Path.cwd()).error_log(name), text.encode("utf-8", "backslashreplace"))
        return path
    with suppress(ThirtyTwoError, OSError):
        write(path := Path(tempfile.gettempdir()) / f"thirtytwo-{name}.log", text.encode("utf-8", "backslashreplace"))
        return path
    return "a log, which could not be written"


def _out_of_memory(error: Exception) -> bool:
    """Python's and NumPy's error, a system call's, and those of torch: of a GPU, of its CPU allocator, of C++."""
    words = ("out of memory", "can't allocate memory", "bad_alloc")  # torch has no class of its own for the last two
    system = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return system or isinstance(error, MemoryError) or any(word in str(error) for word in words)


def one_line(error: Exception) -> str:
    """Return the message of an error in one line; characters that a terminal would obey or cannot show become escapes."""
    text = " ".join(str(error).split())
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
