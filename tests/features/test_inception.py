"""FID by clean-fid, offline: a small network stands in for Inception."""

import hashlib

import cleanfid
import numpy as np
import pytest
import torch
from cleanfid.fid import compute_fid
from PIL import Image
from torch import nn

from thirtytwo.evaluate.fid import inception_scores
from thirtytwo.evaluate.frechet import statistics
from thirtytwo.features import inception
from thirtytwo.runtime.errors import EvaluationError
from thirtytwo.runtime.files import sha256, write_arrays, write_json
from thirtytwo.runtime.project import Project

CPU = torch.device("cpu")


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
    path = tmp_path_factory.mktemp("mirror") / inception.WEIGHTS_NAME
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
    mu, sigma = statistics(inception.inception_features(real, network, CPU, "real"))
    np.savez(tmp_path / "statistics.npz", mu=mu, sigma=sigma)
    name = inception.statistics_name("Digits5k", "train", real)
    inception.install_statistics(name, tmp_path / "statistics.npz")
    folder = tmp_path / "made"
    folder.mkdir()
    for index, image in enumerate(made):
        Image.fromarray(image.squeeze()).save(folder / f"{index:03d}.png")
    with torch.no_grad():
        theirs = compute_fid(
            str(folder), dataset_name=name, mode="clean", dataset_split="custom", num_workers=0, device=CPU,
            custom_feat_extractor=network, verbose=False,
        )  # fmt: skip
    features = inception.inception_features(made, network, CPU, "made")
    status = {"stats_name": name, "n": 60, "weights_sha256": "0", "kernel_mean": 0.0}
    ours = inception_scores(features, features, mu, sigma, status).scores["fid"]
    assert ours.value == pytest.approx(theirs, rel=1e-4)  # clean-fid takes the mean in float32
    assert ours.low < ours.value < ours.high


def test_statistics_other_than_those_of_the_status_are_refused(weights, tmp_path, monkeypatch):
    monkeypatch.setenv("THIRTYTWO_MIRROR", str(weights.parent))
    monkeypatch.setattr(inception, "find_weights", lambda *_: weights)
    project, images = Project(tmp_path), pictures(4, 1, 5)
    folder = project.fid_stats("digits")
    folder.mkdir(parents=True)
    write_arrays(folder / "statistics.npz", {"mu": np.zeros(2048), "sigma": np.eye(2048)}, compressed=False)
    about = {"fid": "on", "stats_name": "x", "weights_sha256": "y", "floors": {}, "kernel_mean": 0.0}
    about |= {"sha256": sha256(folder / "statistics.npz"), "n": 4, "kernel_mean_within": 0.0}
    write_json(folder / "status.json", about, sealed=True)
    features, reference, mu, sigma, status = inception.reference(project, "digits", images, CPU)
    np.testing.assert_array_equal(features(images, "x"), reference)
    assert (mu.shape, sigma.shape, status["n"]) == ((2048,), (2048, 2048), 4)
    write_json(folder / "status.json", about | {"sha256": "other"}, sealed=True)
    with pytest.raises(EvaluationError, match=r"statistics\.npz: .*expected other.*fid_stats"):
        inception.reference(project, "digits", images, CPU)


def test_inception_is_loaded_by_clean_fid_from_where_we_say(weights):
    features = inception.inception_features(pictures(3, 1, 3), inception.inception(weights, CPU), CPU, "x")
    assert features.shape == (3, 2048)
    assert np.isfinite(features).all()


def test_features_are_cached_by_content_and_damage_is_noticed(weights, tmp_path, monkeypatch, capsys):
    images = pictures(4, 3, 4)
    first = inception.cached_features(images, weights, CPU, tmp_path, "x")
    (entry,) = tmp_path.glob("*.npy")
    entry.write_bytes(entry.read_bytes()[:-4] + b"oops")
    np.testing.assert_array_equal(inception.cached_features(images, weights, CPU, tmp_path, "x"), first)
    assert "damaged" in capsys.readouterr().out
    monkeypatch.setattr(inception, "inception", lambda *_: pytest.fail("should have come from the cache"))
    np.testing.assert_array_equal(inception.cached_features(images, weights, CPU, tmp_path, "x"), first)
    with pytest.raises(BaseException, match="should have come"):
        inception.cached_features(images[::-1], weights, CPU, tmp_path, "x")


def test_weights_come_from_the_mirror_then_the_downloads_then_the_address(weights, tmp_path, monkeypatch):
    digest = sha256(weights)
    monkeypatch.delenv("THIRTYTWO_MIRROR", raising=False)
    downloaded = inception.find_weights(tmp_path, digest, weights.as_uri())
    assert downloaded == tmp_path / inception.WEIGHTS_NAME
    assert sha256(downloaded) == digest
    assert inception.find_weights(tmp_path, digest, "file:///nowhere") == downloaded
    monkeypatch.setenv("THIRTYTWO_MIRROR", str(weights.parent))
    assert inception.find_weights(tmp_path, digest, "file:///nowhere") == weights


def test_weights_that_cannot_be_downloaded_are_named_with_hash_and_place(tmp_path, monkeypatch):
    monkeypatch.delenv("THIRTYTWO_MIRROR", raising=False)
    with pytest.raises(EvaluationError) as caught:
        inception.find_weights(tmp_path, url=(tmp_path / "nowhere").as_uri())
    for part in (inception.WEIGHTS_NAME, inception.WEIGHTS_SHA256, str(tmp_path), "evaluation.fid"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_weights_are_refused_and_never_kept(tmp_path, weights, monkeypatch):
    monkeypatch.delenv("THIRTYTWO_MIRROR", raising=False)
    with pytest.raises(EvaluationError, match="cannot be downloaded"):
        inception.find_weights(tmp_path, "0" * 64, weights.as_uri())
    assert list(tmp_path.iterdir()) == []
    (tmp_path / inception.WEIGHTS_NAME).write_bytes(b"<html>")
    found = hashlib.sha256(b"<html>").hexdigest()
    with pytest.raises(EvaluationError, match=f"{found}, expected {inception.WEIGHTS_SHA256}"):
        inception.find_weights(tmp_path)
