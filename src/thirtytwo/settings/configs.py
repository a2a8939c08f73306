"""The resolved settings of every stage: one file a stage and name under configs/, read as frozen settings.

Nothing else in the project parses YAML. `thirtytwo.resolve` makes the files out of params.yaml. The class of a
stage's settings stands beside what it sets, so that a new setting of one stage reruns that stage alone.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from thirtytwo.runtime.errors import ParamsError
from thirtytwo.runtime.project import Project
from thirtytwo.settings.strict import Strict, nearest, parse

__all__ = ["Compute", "Run", "load_yaml", "naming", "read", "read_bytes", "read_values", "write_yaml"]

Config = TypeVar("Config", bound=Strict)


class Compute(Strict):
    """How the numbers are computed; part of what a result's hash depends on."""

    device: Literal["auto", "cuda", "mps", "cpu"]
    threads: int = Field(ge=1, description="of the CPU; other counts round differently")
    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        description="of training; tf32 and bfloat16 are for CUDA. Samples, features and scores are always in float32"
    )
    compile: bool = Field(description="torch.compile the networks; a CPU needs a C++ compiler for it")
    deterministic: bool = Field(description="only algorithms that repeat to the last bit")


class Run(Strict):
    """One row of the comparison: a family, its network, a block of settings, a data set and overrides."""

    family: str = Field(description="folder in models/")
    net: str = Field(description="module in nets/")
    settings: str = Field(description="top-level block of params.yaml")
    dataset: str
    parent: str = Field(
        min_length=1,
        description="path of what the run builds on: data/models/<run>, the model whose codes it works on, or"
        " data/raw/<source>, published weights; the empty file `.no-parent` stands for none",
    )
    seeds: int = Field(ge=1, description="trainings, by the seed and those after it; from 2 up scores are their means")
    set: dict[str, Any] = Field(description="settings in which this run differs from its block")


def read(model: type[Config], stage: str, name: str, project: Project) -> Config:
    """The resolved settings of one stage and name, as a `model`.

    Raises:
        ParamsError: there is no such file (with the names there are), or it is not valid.
    """
    values = read_values(stage, name, project)
    with naming(project.config(stage, name)):
        return parse(model, values)


def read_values(stage: str, name: str, project: Project) -> dict[str, Any]:
    """The resolved settings as plain values, to be shown; `read` is for those that are used.

    Raises:
        ParamsError: there is no such file (with the names there are), or it is not YAML.
    """
    path = project.config(stage, name)
    if not path.is_file():
        names = sorted(p.stem for p in path.parent.glob("*.yaml"))
        hint = nearest(name, names) if names else "run `dvc repro resolve` (or `python stages/resolve.py`) first"
        raise ParamsError(f"{path}: no such resolved configuration; {hint}")
    return load_yaml(path)


def read_bytes(stage: str, name: str, project: Project) -> bytes:
    """The resolved file as it is, to be hashed."""
    return (project.config(stage, name)).read_bytes()


def load_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; equal keys are refused.

    Raises:
        ParamsError: no file, not YAML, or no mapping.
    """
    # ruamel.yaml reads YAML 1.2, in which 1e-05 (what `dvc exp run -S` writes) is a number; PyYAML reads a string.
    try:
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file; `make scale SCALE=quick` writes the default one") from None
    except MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ParamsError(f"{path.name}{line}: not valid YAML: {error.problem}") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path.name}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ParamsError(f"{path.name}: expected a mapping of settings")
    return values


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Puts the file's name before the message of a ParamsError."""
    try:
        yield
    except ParamsError as error:
        raise ParamsError(f"{path.name}: {error}") from None


def write_yaml(path: Path, content: dict[str, Any]) -> None:
    """Writes `content` with sorted keys, so that equal settings are equal bytes; whole or not at all."""
    yaml, text = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style = False
    yaml.dump(content, text)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text.getvalue(), encoding="utf-8")
    os.replace(temporary, path)
