"""Sweeps of samplers: their points, their cost, and their agreement with the run."""

import pytest

from thirtytwo.runtime.errors import ParamsError
from thirtytwo.runtime.project import Project
from thirtytwo.sampling.cost import evaluations
from thirtytwo.sampling.diffusion.sweep import points
from thirtytwo.settings.resolve import resolve
from thirtytwo.settings.strict import parse
from thirtytwo.settings.sweep import SweepConfig

VALUES = {
    "family": "diffusion", "net": "unet", "dataset": "shapes", "images": 100, "samplers": {"ddim": "uniform", "heun": "karras"},
    "steps": [5, 20], "etas": [0.0, 1.0],
}  # fmt: skip


def config(guidance: float) -> SweepConfig:
    compute = {"device": "cpu", "threads": 1, "precision": "float32", "compile": False, "deterministic": True}
    return parse(SweepConfig, {
        "run": "ddpm", "family": "diffusion", "seed": 1, "compute": compute, "reference_split": "train", "bootstrap_resamples": 20, "sweep": VALUES,
        "weights": "ema", "clip": True, "guidance": guidance, "intermediate": None,
    })  # fmt: skip


def test_only_ddim_is_swept_over_eta():
    swept = [(p.sampler, p.spacing, p.steps, p.eta) for p in points(config(0.0))]
    assert swept == [
        ("ddim", "uniform", 5, 0.0), ("ddim", "uniform", 20, 0.0), ("ddim", "uniform", 5, 1.0),
        ("ddim", "uniform", 20, 1.0), ("heun", "karras", 5, 0.0), ("heun", "karras", 20, 0.0),
    ]  # fmt: skip


@pytest.mark.parametrize(("guidance", "calls"), [(0.0, [5, 20, 5, 20, 9, 39]), (1.5, [10, 40, 10, 40, 18, 78])])
def test_guidance_doubles_the_network_evaluations(guidance, calls):
    assert [evaluations(p.sampler, p.steps, p.guidance) for p in points(config(guidance))] == calls


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("ddpmm", {}, "sweeps.ddpmm: unknown name 'ddpmm'; did you mean 'ddpm'"),
        ("ddpm", {"net": "dcgan"}, "sweeps.ddpm.net: expected 'unet', as in runs.ddpm"),
        ("vae", {"net": "conv_vae"}, "sweeps.vae: expected a run of family diffusion"),
        ("ddpm", {"samplers": {"dimd": "uniform"}}, "sweeps.ddpm.samplers.dimd"),
        ("ddpm", {"steps": [0]}, "sweeps.ddpm.steps"),
        ("ddpm", {"family": "flow"}, "sweeps.ddpm.family: expected 'diffusion', as in runs.ddpm"),
        ("ddpm", {"samplers": {"euler": "uniform"}}, "sweeps.ddpm.samplers.euler"),
        (
            "flow",
            {"family": "flow", "dataset": "digits5k", "samplers": {"mean_flow": "uniform"}},
            "sweeps.flow.samplers.mean_flow",
        ),
    ],
)
def test_sweep_that_does_not_match_its_run_is_rejected(name, changes, message, params, write_params, tmp_path):
    params["sweeps"] = {name: params["sweeps"]["ddpm"] | changes}
    with pytest.raises(ParamsError) as caught:
        resolve(write_params(params), Project(tmp_path))
    assert message in str(caught.value)
