"""Errors that a person can act on. The message is one line: the file, key or value, what was expected, what to do."""

__all__ = [
    "CheckpointError", "CommandError", "DataError", "EvaluationError", "ParamsError", "ProjectError", "ReportError", "Stopped",
    "ThirtyTwoError", "TrainingError",
]  # fmt: skip


class ThirtyTwoError(Exception):
    """Base class: stages and the command print the message without a traceback and exit with code 1."""


class ProjectError(ThirtyTwoError):
    """The current folder belongs to no project."""


class ParamsError(ThirtyTwoError, ValueError):
    """A setting is unknown, missing, mistyped or out of range."""


class DataError(ThirtyTwoError, ValueError):
    """Data cannot be downloaded, unpacked or prepared."""


class CheckpointError(ThirtyTwoError, RuntimeError):
    """A file of weights cannot be written, or cannot be trusted."""


class TrainingError(ThirtyTwoError, RuntimeError):
    """Training cannot go on."""


class EvaluationError(ThirtyTwoError, ValueError):
    """Input cannot be scored, or scores must not be compared."""


class ReportError(ThirtyTwoError, ValueError):
    """A result exists but cannot be read."""


class CommandError(ThirtyTwoError):
    """The command line asks for something that the project does not have."""


class Stopped(Exception):  # noqa: N818 (a signal asked for it: not an error)
    """A stage was told to stop and has saved its state. `code` is its exit code: 128 and the signal's number."""

    def __init__(self, code: int) -> None:
        self.code = code
