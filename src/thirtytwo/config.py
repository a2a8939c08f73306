"""params.yaml to typed, frozen settings, and one resolved file a stage and name under configs/.

Nothing else in the project parses YAML. The `resolve` stage checks every key of params.yaml and writes, for
each stage and name, a file with just the settings that this stage uses: `configs/train/vae.yaml` changes when
and only when the training of `vae` changes, so DVC reruns just what has to be rerun.
"""

import copy
import io
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, create_model
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from thirtytwo.data.settings import Dataset, Source
from thirtytwo.evaluate.settings import Classifier, Evaluation
from thirtytwo.families import TrainSettings, family_module
from thirtytwo.strict import ParamsError, Strict, nearest, parse

__all__ = [
    "ClassifierConfig", "Compute", "DatasetConfig", "EvaluateConfig", "FidStatsConfig", "FloorConfig", "ParamsError",
    "ReportConfig", "SampleConfig", "SourceConfig", "TrainConfig", "read", "read_bytes", "read_values", "resolve",
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


class Params(Strict):
    """params.yaml without its family blocks."""

    seed: int = Field(ge=0)
    compute: Compute
    sources: dict[str, Source]
    datasets: dict[str, Dataset]
    evaluation: Evaluation
    sampling: Sampling
    runs: dict[str, Run]


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
    settings: TrainSettings


class SampleConfig(Strict):
    """configs/sample/<run>.yaml; `sample` is an instance of the family's own SampleSettings."""

    run: str
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


_SIMPLE = {
    "download": SourceConfig, "prepare": DatasetConfig, "classifier": ClassifierConfig, "fid_stats": FidStatsConfig,
    "floor": FloorConfig, "evaluate": EvaluateConfig, "report": ReportConfig,
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")


def read(stage: str, name: str, root: Path) -> Any:
    """The resolved settings of one stage and name, as that stage's class above.

    Raises:
        ParamsError: there is no such file (with the names there are), or it is not valid.
    """
    path, values = root / "configs" / stage / f"{name}.yaml", read_values(stage, name, root)
    if stage in _SIMPLE:
        return parse(_SIMPLE[stage], values, str(path))
    family = family_module(values["family"] if stage == "train" else values.pop("family"))
    if stage == "train":
        return parse(create_model("TrainConfig", __base__=TrainConfig, settings=(family.Settings, ...)), values, str(path))
    return parse(create_model("SampleConfig", __base__=SampleConfig, sample=(family.SampleSettings, ...)), values, str(path))


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
    return _load_yaml(path)


def read_bytes(stage: str, name: str, root: Path) -> bytes:
    """The resolved file as it is, to be hashed."""
    return (root / "configs" / stage / f"{name}.yaml").read_bytes()


def resolve(params_path: Path, root: Path) -> list[Path]:
    """Checks all of params.yaml, then writes every resolved file below `root`/configs; returns their paths.

    Raises:
        ParamsError: the first thing wrong, in one line; nothing has been written then.
    """
    values = _load_yaml(params_path)
    known = {key: values[key] for key in values if key in Params.model_fields}
    blocks = {key: values[key] for key in values if key not in Params.model_fields}
    params = parse(Params, known, "")
    _check_names(params, blocks)
    files: dict[str, dict[str, Any]] = {}
    for name, source in params.sources.items():
        files[f"download/{name}"] = {"name": name, "source": source.model_dump()}
    for name, dataset in params.datasets.items():
        kind = params.sources[dataset.source].kind
        files[f"prepare/{name}"] = {"name": name, "kind": kind, "dataset": dataset.model_dump()}
        files |= _evaluation_files(name, params)
    for name, run in params.runs.items():
        files |= _run_files(name, run, params, blocks)
    files["report/report"] = {
        key: values[key] if key != "runs" else {n: r.model_dump() for n, r in params.runs.items()}
        for key in ("seed", "compute", "runs", "datasets", "evaluation", "sampling")
    }
    return [_write(root / "configs" / f"{key}.yaml", content) for key, content in files.items()]


def _check_names(params: Params, blocks: dict[str, Any]) -> None:
    for group in (params.sources, params.datasets, params.runs):
        for name in group:
            if not _NAME.match(name):
                raise ParamsError(f"{name}: a name is a letter followed by letters, digits and underscores")
    for name, dataset in params.datasets.items():
        if dataset.source not in params.sources:
            hint = nearest(dataset.source, list(params.sources))
            raise ParamsError(f"datasets.{name}.source: no source '{dataset.source}'; {hint}")
    for name, run in params.runs.items():
        if run.dataset not in params.datasets:
            raise ParamsError(f"runs.{name}.dataset: no data set '{run.dataset}'; {nearest(run.dataset, list(params.datasets))}")
        if run.settings not in blocks:
            raise ParamsError(f"runs.{name}.settings: no block '{run.settings}'; {nearest(run.settings, list(blocks))}")
        for key, folder in (("family", "families"), ("net", "nets")):
            modules = sorted(p.stem for p in (Path(__file__).parent / folder).glob("[a-z]*.py"))
            if getattr(run, key) not in modules:
                raise ParamsError(f"runs.{name}.{key}: no module '{getattr(run, key)}'; {nearest(getattr(run, key), modules)}")
    for name, block in blocks.items():
        if not isinstance(block, dict) or "family" not in block:
            raise ParamsError(f"{name}: unknown key; {nearest(name, [*Params.model_fields, *blocks])}")


def _evaluation_files(dataset: str, params: Params) -> dict[str, dict[str, Any]]:
    evaluation, compute = params.evaluation, params.compute.model_dump()
    common = {"dataset": dataset, "seed": params.seed, "compute": compute}
    protocol = {"reference_split": evaluation.reference_split, "samples": evaluation.samples}
    return {
        f"classifier/{dataset}": common | {"classifier": evaluation.classifier.model_dump()},
        f"fid_stats/{dataset}": common | {"fid": evaluation.fid} | protocol,
        f"floor/{dataset}": common | {"bootstrap_resamples": evaluation.bootstrap_resamples} | protocol,
    }


def _run_files(name: str, run: Run, params: Params, blocks: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Training, sampling and evaluation of a run, from its block with its overrides put in."""
    block = copy.deepcopy(blocks[run.settings])
    if (family := block.pop("family")) != run.family:
        raise ParamsError(f"runs.{name}.family: '{run.family}', but block {run.settings} is for family '{family}'")
    sample = block.pop("sample", {})
    for key, value in run.set.items():
        owner, last = (sample, key.removeprefix("sample.")) if key.startswith("sample.") else (block, key)
        if last not in owner:
            raise ParamsError(f"runs.{name}.set.{key}: unknown key; {nearest(last, list(owner))}")
        owner[last] = value
    module = family_module(run.family)
    settings = parse(module.Settings, block, f"{run.settings} (run {name})")
    samples = parse(module.SampleSettings, sample, f"{run.settings}.sample (run {name})")
    if params.evaluation.samples > params.sampling.images:
        raise ParamsError(f"evaluation.samples: {params.evaluation.samples} exceeds sampling.images: {params.sampling.images}")
    common = {"run": name, "seed": params.seed, "compute": params.compute.model_dump()}
    return {
        f"train/{name}": common
        | {"family": run.family, "net": run.net, "dataset": run.dataset, "settings": settings.model_dump()},
        f"sample/{name}": common
        | {"family": run.family, "sampling": params.sampling.model_dump(), "sample": samples.model_dump()},
        f"evaluate/{name}": common
        | {"dataset": run.dataset, "fid": params.evaluation.fid}
        | params.evaluation.model_dump(
            include={"reference_split", "samples", "bootstrap_resamples", "mode_share"}
        ),
    }


def _load_yaml(path: Path) -> dict[str, Any]:
    # ruamel.yaml reads YAML 1.2, in which 1e-05 (what `dvc exp run -S` writes) is a number; PyYAML reads a string.
    try:
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file; `make scale SCALE=quick` writes the default one") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ParamsError(f"{path}: expected a mapping of settings")
    return values


def _write(path: Path, content: dict[str, Any]) -> Path:
    """Writes `content` with sorted keys, and only where it differs, so that equal settings are equal bytes."""
    yaml, text = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style = False
    yaml.dump(content, text)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.getvalue(), encoding="utf-8")
    return path

