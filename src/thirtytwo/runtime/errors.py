"""Errors that a user can act on. The message is one line: the file, key or value, what was expected, what to do."""

__all__ = [
    "CheckpointError", "CommandError", "DataError", "EvaluationError", "FileError", "ParamsError", "ProjectError", "ReportError",
    "Stopped", "ThirtyTwoError", "TrainingError",
]  # fmt: skip


class ThirtyTwoError(Exception):
    """Base class: stages and the command print the message without a traceback and exit with code 1."""


class ProjectError(ThirtyTwoError):
    """The current folder is not inside a project."""


class FileError(ThirtyTwoError, OSError):
    """A file cannot be read or written."""


class ParamsError(ThirtyTwoError, ValueError):
    """A setting is unknown, missing, mistyped or out of range."""


class DataError(ThirtyTwoError, ValueError):
    """Data cannot be downloaded, unpacked or prepared."""


class CheckpointError(ThirtyTwoError, RuntimeError):
    """A file of weights cannot be written, or is missing, damaged or of another network."""


class TrainingError(ThirtyTwoError, RuntimeError):
    """Training cannot continue."""


class EvaluationError(ThirtyTwoError, ValueError):
    """Input cannot be scored, or scores must not be compared."""


class ReportError(ThirtyTwoError, ValueError):
    """A result exists but cannot be read."""


class CommandError(ThirtyTwoError):
    """An option or argument of the command line is invalid."""


class Stopped(Exception):  # noqa: N818 (a response to a signal, not an error)
    """A signal stopped a stage, which has saved its state. `code` is the exit code, 128 plus the signal's number."""

    def __init__(self, code: int) -> None:
        self.code = code
