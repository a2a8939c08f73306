"""FID by clean-fid, offline: a small network stands in for Inception."""

import hashlib

import cleanfid
import numpy as np
import pytest
import torch
from cleanfid.fid import compute_fid
from PIL import Image
from sklearn.metrics.pairwise import polynomial_kernel
from torch import nn

from thirtytwo.evaluate import inception, kid
from thirtytwo.evaluate.frechet import statistics
from thirtytwo.features.extraction import file_sha256
from thirtytwo.runtime.errors import EvaluationError

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
    status = {
        "sha256": file_sha256(tmp_path / "statistics.npz"), "stats_name": name, "n": 60, "weights_sha256": "0",
        "fid_floor": 1.0, "fid_floor_n": 55,
    }  # fmt: skip
    ours = inception.scores(
        inception.inception_features(made, network, CPU, "made"), tmp_path / "statistics.npz", status
    )
    assert ours["fid"] == pytest.approx(theirs, rel=1e-4)  # clean-fid takes the mean in float32
    assert ours["fid_low"] < ours["fid"] < ours["fid_high"]
    assert ours["fid_floor_same_n"] is True
    with pytest.raises(EvaluationError, match="run fid_stats again"):
        inception.scores(np.zeros((3, 16)), tmp_path / "statistics.npz", status | {"sha256": "other"})


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
    sha256 = file_sha256(weights)
    monkeypatch.delenv("THIRTYTWO_MIRROR", raising=False)
    downloaded = inception.find_weights(tmp_path, sha256, weights.as_uri())
    assert downloaded == tmp_path / inception.WEIGHTS_NAME
    assert file_sha256(downloaded) == sha256
    assert inception.find_weights(tmp_path, sha256, "file:///nowhere") == downloaded
    monkeypatch.setenv("THIRTYTWO_MIRROR", str(weights.parent))
    assert inception.find_weights(tmp_path, sha256, "file:///nowhere") == weights


def test_weights_that_cannot_be_had_are_named_with_hash_and_place(tmp_path, monkeypatch):
    monkeypatch.delenv("THIRTYTWO_MIRROR", raising=False)
    with pytest.raises(EvaluationError) as caught:
        inception.find_weights(tmp_path, url=(tmp_path / "nowhere").as_uri())
    for part in (inception.WEIGHTS_NAME, inception.WEIGHTS_SHA256, str(tmp_path), "evaluation.fid"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_weights_are_refused_and_never_kept(tmp_path, weights, monkeypatch):
    monkeypatch.delenv("THIRTYTWO_MIRROR", raising=False)
    with pytest.raises(EvaluationError, match="cannot be had"):
        inception.find_weights(tmp_path, "0" * 64, weights.as_uri())
    assert list(tmp_path.iterdir()) == []
    (tmp_path / inception.WEIGHTS_NAME).write_bytes(b"<html>")
    found = hashlib.sha256(b"<html>").hexdigest()
    with pytest.raises(EvaluationError, match=f"{found}, expected {inception.WEIGHTS_SHA256}"):
        inception.find_weights(tmp_path)


def test_kid_of_inception_features_stands_beside_its_floor():
    rng = np.random.default_rng(0)
    made, real = rng.standard_normal((30, 8)), rng.standard_normal((40, 8)) + 1
    status = {"kernel_mean": kid.mean_among(real), "kid_floor": 0.1, "fid": "on"}
    scores = inception.kid_scores(made, real, status)
    assert sorted(scores) == ["kid", "kid_floor", "kid_high", "kid_low"]
    among = [polynomial_kernel(x)[~np.eye(len(x), dtype=bool)].mean() for x in (made, real)]  # degree 3, as KID's
    assert scores["kid"] == pytest.approx(sum(among) - 2 * polynomial_kernel(made, real).mean(), rel=1e-10)
