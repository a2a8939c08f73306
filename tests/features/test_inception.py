"""FID by clean-fid, offline: a small network stands in for Inception."""

import dataclasses
import hashlib
import pickle

import cleanfid
import numpy as np
import pytest
import torch
import torchvision
from cleanfid import inception_pytorch
from cleanfid.features import build_feature_extractor
from cleanfid.fid import compute_fid, get_folder_features
from PIL import Image
from torch import nn

from file_server import BODY, SHA256, serving
from thirtytwo.evaluate.fid import inception_scores
from thirtytwo.evaluate.frechet import statistics
from thirtytwo.features import inception
from thirtytwo.runtime.errors import EvaluationError
from thirtytwo.runtime.files import sha256

CPU = torch.device("cpu")
NAME = inception.FLAVOURS["fid"].weights


class Pooled(nn.Module):
    """Means over a grid of patches, mixed; takes [N, 3, 299, 299] like Inception."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(74)
        self.mix = nn.Linear(48, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mix(torch.flatten(self.pool(x), 1))


class StandIn(nn.Module):
    """The interface of NVIDIA's TorchScript file, as clean-fid uses it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = Pooled(2048)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("mirror") / NAME
    torch.jit.script(StandIn()).save(str(path))
    return path


def pictures(count: int, channels: int, seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, channels), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


@pytest.mark.parametrize("channels", [1, 3])
def test_clean_fid_gives_the_same_number_with_our_statistics(channels, tmp_path, monkeypatch):
    monkeypatch.setattr(cleanfid, "__file__", str(tmp_path / "cleanfid" / "__init__.py"))
    (tmp_path / "cleanfid").mkdir()
    torch.manual_seed(0)
    network = Pooled(16).eval()
    real, made = pictures(60, channels, 1), pictures(55, channels, 2)
    mu, sigma = statistics(inception.inception_features("fid", real, network, CPU, "real"))
    np.savez(tmp_path / "statistics.npz", mu=mu, sigma=sigma)
    name = inception.statistics_name("Digits5k", "train", real)
    inception.install_statistics("fid", name, tmp_path / "statistics.npz")
    folder = tmp_path / "made"
    folder.mkdir()
    for index, image in enumerate(made):
        Image.fromarray(image.squeeze()).save(folder / f"{index:03d}.png")
    with torch.no_grad():
        theirs = compute_fid(
            str(folder), dataset_name=name, mode="clean", dataset_split="custom", num_workers=0, device=CPU,
            custom_feat_extractor=network, verbose=False,
        )  # fmt: skip
    features = inception.inception_features("fid", made, network, CPU, "made")
    status = {"stats_name": name, "mode": "clean", "n": 60, "weights_sha256": "0", "kernel_mean": 0.0}
    ours = inception_scores("fid", features, features, mu, sigma, status).scores["fid"]
    assert ours.value == pytest.approx(theirs, rel=1e-4)  # clean-fid takes the mean in float32
    assert ours.low < ours.value < ours.high


def test_inception_is_loaded_by_clean_fid_from_where_we_say(weights):
    features = inception.inception_features(
        "fid", pictures(3, 1, 3), inception.inception("fid", weights, CPU), CPU, "x"
    )
    assert features.shape == (3, 2048)
    assert np.isfinite(features).all()


def publish(monkeypatch, sha256: str, url: str) -> None:
    """Make `url` the address of the weights behind `fid`."""
    changed = dataclasses.replace(inception.FLAVOURS["fid"], sha256=sha256, url=url)
    monkeypatch.setitem(inception.FLAVOURS, "fid", changed)


def test_weights_come_from_the_mirror_then_the_downloads_then_the_address(weights, tmp_path, monkeypatch):
    monkeypatch.delenv("THIRTYTWO_MIRROR", raising=False)
    with serving() as server:
        publish(monkeypatch, SHA256, *server.urls("redirect"))
        downloaded = inception.find_weights("fid", tmp_path)
        assert downloaded == tmp_path / NAME
        assert downloaded.read_bytes() == BODY
        assert [path.name for path in tmp_path.iterdir()] == [NAME]
        server.requests.clear()
        assert inception.find_weights("fid", tmp_path) == downloaded
        publish(monkeypatch, sha256(weights), *server.urls("404"))
        monkeypatch.setenv("THIRTYTWO_MIRROR", str(weights.parent))
        assert inception.find_weights("fid", tmp_path) == weights
        assert server.requests == []


