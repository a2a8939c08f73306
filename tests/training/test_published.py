"""A run whose weights are published, not trained here: from the mirror folder to samples, by the stages."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from staging import run_stage, set_up_one_run
from thirtytwo.nets.lucid_unet import LucidUNet
from thirtytwo.runtime.errors import CheckpointError

pytestmark = pytest.mark.usefixtures("one_thread")


class Project:
    """A folder with one run by published weights, which lie in a mirror folder."""

    def __init__(self, folder: Path, params: Any, write: Callable[[Any], Path], root: Path) -> None:
        self.folder, self.root = folder, root
        self.net = LucidUNet(channels=3, width=8, width_multipliers=[1, 2])
        (folder / "mirror").mkdir()
        self.publish({"epoch": 199, "model_state_dict": self.net.state_dict()})
        weights = {"kind": "checkpoint", "file": "w.pth", "sha256": "", "drive_id": ""}
        settings = {"width": 8, "width_multipliers": [1, 2], "sample.weights": "raw", "sample.steps": 1,
                    "sample.bound_images": 0}  # fmt: skip
        run = {"family": "diffusion", "net": "lucid_unet", "settings": "ddpm", "dataset": "shapes",
               "parent": "data/raw/weights", "seeds": 1, "set": settings}  # fmt: skip
        set_up_one_run(folder, params, write, "published", run, sources={"weights": weights})

    def publish(self, content: Any) -> None:
        torch.save(content, self.folder / "mirror/w.pth")

    def stage(self, name: str, argument: str) -> None:
        """Runs a stage's main."""
        replaced = {} if name == "download" else {"set_up": lambda compute: torch.device("cpu")}
        run_stage(name, self.folder, argument, **replaced)


@pytest.fixture
def project(
    tmp_path: Path, params: Any, write_params: Callable[[Any], Path], root: Path, monkeypatch: pytest.MonkeyPatch
) -> Project:
    monkeypatch.setenv("THIRTYTWO_MIRROR", str(tmp_path / "mirror"))
    return Project(tmp_path, params, write_params, root)


def test_published_weights_are_kept_as_they_are_and_make_the_samples(
    project: Project, capsys: pytest.CaptureFixture[str]
):
    project.stage("download", "weights")
    sha256 = hashlib.sha256((project.folder / "mirror/w.pth").read_bytes()).hexdigest()
    assert f"w.pth has sha256 {sha256}, unverified" in capsys.readouterr().out
    project.stage("train", "published")
    kept = torch.load(project.folder / "data/models/published/0.pt", weights_only=True)["modules"]
    for name, weight in project.net.state_dict().items():
        assert torch.equal(kept[f"denoiser.{name}"], weight), name
    scores = json.loads((project.folder / "scores/train/published.json").read_text())
    assert [scores["steps"], scores["images_seen"]] == [0, 0]
    assert scores["parameters_denoiser"] == sum(p.numel() for p in project.net.parameters())
    project.stage("sample", "published")
    images = [np.load(project.folder / "data/samples/published/0.npz")["images"]]
    torch.nn.init.ones_(project.net.get_parameter("final_conv.bias"))
    project.publish({"model_state_dict": project.net.state_dict()})
    for name, argument in (("download", "weights"), ("train", "published"), ("sample", "published")):
        project.stage(name, argument)
    images.append(np.load(project.folder / "data/samples/published/0.npz")["images"])
    assert images[0].shape == (7, 32, 32, 3)
    assert (images[0] != images[1]).any()


@pytest.mark.parametrize(
    "content", [{"state": {}}, {"model_state_dict": {"a": torch.zeros(1)}}, {"model_state_dict": 3}]
)
def test_weights_of_another_network_are_refused_in_one_line(project: Project, content: Any):
    project.publish(content)
    project.stage("download", "weights")
    with pytest.raises(CheckpointError, match=r"w\.pth: expected .* model_state_dict; set net, width") as caught:
        project.stage("train", "published")
    assert "\n" not in str(caught.value)
    assert not (project.folder / "data/models").exists()
