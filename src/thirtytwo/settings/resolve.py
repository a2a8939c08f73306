"""Check params.yaml key by key and write one resolved file per stage and name to configs/.

Each file contains exactly the settings that its stage uses: `configs/train/vae.yaml` changes only if the training of
`vae` changes, so DVC reruns only the affected stages.
"""

import copy
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from thirtytwo.runtime.errors import ParamsError
from thirtytwo.runtime.project import Project
from thirtytwo.settings.configs import Run, load_yaml, naming, write_yaml
from thirtytwo.settings.data import Source
from thirtytwo.settings.families import FAMILIES
from thirtytwo.settings.report import ReportConfig
from thirtytwo.settings.sampling import SampleSettings
from thirtytwo.settings.strict import Strict, nearest, parse
from thirtytwo.settings.sweep import Sweep
from thirtytwo.settings.training import NO_PARENT, PUBLISHED, TRAINED, TrainSettings

__all__ = ["resolve"]

_PARENTS = {("diffusion", "autoencoder"), ("flow", "flow"), ("edm", "edm")}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}\Z")  # with what is added, below the 255 bytes of a file's name


class Params(ReportConfig):
    """params.yaml without its family blocks."""


def resolve(params_path: Path, project: Project) -> list[Path]:
    """Check params.yaml, write every resolved file to the project and return their paths.

    Raises:
        ParamsError: a setting is invalid; the message names the first one, and no file is written.
    """
    values = load_yaml(params_path)
    with naming(params_path):
        files = _files(values)
    paths = [project.configs / f"{key}.yaml" for key in files]
    for removed in set(project.configs.rglob("*.yaml")) - set(paths):
        removed.unlink()
    for path, content in zip(paths, files.values(), strict=True):
        write_yaml(path, content)
    return paths


