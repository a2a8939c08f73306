"""Resolving params.yaml: rejected settings with their messages, and which settings reach which stage."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thirtytwo.runtime.errors import ParamsError
from thirtytwo.runtime.project import Project
from thirtytwo.settings.classifier import ClassifierConfig
from thirtytwo.settings.configs import load_yaml, read, read_values
from thirtytwo.settings.data import DatasetConfig, SourceConfig
from thirtytwo.settings.evaluation import EvaluateConfig, FidStatsConfig, FloorConfig
from thirtytwo.settings.families import read_sample, read_train
from thirtytwo.settings.report import ReportConfig
from thirtytwo.settings.resolve import resolve
from thirtytwo.settings.strict import Strict
from thirtytwo.settings.sweep import SweepConfig

MISSING = object()
CONFIGS: dict[str, type[Strict]] = {
    "download": SourceConfig, "prepare": DatasetConfig, "classifier": ClassifierConfig, "fid_stats": FidStatsConfig,
    "floor": FloorConfig, "evaluate": EvaluateConfig, "report": ReportConfig,
    "sweep": SweepConfig,
}  # fmt: skip
Write = Callable[[Any], Path]


def put(values: Any, key: str, value: Any) -> Any:
    """Change, add or (MISSING) remove the setting at the path `key` of `values`."""
    *path, last = key.split("/")
    parent = values
    for part in path:
        parent = parent[part]
    if value is MISSING:
        del parent[last]
    else:
        parent[last] = value
    return values


def message(path: Path, root: Path) -> str:
    """Return the error of resolving, after checking what holds for every error: one line, and no file written."""
    with pytest.raises(ParamsError) as caught:
        resolve(path, Project(root))
    assert "\n" not in str(caught.value)
    assert not (root / "configs").exists()
    return str(caught.value)


def resolved(values: Any, write_params: Write, root: Path) -> dict[str, bytes]:
    """Resolve and return the content of every file by name."""
    paths = resolve(write_params(values), Project(root))
    assert sorted(paths) == sorted(p for p in (root / "configs").rglob("*") if p.is_file())
    return {str(path.relative_to(root / "configs")): path.read_bytes() for path in paths}


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.mark.parametrize(
    ("key", "value", "full_key", "hint"),
    [
        ("vae/beat", 1.0, "vae.beat", "unknown key; did you mean 'beta'?"),
        ("gan/decay_steps/discrimnator", 5, "gan.decay_steps.discrimnator", "did you mean 'discriminator'?"),
        ("gan/sample/weight", "ema", "gan.sample.weight", "did you mean 'weights'?"),
        ("sed", 2, "sed", "unknown key; did you mean 'seed'?"),
        ("samplng", {"images": 5}, "samplng", "did you mean 'sampling'?"),
        ("compute/thread", 2, "compute.thread", "did you mean 'threads'?"),
        ("sources/shapes/imges", 2, "sources.shapes.imges", "did you mean 'images'?"),
        ("runs/vae/dataste", "x", "runs.vae.dataste", "did you mean 'dataset'?"),
        ("datasets/shapes/chanels", 3, "datasets.shapes.chanels", "did you mean 'channels'?"),
    ],
)
def test_unknown_key(params: Any, write_params: Write, tmp_path: Path, key: str, value: Any, full_key: str, hint: str):
    text = message(write_params(put(params, key, value)), tmp_path)
    assert text.startswith(f"params.yaml: {full_key}: ")
    assert hint in text


def test_misspelt_key_is_reported_as_unknown_before_missing(params: Any, write_params: Write, tmp_path: Path):
    params["vae"]["bta"] = params["vae"].pop("beta")
    assert "vae.bta: unknown key; did you mean 'beta'? (and 1 more)" in message(write_params(params), tmp_path)


@pytest.mark.parametrize(
    ("key", "full_key"),
    [
        ("seed", "seed"),
        ("vae/lr", "vae.lr"),
        ("vae/family", "vae.family"),
        ("gan/decay_steps/generator", "gan.decay_steps.generator"),
        ("ddpm/sample/steps", "ddpm.sample.steps"),
        ("classifiers/shapes/lr", "classifiers.shapes.lr"),
        ("classifiers/shapes/second/lr", "classifiers.shapes.second.lr"),
        ("sources/shapes/kind", "sources.shapes.kind"),
        ("runs/vae/set", "runs.vae.set"),
        ("runs/vae/seeds", "runs.vae.seeds"),
        ("runs", "runs"),
    ],
)
def test_missing_key(params: Any, write_params: Write, tmp_path: Path, key: str, full_key: str):
    assert f"params.yaml: {full_key}: missing" in message(write_params(put(params, key, MISSING)), tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("vae/lr", "1e-4", "vae.lr: expected a number, got the text '1e-4'; write it without quotes"),
        ("vae/lr", True, "vae.lr: expected a number, got true"),
        ("vae/lr", None, "vae.lr: expected a number, got nothing"),
        ("vae/batch_size", True, "vae.batch_size: expected a whole number, got true"),
        ("vae/batch_size", 64.0, "vae.batch_size: expected a whole number, got 64.0"),
        ("vae/batch_size", "64", "vae.batch_size: expected a whole number, got the text '64'"),
        ("vae/betas", 0.9, "vae.betas: expected a list, got 0.9"),
        ("vae/betas", [0.9, "0.999"], "vae.betas[1]: expected a number"),
        ("vae/betas", [0.9], "vae.betas: expected at least 2"),
        ("runs/vae/seeds", "3", "runs.vae.seeds: expected a whole number, got the text '3'; write it without quotes"),
        ("gan/batch_norm", 1, "gan.batch_norm: expected true or false, got 1"),
        ("gan/decay_steps", 100, "gan.decay_steps: expected a mapping, got 100"),
        ("vae", 5, "vae: expected a mapping"),
        ("vae/sample", 5, "vae.sample: expected a mapping, got 5"),
        ("runs", ["vae"], "runs: expected a mapping, got a list"),
        ("runs/vae", "vae", "runs.vae: expected a mapping, got the text 'vae'"),
        ("runs/vae/set", None, "runs.vae.set: expected a mapping, got nothing"),
        ("datasets/shapes/classes", "circle", "datasets.shapes.classes: expected a list"),
        ("sources/shapes", "shapes", "sources.shapes: expected a mapping"),
        ("sources/shapes/images", "6000", "sources.shapes.images: expected a whole number"),
    ],
)
def test_wrong_type(params: Any, write_params: Write, tmp_path: Path, key: str, value: Any, expected: str):
    assert message(write_params(put(params, key, value)), tmp_path).startswith(f"params.yaml: {expected}")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("seed", -1, "seed: expected a number >= 0 and <= 4611686018427387904, got -1"),
        ("runs/vae/seeds", 0, "runs.vae.seeds: expected a number >= 1 and <= 1000, got 0"),
        ("vae/lr", 0.0, "vae.lr: expected a number > 0"),
        ("vae/lr", float("nan"), "vae.lr: expected a finite number"),
        ("vae/lr", float("inf"), "vae.lr: expected a finite number"),
        ("vae/ema_decay", 1.0, "vae.ema_decay: expected a number >= 0 and < 1"),
        ("datasets/shapes/test_fraction", 1.0, "datasets.shapes.test_fraction: expected a number >= 0 and <= 0.9"),
        ("datasets/shapes/channels", 2, "datasets.shapes.channels: unknown value 2; expected one of: 1, 3"),
        ("datasets/shapes/resample", "bicubik", "datasets.shapes.resample: unknown value 'bicubik'; did you mean"),
        ("datasets/shapes/convert", ["palete"], "datasets.shapes.convert[0]: unknown value 'palete'; did you"),
        ("sources/shapes/kind", "shape", "sources.shapes.kind: unknown value 'shape'; did you mean 'shapes'?"),
        ("cddpm/family", [], "cddpm.family: unknown name '[]'; expected one of"),
        ("gan/loss", "wgan", "gan.loss: unknown value 'wgan'; did you mean 'wgan_gp'?"),
    ],
)  # fmt: skip
def test_out_of_range(params: Any, write_params: Write, tmp_path: Path, key: str, value: Any, expected: str):
    assert message(write_params(put(params, key, value)), tmp_path).startswith(f"params.yaml: {expected}")


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        ("runs/vae/settings", "vea", "did you mean 'vae'?"),
        ("runs/vae/dataset", "shape", "did you mean 'shapes'?"),
        ("runs/vae/family", "autoencodr", "did you mean 'autoencoder'?"),
        ("runs/vae/net", "conv_va", "did you mean 'conv_vae'?"),
        ("datasets/shapes/source", "shaps", "did you mean 'shapes'?"),
        ("vae/family", "autoencoders", "did you mean 'autoencoder'?"),
    ],
)
def test_unknown_name(params: Any, write_params: Write, tmp_path: Path, key: str, value: str, hint: str):
    text = message(write_params(put(params, key, value)), tmp_path)
    assert text.startswith(f"params.yaml: {key.replace('/', '.')}: ")
    assert f"'{value}'" in text
    assert hint in text


def test_run_and_block_of_different_families(params: Any, write_params: Write, tmp_path: Path):
    assert "runs.vae.family: 'autoencoder', but block gan is for family 'gan'" in message(
        write_params(put(params, "runs/vae/settings", "gan")), tmp_path
    )


@pytest.mark.parametrize("name", ["vae.2", "2vae", "../vae", "vae-2", "", "vae\n"])
def test_invalid_run_name(params: Any, write_params: Write, tmp_path: Path, name: str):
    params["runs"][name] = params["runs"]["vae"]
    assert message(write_params(params), tmp_path).startswith(f"params.yaml: runs: {name!r}")


def test_numeric_run_name(params: Any, write_params: Write, tmp_path: Path):
    params["runs"][7] = params["runs"]["vae"]
    assert message(write_params(params), tmp_path) == "params.yaml: runs.7: expected text, got 7"


@pytest.mark.parametrize(("steps", "epochs"), [(10, 10), (0, 0)])
def test_two_training_budgets_or_none(params: Any, write_params: Write, tmp_path: Path, steps: int, epochs: int):
    params["vae"] |= {"steps": steps, "epochs": epochs}
    text = message(write_params(params), tmp_path)
    assert text.startswith(f"params.yaml: vae: steps, epochs: {steps} and {epochs}")


def test_block_without_a_run_is_checked(params: Any, write_params: Write, tmp_path: Path):
    params["spare"] = copy.deepcopy(params["vae"]) | {"lr": -1.0}
    assert "params.yaml: spare.lr: expected a number > 0" in message(write_params(params), tmp_path)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ({"bta": 1.0}, "runs.vae.set.bta: unknown key; did you mean 'beta'?"),
        ({"beta": "1"}, "runs.vae.set.beta: expected a number, got the text '1'"),
        ({"lr": 0.0}, "runs.vae.set.lr: expected a number > 0"),
        ({"sample.weight": "raw"}, "runs.vae.set.sample.weight: unknown key; did you mean 'weights'?"),
        ({"sample.weights": "best"}, "runs.vae.set.sample.weights: unknown value 'best'; expected one of: ema, raw"),
        ({"epochs": 5}, "runs.vae.set: steps, epochs: 1000 and 5"),
        ({"family": "gan"}, "runs.vae.set.family: unknown key"),
        ({"sample": {}}, "runs.vae.set.sample: unknown key"),
    ],
)
def test_invalid_override(params: Any, write_params: Write, tmp_path: Path, override: dict[str, Any], expected: str):
    text = message(write_params(put(params, "runs/vae/set", override)), tmp_path)
    assert text.startswith(f"params.yaml: {expected}")


def test_more_images_scored_than_drawn(params: Any, write_params: Write, tmp_path: Path):
    params["sampling"]["images"], params["evaluation"]["samples"] = 10, 11
    assert "evaluation.samples: 11; expected at most sampling.images, 10" in message(write_params(params), tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed: 1\nseed: 2\n", 'params.yaml:2: not valid YAML: found duplicate key "seed"'),
        ("seed: 1\nvae: {lr: 1.0\n", "params.yaml:3: not valid YAML: "),
        ("- seed\n", "params.yaml: expected a mapping of settings"),
        ("", "params.yaml: expected a mapping of settings"),
        ("seed: \x00\n", "params.yaml: not valid YAML: "),
    ],
)
def test_invalid_yaml(tmp_path: Path, text: str, expected: str):
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    assert message(tmp_path / "params.yaml", tmp_path).startswith(expected)


def test_invalid_encoding(tmp_path: Path):
    (tmp_path / "params.yaml").write_bytes(b"seed: \xff\n")
    assert message(tmp_path / "params.yaml", tmp_path).startswith("params.yaml: not valid YAML: ")


def test_missing_file(tmp_path: Path):
    text = message(tmp_path / "params.yaml", tmp_path)
    assert "params.yaml: no such file" in text
    assert "make scale SCALE=quick" in text


def test_exponent_without_a_decimal_point_is_a_number(root: Path, tmp_path: Path):
    # `dvc exp run -S vae.lr=1e-5` writes this, which YAML 1.1 parsers read as text.
    text = (root / "scales/quick.yaml").read_text(encoding="utf-8")
    head, tail = text.split("\nvae:")
    text = head + "\nvae:" + re.sub(r"lr: \S+", "lr: 1e-05", tail, count=1)
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    resolve(tmp_path / "params.yaml", Project(tmp_path))
    assert read_train("vae", Project(tmp_path)).settings.lr == 1e-5


def test_resolving_preserves_floats_exactly(params: Any, write_params: Write, tmp_path: Path):
    params["vae"]["lr"], params["ddpm"]["lr"] = 0.1 + 0.2, 1e-300
    resolve(write_params(params), Project(tmp_path))
    assert read_train("vae", Project(tmp_path)).settings.lr == 0.30000000000000004
    assert read_train("ddpm", Project(tmp_path)).settings.lr == 1e-300


def test_order_of_keys_does_not_change_the_files(params: Any, write_params: Write, tmp_path: Path):
    first = resolved(params, write_params, tmp_path)
    reversed_order = {key: params[key] for key in reversed(params)}
    reversed_order["vae"] = {key: params["vae"][key] for key in reversed(params["vae"])}
    assert resolved(params, write_params, tmp_path) == first
    assert resolved(reversed_order, write_params, tmp_path) == first


def test_override_changes_only_its_run(params: Any, write_params: Write, tmp_path: Path):
    params["runs"]["other"] = copy.deepcopy(params["runs"]["vae"])
    before = resolved(params, write_params, tmp_path)
    after = resolved(put(params, "runs/other/set", {"beta": 1.25}), write_params, tmp_path)
    assert changed(before, after) == {"train/other.yaml", "report/report.yaml"}
    assert read_train("other", Project(tmp_path)).settings.beta == 1.25
    assert read_train("vae", Project(tmp_path)).settings.beta == params["vae"]["beta"]


def test_sampling_override_does_not_change_training(params: Any, write_params: Write, tmp_path: Path):
    before = resolved(params, write_params, tmp_path)
    after = resolved(put(params, "runs/ddpm/set", {"sample.steps": 7}), write_params, tmp_path)
    assert changed(before, after) == {"sample/ddpm.yaml", "report/report.yaml"}
    assert read_sample("ddpm", Project(tmp_path)).sample.steps == 7


def test_overridden_run_ignores_a_change_of_its_block(params: Any, write_params: Write, tmp_path: Path):
    params["sweeps"] = {}
    params["runs"] = {"vae": params["runs"]["vae"], "other": params["runs"]["vae"] | {"set": {"beta": 0.5}}}
    before = resolved(params, write_params, tmp_path)
    after = resolved(put(params, "vae/beta", 3.0), write_params, tmp_path)
    assert changed(before, after) == {"train/vae.yaml"}


def test_new_run_does_not_change_other_files(params: Any, write_params: Write, tmp_path: Path):
    before = resolved(params, write_params, tmp_path)
    params["runs"]["another"] = params["runs"]["vae"]
    after = resolved(params, write_params, tmp_path)
    new = {f"{stage}/another.yaml" for stage in ("train", "sample", "evaluate")}
    assert changed(before, after) == new | {"report/report.yaml"}


def test_files_of_a_removed_run_are_deleted(params: Any, write_params: Write, tmp_path: Path):
    before = resolved(params, write_params, tmp_path)
    del params["runs"]["vae"]
    assert {"train/vae.yaml", "sample/vae.yaml"} <= before.keys() - resolved(params, write_params, tmp_path).keys()


@pytest.mark.parametrize(
    ("key", "value", "untouched"),
    [
        ("sampling/images", 2500, ("train", "classifier", "prepare", "download", "floor", "fid_stats")),
        ("ddpm/sample/steps", 3, ("train", "classifier", "floor", "evaluate")),
        ("evaluation/samples", 100, ("train", "classifier", "sample", "prepare", "download")),
        ("evaluation/fid", True, ("train", "classifier", "sample", "prepare", "download")),
        ("classifiers/shapes/epochs", 1, ("train", "sample", "prepare", "download", "floor", "evaluate")),
        ("classifiers/shapes/second/epochs", 1, ("train", "sample", "prepare", "download", "floor", "evaluate")),
        ("vae/beta", 2.0, ("sample", "evaluate", "classifier", "prepare", "download")),
    ],
)
def test_setting_does_not_change_other_stages(
    params: Any, write_params: Write, tmp_path: Path, key: str, value: Any, untouched: tuple[str, ...]
):
    before = resolved(params, write_params, tmp_path)
    touched = {
        name.split("/")[0] for name in changed(before, resolved(put(params, key, value), write_params, tmp_path))
    }
    assert touched
    assert not touched & set(untouched)


def test_a_data_set_has_a_protocol_of_its_own(params: Any, write_params: Write, tmp_path: Path):
    before = resolved(params, write_params, tmp_path)
    own = {"samples": 2500, "reference_split": "all", "fid_legacy": True}  # more samples than sampling.images
    put(params, "datasets/digits5k/evaluation", own)
    after = resolved(params, write_params, tmp_path)
    stages = {"floor/digits5k.yaml", "fid_stats/digits5k.yaml", "report/report.yaml"}
    runs = {name for name, run in params["runs"].items() if run["dataset"] == "digits5k"}
    drawn = {f"{stage}/{name}.yaml" for stage in ("sample", "evaluate") for name in runs}
    swept = {f"sweep/{name}.yaml" for name, sweep in params["sweeps"].items() if sweep["dataset"] == "digits5k"}
    assert changed(before, after) == stages | drawn | swept
    assert own.items() <= load_yaml(tmp_path / "configs/evaluate/cvae.yaml").items()
    assert load_yaml(tmp_path / "configs/sample/cvae.yaml")["sampling"]["images"] == 2500
    assert load_yaml(tmp_path / "configs/evaluate/vae.yaml")["samples"] == params["evaluation"]["samples"]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"sample": 100}, "datasets.shapes.evaluation.sample: unknown key; did you mean 'samples'?"),
        ({"samples": 6}, "datasets.shapes.evaluation.samples: expected a number >= 7"),
        ({"reference_split": "both"}, "datasets.shapes.evaluation.reference_split: unknown value 'both'; expected one"),
    ],
)
def test_a_protocol_of_its_own_is_checked(params: Any, write_params: Write, tmp_path: Path, own: Any, expected: str):
    path = write_params(put(params, "datasets/shapes/evaluation", own))
    assert message(path, tmp_path).startswith(f"params.yaml: {expected}")


def test_gans_alone_may_train_on_held_out_images(params: Any, write_params: Write, tmp_path: Path):
    put(params, "datasets/shapes/train_on", "all")
    path = write_params(params)
    assert re.match(
        r"params\.yaml: datasets\.shapes\.train_on: all, but runs\.\w+ of family \w+ is .*set train_on: train",
        message(path, tmp_path),
    )
    for name in [name for name, run in params["runs"].items() if run["family"] != "gan" and run["dataset"] == "shapes"]:
        params["runs"][name]["dataset"] = "digits5k"
    params["sweeps"] = {}
    resolved(params, write_params, tmp_path)
    for stage in ("train", "evaluate"):
        assert load_yaml(tmp_path / f"configs/{stage}/wgan_gp.yaml")["train_on"] == "all"
        assert load_yaml(tmp_path / f"configs/{stage}/cvae.yaml")["train_on"] == "train"


SPACE = {"name": "x", "file": "x.pt", "sha256": "a" * 64, "resize": 64, "normalise": "unit"}


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (SPACE | {"sha256": 0}, ".sha256: expected text"),
        (SPACE | {"resize": 4}, ".resize: expected a number >= 32 and <= 1024, got 4"),
        ({key: SPACE[key] for key in SPACE if key != "file"}, ".file: missing"),
        (SPACE | {"nam": "y"}, ".nam: unknown key; did you mean 'name'?"),
        ("dinov2", ": expected a mapping"),
    ],
)
def test_a_feature_space_is_checked(params: Any, write_params: Write, tmp_path: Path, features: Any, expected: str):
    text = message(write_params(put(params, "evaluation/features", features)), tmp_path)
    assert text.startswith(f"params.yaml: evaluation.features{expected}")


def test_reading_an_unknown_name(params: Any, write_params: Write, tmp_path: Path):
    with pytest.raises(ParamsError, match=r"run `dvc repro resolve`"):
        read_train("vae", Project(tmp_path))
    resolve(write_params(params), Project(tmp_path))
    with pytest.raises(ParamsError, match=r"did you mean 'vae'\?"):
        read_train("vaes", Project(tmp_path))


def test_reading_a_damaged_file(params: Any, write_params: Write, tmp_path: Path):
    resolve(write_params(params), Project(tmp_path))
    path = tmp_path / "configs/train/vae.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("beta:", "bta:"), encoding="utf-8")
    with pytest.raises(ParamsError, match=r"vae\.yaml: settings\.bta: unknown key; did you mean 'beta'"):
        read_train("vae", Project(tmp_path))


def test_resolved_files_can_be_read(params: Any, write_params: Write, tmp_path: Path):
    for path in resolve(write_params(params), Project(tmp_path)):
        stage, name = path.parent.name, path.stem
        readers = {"train": read_train, "sample": read_sample}
        config = (
            readers[stage](name, Project(tmp_path))
            if stage in readers
            else read(CONFIGS[stage], stage, name, Project(tmp_path))
        )
        assert config.model_dump() == read_values(stage, name, Project(tmp_path))


@pytest.mark.parametrize(
    ("run", "changes", "hint"),
    [
        ("vae", {"parent": "ddpm"}, "expected .no-parent, data/models/<run> or data/raw/<source>"),
        ("ddpm", {"parent": "data/models/vea"}, "unknown name 'vea'; did you mean 'vae'?"),
        ("ddpm", {"parent": "data/raw/digits5k"}, "unknown name 'digits5k'"),
        ("ddpm", {"parent": "data/models/vae.pt"}, "unknown name 'vae.pt'; did you mean 'vae'?"),
        ("ddpm", {"parent": "data/models/gan"}, "got family diffusion with parent gan of family gan"),
        ("flow", {"parent": "data/models/ddpm"}, "got family flow with parent ddpm of family diffusion"),
        ("flow", {"parent": "data/models/flow"}, "got family flow with parent flow of family flow"),
        ("meanflow", {"family": "edm", "settings": "edm", "set": {}}, "got family edm with parent flow of family flow"),
        ("ddpm", {"parent": "data/models/ddpm"}, "got family diffusion with parent ddpm of family diffusion"),
        ("ddpm", {"parent": "data/models/vae", "dataset": "digits5k"}, "trained on shapes"),
    ],
)
def test_invalid_parent_is_rejected(run, changes, hint, params, write_params, tmp_path):
    params["sweeps"] = {}
    params["runs"][run] |= changes
    assert f"runs.{run}.parent: " in (text := message(write_params(params), tmp_path))
    assert hint in text


def test_parent_changes_only_training(params, write_params, tmp_path):
    params["sweeps"] = {}
    before = resolved(params, write_params, tmp_path)
    params["runs"]["ddpm"]["parent"] = "data/models/vae"
    assert changed(before, resolved(params, write_params, tmp_path)) == {"train/ddpm.yaml", "report/report.yaml"}
    assert read_train("ddpm", Project(tmp_path)).parent_model.settings.beta == params["vae"]["beta"]
    assert read_train("vae", Project(tmp_path)).parent_model is None


def test_child_is_told_which_weights_its_parent_samples_with(params, write_params, tmp_path):
    params["sweeps"] = {}
    params["runs"]["ddpm"]["parent"] = "data/models/vae"
    before = resolved(params, write_params, tmp_path)
    assert read_train("ddpm", Project(tmp_path)).parent_weights == params["vae"]["sample"]["weights"] == "raw"
    assert read_train("vae", Project(tmp_path)).parent_weights is None
    params["runs"]["vae"]["set"] |= {"sample.weights": "ema"}
    assert "train/ddpm.yaml" in changed(before, resolved(params, write_params, tmp_path))
    assert read_train("ddpm", Project(tmp_path)).parent_weights == "ema"


def test_seeds_change_all_stages_of_their_run_and_no_other(params, write_params, tmp_path):
    before = resolved(params, write_params, tmp_path)
    params["runs"]["ddpm"]["seeds"] = 3
    stages = {f"{stage}/ddpm.yaml" for stage in ("train", "sample", "evaluate")}
    assert changed(before, resolved(params, write_params, tmp_path)) == stages | {"report/report.yaml"}
    assert read_train("ddpm", Project(tmp_path)).seeds == 3


def test_published_weights_allow_only_one_training(root, write_params, tmp_path):
    params = load_yaml(root / "scales/paper.yaml")
    params["runs"]["ddpm_pretrained"]["seeds"] = 2
    assert "runs.ddpm_pretrained.seeds: 2" in message(write_params(params), tmp_path)
