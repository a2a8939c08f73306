"""The project that a command works in, and the errors that a command may end with."""

from pathlib import Path

from thirtytwo.data.batches import ImageSet, load
from thirtytwo.runtime.errors import CheckpointError, CommandError, DataError, EvaluationError, ParamsError

__all__ = ["ERRORS", "prepared", "root"]


ERRORS = (CommandError, ParamsError, CheckpointError, EvaluationError, DataError)


def root() -> Path:
    """The nearest folder with a dvc.yaml, from the working directory upwards.

    Raises:
        CommandError: there is none.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "dvc.yaml").is_file():
            return folder
    raise CommandError(f"{here}: no dvc.yaml here or above; go to the project's folder")


def prepared(project: Path, dataset: str) -> ImageSet:
    """A prepared data set.

    Raises:
        CommandError: it has not been made.
    """
    path = project / "data/prepared" / f"{dataset}.npz"
    try:
        return load(path)
    except FileNotFoundError:
        raise CommandError(f"{path}: no such file; run `dvc repro prepare@{dataset}`") from None
