"""Read and write YAML: params.yaml, and one resolved file per stage and name under configs/.

This is the only module that parses YAML. `settings/resolve.py` writes the resolved files from params.yaml.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from thirtytwo.runtime.errors import ParamsError
from thirtytwo.runtime.files import write
from thirtytwo.runtime.project import Project
from thirtytwo.settings.strict import Strict, nearest, parse

__all__ = ["Compute", "Run", "load_yaml", "naming", "read", "read_bytes", "read_values", "write_yaml"]

Config = TypeVar("Config", bound=Strict)


class Compute(Strict):
    """Device and numerical settings; results may depend on them."""

    device: Literal["auto", "cuda", "mps", "cpu"]
    threads: int = Field(ge=1, le=1024, description="CPU threads; results round differently for other counts")
    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        description="precision of training; tf32 needs CUDA, bfloat16 CUDA or a CPU with AMX. Samples, features and scores are in float32"
    )
    compile: bool = Field(description="compile the networks with torch.compile; on a CPU this needs a C++ compiler")
    deterministic: bool = Field(description="use only deterministic algorithms")


class Run(Strict):
    """One row of the comparison: a family, its network, a block of settings, a data set and overrides."""

    family: str = Field(description="folder in models/")
    net: str = Field(description="module in nets/")
    settings: str = Field(description="top-level block of params.yaml")
    dataset: str
    parent: str = Field(
        min_length=1,
        description="data/models/<run>: autoencoder whose codes this run models, or flow or edm with whose weights it begins;"
        " data/raw/<source>: published weights;"
        " .no-parent (a file of this repository): none",
    )
    seeds: int = Field(
        ge=1, le=1000, description="number of trainings, with consecutive seeds; scores are averaged over them"
    )
    set: dict[str, Any] = Field(description="overrides of the settings block")


def read(model: type[Config], stage: str, name: str, project: Project) -> Config:
    """Read the resolved settings of a stage and name as a `model`.

    Raises:
        ParamsError: the file does not exist (the message lists existing names) or is not valid.
    """
    values = read_values(stage, name, project)
    with naming(project.config(stage, name)):
        return parse(model, values)


def read_values(stage: str, name: str, project: Project) -> dict[str, Any]:
    """Read the resolved settings of a stage and name as plain values, without validation.

    Raises:
        ParamsError: the file does not exist (the message lists existing names) or is not YAML.
    """
    path = project.config(stage, name)
    if not path.is_file():
        names = sorted(p.stem for p in path.parent.glob("*.yaml"))
        hint = nearest(name, names) if names else "run `dvc repro resolve` first"
        raise ParamsError(f"{path}: no such file; {hint}")
    return load_yaml(path)


def read_bytes(stage: str, name: str, project: Project) -> bytes:
    """Read the bytes of a resolved file, for hashing."""
    return project.config(stage, name).read_bytes()


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that contains a mapping.

    Raises:
        ParamsError: the file does not exist, is not valid YAML, has duplicate keys or is not a mapping.
    """
    # In YAML 1.2, which ruamel.yaml implements, 1e-05 (as written by `dvc exp run -S`) is a number; PyYAML reads text.
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file; create it with `make scale SCALE=quick`") from None
    except OSError as error:
        raise ParamsError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path.name}: not valid YAML: {error}") from None
    try:
        if text.count("[") + text.count("{") > _MOST or "[" * _DEEPEST in text:  # would take the parser minutes
            raise ParamsError(f"{path.name}: {_NESTED}")
        values = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ParamsError(f"{path.name}{line}: not valid YAML: {error.problem}") from None
    except RecursionError:
        raise ParamsError(f"{path.name}: {_NESTED}") from None
    except ParamsError:
        raise
    except (YAMLError, *_OF_VALUES) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ParamsError(f"{path.name}: not valid YAML: {reason}") from None
    if not isinstance(values, dict):
        raise ParamsError(f"{path.name}: expected a mapping of settings")
    _check_size(path, values)
    return values


_DEEPEST, _MOST = 20, 100_000  # levels and values of a YAML file
# What ruamel.yaml lets pass for a value that its tag or its form contradicts, such as `!!int x` or 2001-99-99.
_OF_VALUES = (ValueError, TypeError, LookupError, AttributeError, AssertionError, OverflowError)
_NESTED = f"nested too deeply or within itself; expected at most {_DEEPEST} levels and {_MOST} values"


def _check_size(path: Path, values: dict[Any, Any]) -> None:
    """Refuse what aliases (`&a`, `*a`) can build in a few lines: a value inside itself, or billions of values."""
    level: list[Any] = [values]
    count = 0
    for _ in range(_DEEPEST):
        level = [part for value in level for part in (value.values() if isinstance(value, dict) else value)]
        count += len(level)
        level = [part for part in level if isinstance(part, (dict, list))]
        if not level or count > _MOST:
            break
    if level or count > _MOST:
        raise ParamsError(f"{path.name}: {_NESTED}")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Prefix the message of a ParamsError with the file's name."""
    try:
        yield
    except ParamsError as error:
        raise ParamsError(f"{path.name}: {error}") from None


def write_yaml(path: Path, content: dict[str, Any]) -> None:
    """Write `content` with sorted keys, so that equal settings give equal bytes; the file is replaced atomically."""
    yaml, text = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style = False
    yaml.dump(content, text)
    write(path, text.getvalue().encode())
