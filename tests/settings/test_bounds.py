"""Every number among the settings has bounds, and values that no machine can mean are refused before any work."""

import math
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from thirtytwo.runtime.errors import ParamsError
from thirtytwo.runtime.project import Project
from thirtytwo.settings.evaluation import Evaluation
from thirtytwo.settings.resolve import resolve
from thirtytwo.settings.strict import Strict, parse


def settings_classes() -> list[type[BaseModel]]:
    """All settings classes, those of a family filled in where a class is generic."""
    for path in Path(import_module("thirtytwo.settings").__file__).parent.glob("[a-z]*.py"):
        import_module(f"thirtytwo.settings.{path.stem}")
    found: set[type[BaseModel]] = set()
    queue: list[type[BaseModel]] = [Strict]
    while queue:
        one = queue.pop()
        queue += one.__subclasses__()
        found.add(one)
    return sorted(found, key=lambda one: one.__name__)


def numbers(schema: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """The parts of a JSON schema that are numbers, with their place."""
    if isinstance(schema, list):
        return [found for k, part in enumerate(schema) for found in numbers(part, f"{path}[{k}]")]
    if not isinstance(schema, dict):
        return []
    if schema.get("type") in ("integer", "number") and "enum" not in schema and "const" not in schema:
        return [(path, schema)]
    return [found for key, part in schema.items() for found in numbers(part, f"{path}.{key}")]


def test_every_number_has_finite_bounds():
    seen, unbounded = 0, []
    for model in settings_classes():
        for place, schema in numbers(model.model_json_schema()):
            seen += 1
            ends = [
                schema.get(low, schema.get(f"exclusive{low[0].upper()}{low[1:]}")) for low in ("minimum", "maximum")
            ]
            if any(end is None or not math.isfinite(end) for end in ends):
                unbounded.append(f"{model.__name__}{place}")
    assert seen > 100
    assert not unbounded


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 10**30), ("seed", -1), ("compute/threads", 10**12), ("runs/vae/seeds", 10**6),
        ("sampling/images", 10**12), ("sampling/grid_side", 10**6), ("sampling/snapshot_images", 10**9),
        ("sampling/c2st_steps", 10**12), ("evaluation/bootstrap_resamples", 10**12), ("evaluation/samples", 10**12),
        ("evaluation/mode_share", 1.5), ("datasets/shapes/test_fraction", 0.999), ("sources/shapes/images", 10**12),
        ("vae/batch_size", 10**9), ("vae/betas", [5, 0.9]), ("vae/betas", [0.9, 1.0]), ("vae/betas", [-0.1, 0.9]),
        ("vae/latent_dim", 10**12), ("vae/width", 10**9), ("vae/lr", 5.0), ("vae/steps", 10**12), ("vae/epochs", 10**12),
        ("vae/beta", 1e30), ("vae/clip_norm", 1e30), ("vae/sample/components", 10**9), ("vae/sample/guidance", 1e9),
        ("vae/sample/bound_samples", 10**12), ("gan/latent_dim", 10**12), ("gan/real_target", -50), ("gan/fake_target", 2),
        ("gan/penalty", 1e30), ("gan/init_std", 1e9), ("gan/input_noise", 1e9), ("gan/generator_every", 10**9),
        ("gan/label_channels", 10**9), ("gan/multipliers", [1, 2, 10**9]), ("gan/decay_steps/generator", 10**12),
        ("ddpm/timesteps", 10**9), ("ddpm/attention_resolutions", [-1]), ("ddpm/attention_resolutions", [0]),
        ("ddpm/attention_resolutions", [7]), ("ddpm/heads", 10**9), ("ddpm/blocks", 10**9), ("ddpm/patch", 64),
        ("ddpm/width_multipliers", [1] * 7), ("ddpm/width_multipliers", [10**9]), ("ddpm/warmup", 10**12),
        ("ddpm/beta_end", 2.0), ("ddpm/sample/steps", 10**9), ("ddpm/sample/eta", 3.0), ("ddpm/sample/guidance", 1e9),
        ("ddpm/sample/frames", 10**9), ("ddpm/sample/bound_images", 10**12), ("ddpm/sample/bound_timesteps", 10**12),
        ("classifiers/shapes/epochs", 10**9), ("classifiers/shapes/width", 10**9), ("classifiers/shapes/lr", 50.0),
        ("classifiers/shapes/batch_size", 10**9), ("sweeps/ddpm/images", 10**12), ("sweeps/ddpm/steps", [10**9]),
        ("sweeps/ddpm/etas", [2.0]), ("sweeps/ddpm/steps", [4] * 1000),
    ],
)  # fmt: skip
def test_values_that_no_machine_can_mean_are_refused_with_the_range(
    key: str, value: Any, params: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    *groups, last = key.split("/")
    block = params
    for group in groups:
        block = block[group]
    assert last in block
    block[last] = value
    monkeypatch.setattr(import_module("thirtytwo.settings.resolve"), "load_yaml", lambda path: params)  # YAML is slow
    with pytest.raises(ParamsError) as caught:
        resolve(tmp_path / "params.yaml", Project(tmp_path / "resolved"))
    line = str(caught.value)
    assert f"{key.replace('/', '.')}" in line
    assert any(word in line for word in ("expected a number >", "at most", "unknown value"))
    assert "\n" not in line
    assert not (tmp_path / "resolved/configs").exists()


def test_a_range_is_stated_with_both_ends():
    with pytest.raises(ParamsError, match=r"^evaluation\.mode_share: expected a number > 0 and <= 1, got 2$"):
        parse(Evaluation, VALUES | {"mode_share": 2}, "evaluation")


VALUES = {
    "samples": 10,
    "reference_split": "train",
    "fid": False,
    "fid_legacy": False,
    "features": None,
    "bootstrap_resamples": 20,
    "mode_share": 0.5,
}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{a: " * 100_001,
        "a: " + "{b: " * 50 + "1" + "}" * 50,
        "a: &a [*a]",
        "a: &a {b: *a}",
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "\n".join(f"{n}: &{n} [{', '.join([f'*{chr(ord(n) - 1)}'] * 10)}]" for n in "bcdefghi"),
    ],
    ids=["brackets", "braces", "deep", "list in itself", "mapping in itself", "billions"],
)
def test_yaml_that_is_nested_too_deeply_is_refused(text: str, tmp_path: Path):
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=r"^params\.yaml: nested too deeply") as caught:
        resolve(tmp_path / "params.yaml", Project(tmp_path))
    assert "\n" not in str(caught.value)


def test_names_that_no_file_can_have_are_refused(params: Any, write_params: Any, tmp_path: Path):
    params["runs"]["v" * 101] = params["runs"]["vae"]
    with pytest.raises(ParamsError, match=r"runs: 'v+'; expected a letter followed by at most 99"):
        resolve(write_params(params), Project(tmp_path))
