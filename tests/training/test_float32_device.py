"""Training and sampling work on a device without float64."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from float32_device import pretended
from staging import set_up_one_run
from thirtytwo.data import batches
from thirtytwo.models.build import untrained
from thirtytwo.models.diffusion.latent import LatentSpace
from thirtytwo.runtime.project import Project
from thirtytwo.sampling.drawing import Job
from thirtytwo.settings.families import read_sample, read_train
from thirtytwo.training import checkpoints
from thirtytwo.training.loop import initialise, train

pytestmark = pytest.mark.usefixtures("one_thread")

COMMON = {"steps": 2, "epochs": 0, "batch_size": 4, "width": 4, "checkpoint_every": 2, "validate_every": 2}
RUNS: dict[str, dict[str, Any]] = {
    "dcgan": {"snapshot_every": 0},
    "vae": {"likelihood": "sigma_vae", "sample.components": 1, "sample.bound_images": 2, "sample.bound_samples": 2},
    "cddpm": {"width": 8, "sample.bound_images": 2, "sample.bound_timesteps": 2, "sample.steps": 2},
}


def test_the_pretended_device_refuses_float64() -> None:
    with pretended() as device:
        x = torch.ones(2, device=device)
        assert (x.device, (x + 1).device, x.cpu().double().sum().item()) == (device, device, 2)
        for attempt in (lambda: x.double(), lambda: torch.zeros(1, dtype=torch.float64, device=device)):
            with pytest.raises(TypeError, match="float64"):
                attempt()


@pytest.mark.parametrize("name", list(RUNS))
def test_no_float64_on_the_device(
    name: str, tmp_path: Path, params: Any, write_params: Callable[[Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = params["runs"][name] | {"dataset": "shapes"}
    run["set"] |= COMMON | RUNS[name]
    set_up_one_run(tmp_path, params, write_params, name, run, sources={})
    project = Project(tmp_path)
    cfg, sampling = read_train(name, project), read_sample(name, project)
    data = batches.load(project.prepared("shapes"))
    monkeypatch.setattr(checkpoints, "save", lambda *state: None)
    with pretended() as device:
        model = initialise(lambda: untrained(cfg, 3, 2), 1)
        model.modules.to(device)
        state = train(
            model, data, cfg.settings, seed=1, device=device, precision="float32", folder=tmp_path / "checkpoints",
            exit_code=lambda: 0,
        )  # fmt: skip
        assert next(state.family.modules.parameters()).device == device
        state.family.modules.eval().requires_grad_(False)
        family = import_module(f"thirtytwo.sampling.{cfg.family}.sample")
        drawn = family.sample(state.family, Job(sampling, data, device, {}))
    assert len(drawn.images) == 7
    assert torch.isfinite(drawn.images).all()


def test_the_statistics_of_codes_are_measured_without_float64_on_the_device() -> None:
    class Halves:
        """Codes of 2 channels: the image's left and right half, with sigma 1/2."""

        modules, conditional, latent_shape = torch.nn.ModuleDict(), False, (2, 4, 4)

        def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            mu = torch.cat([x[:, :, :4, :4], x[:, :, -4:, -4:] * 3 + 1], 1)
            return mu, torch.full_like(mu, 0.5).log()

        def draw(self, z: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
            return z

    with pretended() as device:
        space = LatentSpace(Halves()).to(device)
        space.fit(torch.randn(400, 1, 32, 32).to(device))
        mean, std = space.mean.cpu().flatten(), space.std.cpu().flatten()
    torch.testing.assert_close(mean, torch.tensor([0.0, 1.0]), atol=0.15, rtol=0)
    torch.testing.assert_close(std, torch.tensor([1.25, 9.25]).sqrt(), atol=0.15, rtol=0)
