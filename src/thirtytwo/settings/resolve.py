"""params.yaml, checked key by key, to one resolved file a stage and name under configs/.

Each file has just the settings that its stage uses: `configs/train/vae.yaml` changes when and only when the
training of `vae` changes, so that DVC reruns just what has to be rerun.
"""

import copy
import re
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import Field

from thirtytwo.models import MODELS, PUBLISHED
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.sampling.diffusion.sweep import Sweep
from thirtytwo.settings.configs import Run, load_yaml, naming, write_yaml
from thirtytwo.settings.data import Source
from thirtytwo.settings.report import ReportConfig
from thirtytwo.settings.strict import Strict, nearest, parse

__all__ = ["resolve"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")


class Params(ReportConfig):
    """params.yaml without its family blocks, which is what the report tells of."""

    seed: int = Field(ge=0)


def resolve(params_path: Path, root: Path) -> list[Path]:
    """Checks all of params.yaml, then writes every resolved file below `root`/configs; returns their paths.

    Raises:
        ParamsError: the first thing wrong, in one line; nothing has been written then.
    """
    values = load_yaml(params_path)
    with naming(params_path):
        files = _files(values)
    folder = root / "configs"
    paths = [folder / f"{key}.yaml" for key in files]
    for stale in set(folder.rglob("*.yaml")) - set(paths):  # of runs and data sets that are no more
        stale.unlink()
    for path, content in zip(paths, files.values(), strict=True):
        write_yaml(path, content)
    return paths


def _files(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The content of every resolved file, by its path below configs/ without suffix."""
    known = {key: values[key] for key in values if key in Params.model_fields}
    blocks = {key: values[key] for key in values if key not in Params.model_fields}
    params = parse(Params, known)
    _check_names(params)
    _check_blocks(params, blocks)
    files: dict[str, dict[str, Any]] = {}
    for name, source in params.sources.items():
        files[f"download/{name}"] = {"name": name, "source": source.model_dump()}
    for name, dataset in params.datasets.items():
        kind = params.sources[dataset.source].kind
        own = dataset.model_dump(exclude={"classifier"})
        files[f"prepare/{name}"] = {"name": name, "kind": kind, "dataset": own}
        files |= _reference_files(name, params)
    for name, classifier in params.classifiers.items():
        files[f"classifier/{name}"] = _common(params) | {"dataset": name, "classifier": classifier.model_dump()}
    for name, run in params.runs.items():
        files |= _run_files(name, run, params, blocks)
    for name, sweep in params.sweeps.items():
        drawn = files[f"sample/{name}"]
        kept = {key: drawn[key] for key in ("run", "family", "seed", "compute")}
        kept |= {key: drawn["sample"][key] for key in ("weights", "clip", "guidance")}  # what a sweep does not vary
        split = {"reference_split": params.evaluation.reference_split}
        files[f"sweep/{name}"] = kept | split | {"sweep": sweep.model_dump()}
    whole = params.model_dump()
    files["report/report"] = {key: whole[key] for key in ReportConfig.model_fields}
    return files


def _check_names(params: Params) -> None:
    for group in ("sources", "datasets", "classifiers", "runs"):
        for name in getattr(params, group):
            if not _NAME.match(name):
                raise ParamsError(f"{group}: {name!r}: a name is a letter followed by letters, digits and underscores")
    for name, dataset in params.datasets.items():
        _check_known(f"datasets.{name}.source", dataset.source, params.sources)
        _check_known(f"datasets.{name}.classifier", dataset.classifier, params.classifiers)
    for name in params.classifiers:
        _check_known(f"classifiers.{name}", name, params.datasets)
    for name, run in params.runs.items():
        _check_known(f"runs.{name}.dataset", run.dataset, params.datasets)
        _check_known(f"runs.{name}.family", run.family, _modules("models"))
        _check_known(f"runs.{name}.net", run.net, _modules("nets"))
    for name, sweep in params.sweeps.items():
        _check_sweep(f"sweeps.{name}", name, sweep, params.runs)
    if params.evaluation.samples > params.sampling.images:
        raise ParamsError(
            f"evaluation.samples: {params.evaluation.samples} exceeds sampling.images, {params.sampling.images}"
        )


def _check_blocks(params: Params, blocks: dict[str, Any]) -> None:
    """Every family block is valid by itself, whether or not a run uses it."""
    used = {run.settings for run in params.runs.values()}
    for name, block in blocks.items():
        if name not in used and not (isinstance(block, dict) and "family" in block):
            raise ParamsError(f"{name}: unknown key; {nearest(name, [*Params.model_fields, *(used & blocks.keys())])}")
        if not isinstance(block, dict):
            raise ParamsError(f"{name}: expected a mapping with the settings of a family")
        if "family" not in block:
            raise ParamsError(f"{name}.family: missing; expected one of: {', '.join(_modules('models'))}")
        _check_known(f"{name}.family", block["family"], _modules("models"))
        _parse_block(block["family"], block, str(name), f"{name}.sample")
    for name, run in params.runs.items():
        _check_known(f"runs.{name}.settings", run.settings, blocks)
        if blocks[run.settings]["family"] != run.family:
            family = blocks[run.settings]["family"]
            raise ParamsError(f"runs.{name}.family: '{run.family}', but block {run.settings} is for family '{family}'")
        _check_needs(f"runs.{name}", run, params.runs, params.sources)


def _check_sweep(key: str, name: str, sweep: Sweep, runs: dict[str, Run]) -> None:
    """A sweep samples a diffusion model of pixels, and repeats two settings of its run for the graph."""
    _check_known(key, name, runs)
    run = runs[name]
    for setting in ("net", "dataset"):
        if getattr(sweep, setting) != (its := getattr(run, setting)):
            raise ParamsError(f"{key}.{setting}: expected '{its}', as in runs.{name}")
    if run.family != "diffusion" or run.needs.startswith(MODELS):
        raise ParamsError(f"{key}: expected the name of a run that is diffusion of pixels; runs.{name} is not")


def _check_needs(key: str, run: Run, runs: dict[str, Run], sources: dict[str, Source]) -> None:
    """A run builds on nothing, on published weights, or, if it is diffusion, on an autoencoder of its data set."""
    if run.needs == "nothing":
        return
    if run.needs.startswith(PUBLISHED):
        source = run.needs.removeprefix(PUBLISHED)
        _check_known(f"{key}.needs", source, [name for name, its in sources.items() if its.kind == "checkpoint"])
        if run.seeds != 1:
            raise ParamsError(f"{key}.seeds: {run.seeds}, but published weights are of one training; set seeds: 1")
        return
    needed = run.needs.removeprefix(MODELS)
    if run.needs == needed:
        raise ParamsError(f"{key}.needs: expected nothing, {MODELS}<run> or {PUBLISHED}<source>, got {run.needs!r}")
    _check_known(f"{key}.needs", needed, runs)
    if (run.family, runs[needed].family) != ("diffusion", "autoencoder"):
        raise ParamsError(
            f"{key}.needs: a run of family diffusion can build on one of family autoencoder; got {run.family} on"
            f" {runs[needed].family}, so set needs: nothing"
        )
    if runs[needed].dataset != run.dataset:
        raise ParamsError(f"{key}.needs: '{needed}' is trained on {runs[needed].dataset}; set dataset to the same")


def _check_known(key: str, name: Any, known: Iterable[str]) -> None:
    if name not in known:
        raise ParamsError(f"{key}: there is no '{name}'; {nearest(name, known)}")


def _modules(folder: str) -> list[str]:
    """Names of the modules and packages in a folder of the library."""
    return sorted(path.stem for path in (Path(__file__).parents[1] / folder).glob("[a-z]*"))


def _parse_block(family: str, block: dict[str, Any], where: str, where_sample: str) -> tuple[Strict, Strict]:
    """The training and the sampling settings in a family block."""
    settings = import_module(f"thirtytwo.models.{family}.model").Settings
    sampling = import_module(f"thirtytwo.sampling.{family}.sample").Settings
    train = {key: value for key, value in block.items() if key not in ("family", "sample")}
    trained, drawn = parse(settings, train, where), parse(sampling, block.get("sample", {}), where_sample)
    try:
        drawn.check(trained)
    except ValueError as error:
        raise ParamsError(f"{where_sample}.{error}") from None
    return trained, drawn


def _common(params: Params) -> dict[str, Any]:
    return {"seed": params.seed, "compute": params.compute.model_dump()}


def _reference_files(dataset: str, params: Params) -> dict[str, dict[str, Any]]:
    """What is measured once a data set, on real images."""
    evaluation = params.evaluation
    protocol = {"reference_split": evaluation.reference_split, "samples": evaluation.samples}
    common = _common(params) | {"dataset": dataset} | protocol
    classifier = {"classifier": params.datasets[dataset].classifier}
    return {
        f"fid_stats/{dataset}": common | {"fid": evaluation.fid},
        f"floor/{dataset}": common | classifier | {"bootstrap_resamples": evaluation.bootstrap_resamples},
    }


def _run_files(name: str, run: Run, params: Params, blocks: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Training, sampling and evaluation of a run, from its block with its overrides put in."""
    block = copy.deepcopy(blocks[run.settings])
    sample = block.setdefault("sample", {})
    for key, value in run.set.items():
        owner, last = (sample, key.removeprefix("sample.")) if key.startswith("sample.") else (block, key)
        allowed = [own for own in owner if own not in ("family", "sample")]
        if last not in allowed:
            raise ParamsError(f"runs.{name}.set.{key}: unknown key; {nearest(last, allowed)}")
        owner[last] = value
    settings, sampling = _parse_block(run.family, block, f"runs.{name}.set", f"runs.{name}.set.sample")
    common = _common(params) | {"run": name, "dataset": run.dataset, "seeds": run.seeds}
    shared = params.sampling.model_dump()
    return {
        f"train/{name}": common
        | {"family": run.family, "net": run.net, "needs": run.needs, "settings": settings.model_dump()},
        f"sample/{name}": common | {"family": run.family, "sampling": shared, "sample": sampling.model_dump()},
        f"evaluate/{name}": common | params.evaluation.model_dump(),
    }
