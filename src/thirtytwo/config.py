"""The resolved settings of every stage: one file a stage and name under configs/, read as frozen settings.

Nothing else in the project parses YAML. `thirtytwo.resolve` makes the files out of params.yaml.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, create_model
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from thirtytwo.data.settings import Dataset, Source
from thirtytwo.evaluate.settings import Classifier, Evaluation
from thirtytwo.strict import ParamsError, Strict, nearest, parse

__all__ = [
    "ClassifierConfig", "Compute", "DatasetConfig", "EvaluateConfig", "FidStatsConfig", "FloorConfig", "ParamsError",
    "ReportConfig", "Run", "SampleConfig", "Sampling", "SourceConfig", "TrainConfig", "load_yaml", "naming", "read",
    "read_bytes", "read_values", "write_yaml",
]  # fmt: skip


class Compute(Strict):
    """How the numbers are computed; part of what a result's hash depends on."""

    device: Literal["auto", "cuda", "mps", "cpu"]
    threads: int = Field(ge=1, description="of the CPU; other counts round differently")
    precision: Literal["float32", "bfloat16"] = Field(description="of autocast in training; bfloat16 is for CUDA")
    compile: bool = Field(description="torch.compile the networks; for CUDA")
    deterministic: bool = Field(description="only algorithms that repeat to the last bit")


class Run(Strict):
    """One row of the comparison: a family, its network, a block of settings, a data set and overrides."""

    family: str = Field(description="module in families/")
    net: str = Field(description="module in nets/")
    settings: str = Field(description="top-level block of params.yaml")
    dataset: str
    set: dict[str, Any] = Field(description="settings in which this run differs from its block")


class Sampling(Strict):
    """What sampling asks of every family alike."""

    images: int = Field(ge=1, description="images drawn a run")
    grid_side: int = Field(ge=1, description="rows and columns of the sample grid")


class SourceConfig(Strict):
    """configs/download/<source>.yaml"""

    name: str
    source: Source


class DatasetConfig(Strict):
    """configs/prepare/<dataset>.yaml"""

    name: str
    kind: str
    dataset: Dataset


class ClassifierConfig(Strict):
    """configs/classifier/<dataset>.yaml"""

    dataset: str
    seed: int
    compute: Compute
    classifier: Classifier


class FidStatsConfig(Strict):
    """configs/fid_stats/<dataset>.yaml"""

    dataset: str
    seed: int
    compute: Compute
    fid: bool
    reference_split: Literal["train", "test"]
    samples: int


class FloorConfig(Strict):
    """configs/floor/<dataset>.yaml"""

    dataset: str
    seed: int
    compute: Compute
    reference_split: Literal["train", "test"]
    samples: int
    bootstrap_resamples: int


class TrainConfig(Strict):
    """configs/train/<run>.yaml; `settings` is an instance of the family's own Settings."""

    run: str
    family: str
    net: str
    dataset: str
    seed: int
    compute: Compute
    settings: Strict


class SampleConfig(Strict):
    """configs/sample/<run>.yaml; `sample` is an instance of the family's own SampleSettings."""

    run: str
    family: str
    seed: int
    compute: Compute
    sampling: Sampling
    sample: Strict


class EvaluateConfig(Strict):
    """configs/evaluate/<run>.yaml"""

    run: str
    dataset: str
    seed: int
    compute: Compute
    reference_split: Literal["train", "test"]
    samples: int
    bootstrap_resamples: int
    mode_share: float
    fid: bool


class ReportConfig(Strict):
    """configs/report/report.yaml"""

    seed: int
    compute: Compute
    runs: dict[str, Run]
    datasets: dict[str, Dataset]
    evaluation: Evaluation
    sampling: Sampling


_SIMPLE: dict[str, type[Strict]] = {
    "download": SourceConfig, "prepare": DatasetConfig, "classifier": ClassifierConfig, "fid_stats": FidStatsConfig,
    "floor": FloorConfig, "evaluate": EvaluateConfig, "report": ReportConfig,
}  # fmt: skip


def read(stage: str, name: str, root: Path) -> Any:
    """The resolved settings of one stage and name, as that stage's class above.

    Raises:
        ParamsError: there is no such file (with the names there are), or it is not valid.
    """
    values = read_values(stage, name, root)
    with naming(root / "configs" / stage / f"{name}.yaml"):
        if stage in _SIMPLE:
            return parse(_SIMPLE[stage], values)
        # The family by its name, so that a stage depends on the family of its run alone.
        family = import_module(f"thirtytwo.families.{values['family']}")
        if stage == "train":
            return parse(create_model("TrainConfig", __base__=TrainConfig, settings=(family.Settings, ...)), values)
        return parse(create_model("SampleConfig", __base__=SampleConfig, sample=(family.SampleSettings, ...)), values)


def read_values(stage: str, name: str, root: Path) -> dict[str, Any]:
    """The resolved settings as plain values, to be shown; `read` is for those that are used.

    Raises:
        ParamsError: there is no such file (with the names there are), or it is not YAML.
    """
    path = root / "configs" / stage / f"{name}.yaml"
    if not path.is_file():
        names = sorted(p.stem for p in path.parent.glob("*.yaml"))
        hint = nearest(name, names) if names else "run `dvc repro resolve` (or `python stages/resolve.py`) first"
        raise ParamsError(f"{path}: no such resolved configuration; {hint}")
    return load_yaml(path)


def read_bytes(stage: str, name: str, root: Path) -> bytes:
    """The resolved file as it is, to be hashed."""
    return (root / "configs" / stage / f"{name}.yaml").read_bytes()


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