def _files(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the content of every resolved file by its path below configs/ without suffix."""
    common = {key: values[key] for key in values if key in Params.model_fields}
    blocks = {key: values[key] for key in values if key not in Params.model_fields}
    params = parse(Params, common)
    _check_names(params)
    _check_blocks(params, blocks)
    files: dict[str, dict[str, Any]] = {}
    for name, source in params.sources.items():
        files[f"download/{name}"] = {"name": name, "source": source.model_dump()}
    for name, dataset in params.datasets.items():
        kind = params.sources[dataset.source].kind
        preparation = dataset.model_dump(exclude={"train_on", "classifier", "evaluation"})
        files[f"prepare/{name}"] = {"name": name, "kind": kind, "dataset": preparation}
        files |= _reference_files(name, params)
    for name, classifier in params.classifiers.items():
        files[f"classifier/{name}"] = _common(params) | {"dataset": name, "classifier": classifier.model_dump()}
    for name in params.runs:
        files |= _run_files(name, params, blocks)
    for name, sweep in params.sweeps.items():
        sample = files[f"sample/{name}"]
        fixed = {key: sample[key] for key in ("run", "family", "seed", "compute")}
        fixed |= {key: sample["sample"][key] for key in ("weights", "clip", "guidance")}
        fixed["intermediate"] = sample["sample"].get("intermediate")
        _check_samplers(name, sweep, *_with_overrides(name, params, blocks))
        split = params.protocol(sweep.dataset).model_dump(include={"reference_split", "bootstrap_resamples"})
        files[f"sweep/{name}"] = fixed | split | {"sweep": sweep.model_dump()}
    everything = params.model_dump()
    files["report/report"] = {key: everything[key] for key in ReportConfig.model_fields}
    return files


def _check_names(params: Params) -> None:
    for group in ("sources", "datasets", "classifiers", "runs"):
        for name in getattr(params, group):
            if not _NAME.match(name):
                raise ParamsError(
                    f"{group}: {name!r}; expected a letter followed by at most 99 letters, digits and underscores"
                )
    for name, dataset in params.datasets.items():
        _check_known(f"datasets.{name}.source", dataset.source, params.sources)
        _check_known(f"datasets.{name}.classifier", dataset.classifier, params.classifiers)
    for name in params.classifiers:
        _check_known(f"classifiers.{name}", name, params.datasets)
    for name, run in params.runs.items():
        _check_known(f"runs.{name}.dataset", run.dataset, params.datasets)
        _check_known(f"runs.{name}.family", run.family, FAMILIES)
        if run.family != "gan" and params.datasets[run.dataset].train_on == "all":
            raise ParamsError(
                f"datasets.{run.dataset}.train_on: all, but runs.{name} of family {run.family} is measured on held-out"
                " images; set train_on: train, or give the run another data set"
            )
        _check_known(f"runs.{name}.net", run.net, _networks())
    for name, sweep in params.sweeps.items():
        _check_sweep(f"sweeps.{name}", name, sweep, params.runs)
    if params.evaluation.samples > params.sampling.images:
        raise ParamsError(
            f"evaluation.samples: {params.evaluation.samples}; expected at most sampling.images,"
            f" {params.sampling.images}"
        )


def _check_blocks(params: Params, blocks: dict[str, Any]) -> None:
    """Check every family block, including those that no run uses."""
    used = {run.settings for run in params.runs.values()}
    for name, block in blocks.items():
        if name not in used and not (isinstance(block, dict) and "family" in block):
            raise ParamsError(f"{name}: unknown key; {nearest(name, [*Params.model_fields, *(used & blocks.keys())])}")
        if not isinstance(block, dict):
            raise ParamsError(f"{name}: expected a mapping with the settings of a family")
        if "family" not in block:
            raise ParamsError(f"{name}.family: missing; expected one of: {', '.join(FAMILIES)}")
        _check_known(f"{name}.family", block["family"], FAMILIES)
        _parse_block(block["family"], block, str(name), f"{name}.sample")
    for name, run in params.runs.items():
        _check_known(f"runs.{name}.settings", run.settings, blocks)
        if blocks[run.settings]["family"] != run.family:
            family = blocks[run.settings]["family"]
            raise ParamsError(f"runs.{name}.family: '{run.family}', but block {run.settings} is for family '{family}'")
        _check_parent(f"runs.{name}", run, params.runs, params.sources)


def _check_sweep(key: str, name: str, sweep: Sweep, runs: dict[str, Run]) -> None:
    """Check that a sweep is of a model of pixels and repeats the run's family, `net` and `dataset` for dvc.yaml."""
    _check_known(key, name, runs)
    run = runs[name]
    if run.family not in ("flow", "edm") and (run.family != "diffusion" or run.parent.startswith(TRAINED)):
        raise ParamsError(
            f"{key}: expected a run of family diffusion, flow or edm on pixels, got family {run.family}, parent {run.parent}"
        )
    for setting in ("family", "net", "dataset"):
        if getattr(sweep, setting) != (expected := getattr(run, setting)):
            raise ParamsError(f"{key}.{setting}: expected '{expected}', as in runs.{name}")


def _check_samplers(name: str, sweep: Sweep, settings: TrainSettings, sampling: SampleSettings) -> None:
    """Check that every sampler of a sweep fits the run, whose other settings it shares."""
    for sampler, spacing in sweep.samplers.items():
        key = f"sweeps.{name}.samplers.{sampler}"
        values = sampling.model_dump() | {"sampler": sampler, "spacing": spacing}
        swept = parse(type(sampling), values, key)
        try:
            swept.check(settings)
        except ValueError as error:
            raise ParamsError(f"{key}.{error}") from None


def _check_parent(key: str, run: Run, runs: dict[str, Run], sources: dict[str, Source]) -> None:
    """Check the parent: none, published weights, or a run on the same data set.

    That is an autoencoder for latent diffusion, and for a flow or an edm another one, with whose weights it begins.
    """
    if run.parent == NO_PARENT:
        return
    if run.parent.startswith(PUBLISHED):
        source = run.parent.removeprefix(PUBLISHED)
        _check_known(f"{key}.parent", source, [name for name, s in sources.items() if s.kind == "checkpoint"])
        if run.seeds != 1:
            raise ParamsError(f"{key}.seeds: {run.seeds}, but published weights come from one training; set seeds: 1")
        return
    if not run.parent.startswith(TRAINED):
        raise ParamsError(
            f"{key}.parent: expected {NO_PARENT}, {TRAINED}<run> or {PUBLISHED}<source>, got {run.parent!r}"
        )
    parent = run.parent.removeprefix(TRAINED)
    _check_known(f"{key}.parent", parent, runs)
    if parent == key.removeprefix("runs.") or (run.family, runs[parent].family) not in _PARENTS:
        raise ParamsError(
            f"{key}.parent: expected a diffusion run on an autoencoder, a flow on another flow or an edm on another edm, got"
            f" family {run.family} with parent {parent} of family {runs[parent].family}; set parent: {NO_PARENT}"
        )
    if runs[parent].dataset != run.dataset:
        raise ParamsError(
            f"{key}.parent: '{parent}' is trained on {runs[parent].dataset}; set dataset: {runs[parent].dataset}"
        )


def _check_known(key: str, name: Any, known: Iterable[str]) -> None:
    if name not in list(known):  # a list has no hash to look for
        raise ParamsError(f"{key}: unknown name '{name}'; {nearest(name, known)}")


def _networks() -> list[str]:
    """Return the names of the modules in nets/."""
    return sorted(path.stem for path in (Path(__file__).parents[1] / "nets").glob("[a-z]*.py"))


def _parse_block(family: str, block: dict[str, Any], key: str, sample_key: str) -> tuple[TrainSettings, SampleSettings]:
    """Parse the training and the sampling settings of a family block."""
    settings, sampling = FAMILIES[family]
    values = {name: value for name, value in block.items() if name not in ("family", "sample")}
    train, sample = parse(settings, values, key), parse(sampling, block.get("sample", {}), sample_key)
    try:
        sample.check(train)
    except ValueError as error:
        raise ParamsError(f"{sample_key}.{error}") from None
    return train, sample


def _common(params: Params) -> dict[str, Any]:
    return {"seed": params.seed, "compute": params.compute.model_dump()}


def _reference_files(dataset: str, params: Params) -> dict[str, dict[str, Any]]:
    """Return the settings of the stages that measure the real images of a data set."""
    evaluation = params.protocol(dataset)
    protocol = {"reference_split": evaluation.reference_split, "samples": evaluation.samples}
    common = _common(params) | {"dataset": dataset} | protocol
    classifier = {"classifier": params.datasets[dataset].classifier}
    return {
        f"fid_stats/{dataset}": common | evaluation.model_dump(include={"fid", "fid_legacy", "features"}),
        f"floor/{dataset}": common | classifier | {"bootstrap_resamples": evaluation.bootstrap_resamples},
    }


def _with_overrides(name: str, params: Params, blocks: dict[str, Any]) -> tuple[TrainSettings, SampleSettings]:
    """Return the training and sampling settings of a run: its block with its overrides applied."""
    run = params.runs[name]
    block = copy.deepcopy(blocks[run.settings])
    sample = block.setdefault("sample", {})
    for key, value in run.set.items():
        target, last = (sample, key.removeprefix("sample.")) if key.startswith("sample.") else (block, key)
        allowed = [setting for setting in target if setting not in ("family", "sample")]
        if last not in allowed:
            raise ParamsError(f"runs.{name}.set.{key}: unknown key; {nearest(last, allowed)}")
        target[last] = value
    return _parse_block(run.family, block, f"runs.{name}.set", f"runs.{name}.set.sample")


def _run_files(name: str, params: Params, blocks: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the settings of the train, sample and evaluate stages of a run."""
    run = params.runs[name]

    def model(run_name: str, settings: Strict) -> dict[str, Any]:
        built = params.runs[run_name]
        return {"family": built.family, "net": built.net, "settings": settings.model_dump()}

    settings, sampling = _with_overrides(name, params, blocks)
    parent = run.parent.removeprefix(TRAINED) if run.parent.startswith(TRAINED) else None
    inherited: dict[str, Any] = {"parent": run.parent, "parent_model": None, "parent_weights": None}
    if parent:
        its_settings, its_sampling = _with_overrides(parent, params, blocks)
        inherited["parent_model"] = model(parent, its_settings)
        inherited["parent_weights"] = its_sampling.model_dump()["weights"]
    common = _common(params) | {"run": name, "dataset": run.dataset, "seeds": run.seeds}
    train_on = {"train_on": params.datasets[run.dataset].train_on}
    protocol, shared = params.protocol(run.dataset), params.sampling.model_dump()
    shared["images"] = max(shared["images"], protocol.samples)
    return {
        f"train/{name}": common | train_on | model(name, settings) | inherited,
        f"sample/{name}": common | {"family": run.family, "sampling": shared, "sample": sampling.model_dump()},
        f"evaluate/{name}": common | train_on | protocol.model_dump(),
    }