@pytest.mark.parametrize("target", ["file:///etc/passwd", "http://localhost:{port}/good", "http://127.1:{port}/good"])
def test_weights_are_not_fetched_from_where_a_redirect_to_this_machine_leads(target, tmp_path, monkeypatch):
    monkeypatch.delenv("THIRTYTWO_MIRROR", raising=False)
    with serving() as server, serving() as inside:
        url = server.urls(f"redirect?{target.format(port=inside.server_port)}")[0]
        publish(monkeypatch, SHA256, url)
        with pytest.raises(EvaluationError, match="cannot be downloaded"):
            inception.find_weights("fid", tmp_path)
        assert inside.requests == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("score", inception.FLAVOURS)
def test_weights_that_cannot_be_downloaded_are_named_with_hash_and_place(score, tmp_path, monkeypatch):
    monkeypatch.delenv("THIRTYTWO_MIRROR", raising=False)
    flavour = dataclasses.replace(inception.FLAVOURS[score], url=(tmp_path / "nowhere").as_uri())
    monkeypatch.setitem(inception.FLAVOURS, score, flavour)
    with pytest.raises(EvaluationError) as caught:
        inception.find_weights(score, tmp_path)
    for part in (flavour.weights, flavour.sha256, str(tmp_path), f"evaluation.{score}: false"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_weights_are_refused_and_never_kept(tmp_path, monkeypatch):
    monkeypatch.delenv("THIRTYTWO_MIRROR", raising=False)
    with serving() as server:
        publish(monkeypatch, "0" * 64, *server.urls("good"))
        with pytest.raises(EvaluationError, match=f"cannot be downloaded .*{SHA256}"):
            inception.find_weights("fid", tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / NAME).write_bytes(b"<html>")
    with pytest.raises(EvaluationError, match=f"{hashlib.sha256(b'<html>').hexdigest()}, expected {'0' * 64}"):
        inception.find_weights("fid", tmp_path)


def test_legacy_features_are_those_of_clean_fid_in_its_mode_for_pytorch_fid(tmp_path, monkeypatch):
    torch.manual_seed(0)
    with monkeypatch.context() as untrained:  # clean-fid builds the network and asks for its weights
        untrained.setattr(inception_pytorch, "load_state_dict_from_url", lambda *_, **__: {})
        untrained.setattr(torchvision.models.Inception3, "load_state_dict", lambda net, state: None)
        state = inception_pytorch.fid_inception_v3().state_dict()
    for value in state.values():
        if value.ndim == 4:
            nn.init.kaiming_normal_(value)  # keeps the size of activations, so that features differ between images
    torch.save(state, tmp_path / "legacy.pth")
    monkeypatch.setattr(inception_pytorch, "load_state_dict_from_url", lambda *_, **__: state)
    monkeypatch.setattr(inception, "_CHUNK", 3)
    images, folder = pictures(3, 3, 6), tmp_path / "images"
    folder.mkdir()
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{index}.png")
    theirs = get_folder_features(
        str(folder), build_feature_extractor("legacy_pytorch", CPU, use_dataparallel=False), num_workers=0,
        device=CPU, mode="legacy_pytorch", verbose=False,
    )  # fmt: skip
    monkeypatch.setattr(inception_pytorch, "load_state_dict_from_url", lambda *_, **__: pytest.fail("downloads"))
    network = inception.inception("fid_legacy", tmp_path / "legacy.pth", CPU)
    ours = inception.inception_features("fid_legacy", images, network, CPU, "x")
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert np.std(ours, axis=0).max() > 1e-3


def test_a_pickle_in_place_of_the_legacy_weights_is_not_run(tmp_path):
    class Runs:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    torch.save({"w": Runs()}, tmp_path / "legacy.pth")
    with pytest.raises(pickle.UnpicklingError):
        inception.inception("fid_legacy", tmp_path / "legacy.pth", CPU)
    assert not (tmp_path / "ran").exists()
