"""Feature spaces: a user's TorchScript or ONNX network against PyTorch and Pillow, the cache, and files that are wrong."""

import dataclasses
import sys

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import nn

from thirtytwo.evaluate import frechet
from thirtytwo.evaluate.comparison import comparable, compare
from thirtytwo.evaluate.fid import inception_floor, inception_scores
from thirtytwo.evaluate.kid import mean_among
from thirtytwo.evaluate.prdc import K, balls, prdc
from thirtytwo.features import spaces
from thirtytwo.runtime.errors import EvaluationError, ParamsError
from thirtytwo.runtime.files import sha256, write_arrays, write_json
from thirtytwo.runtime.project import Project
from thirtytwo.settings.evaluation import FeatureSpace
from thirtytwo.settings.strict import parse

CPU = torch.device("cpu")


class Means(nn.Module):
    """Channel means of the four quarters of an image: [B, 12]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)


class Map(nn.Module):
    """Not one row an image."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@dataclasses.dataclass
class Settings:
    features: FeatureSpace | None
    fid: bool = False
    fid_legacy: bool = False


def space(path, **changes) -> FeatureSpace:
    values = {"name": "means", "file": str(path), "sha256": sha256(path), "resize": 64, "normalise": "imagenet"}
    return FeatureSpace(**values | changes)


def means_as_onnx(outputs: int = 1) -> onnx.ModelProto:
    """`Means` as an ONNX model for images of 64x64, whose output may be listed several times."""
    pool = helper.make_node("AveragePool", ["x"], ["pooled"], kernel_shape=[32, 32], strides=[32, 32])
    names = [f"features{place}" for place in range(outputs)]
    shaped = [helper.make_node("Reshape", ["pooled", "shape"], [name]) for name in names]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 12]) for name in names]
    images = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 64, 64])
    shape = numpy_helper.from_array(np.array([-1, 12]), "shape")
    graph = helper.make_graph([pool, *shaped], "means", [images], values, [shape])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(params=["TorchScript", "ONNX"])
def network(request, tmp_path):
    path = tmp_path / {"TorchScript": "means.pt", "ONNX": "means.onnx"}[request.param]
    if request.param == "ONNX":
        onnx.save(means_as_onnx(), path)
    else:
        torch.jit.script(Means()).save(str(path))
    return path


def pictures(count: int, channels: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_resized_as_by_pillow_and_normalised_as_the_network_expects(channels, network, tmp_path):
    images = pictures(53, channels, 0)  # more than one batch
    (found,) = spaces.spaces(Settings(space(network)), Project(tmp_path), CPU)
    assert (found.score, found.weights_sha256) == ("fd_means", sha256(network))
    colour = np.repeat(images, 3 // channels, axis=3).astype(np.float32)
    resized = np.stack([
        np.stack([np.asarray(Image.fromarray(image[..., c]).resize((64, 64), Image.Resampling.BICUBIC)) for c in range(3)])
        for image in colour
    ]).clip(0, 255)  # fmt: skip
    normalised = (resized / 255 - np.reshape([0.485, 0.456, 0.406], (3, 1, 1))) / np.reshape(
        [0.229, 0.224, 0.225], (3, 1, 1)
    )
    expected = normalised.reshape(53, 3, 2, 32, 2, 32).mean(axis=(3, 5)).reshape(53, 12)
    np.testing.assert_allclose(found.features(images, "x"), expected, atol=2e-4)


def test_features_are_cached_by_content_and_damage_is_noticed(tmp_path, capsys):
    images, calls = pictures(4, 3, 4), []

    def compute(images, where):
        calls.append(where)
        return images.reshape(4, -1)[:, :6].astype(np.float32)

    first = spaces.cached(images, "key", compute, tmp_path, "x")
    np.testing.assert_array_equal(spaces.cached(images, "key", compute, tmp_path, "x"), first)
    assert len(calls) == 1
    (entry,) = tmp_path.glob("*.npy")
    entry.write_bytes(entry.read_bytes()[:-4] + b"oops")
    np.testing.assert_array_equal(spaces.cached(images, "key", compute, tmp_path, "x"), first)
    assert "damaged" in capsys.readouterr().out
    spaces.cached(images[::-1], "key", compute, tmp_path, "x")
    spaces.cached(images, "other key", compute, tmp_path, "x")
    assert len(calls) == 4


def test_statistics_other_than_those_of_their_description_are_refused(network, tmp_path):
    project, images = Project(tmp_path), pictures(20, 1, 5)
    (found,) = spaces.spaces(Settings(space(network)), project, CPU)
    folder = project.fid_stats("digits")
    folder.mkdir(parents=True)
    write_arrays(folder / "fd_means.npz", {"mu": np.zeros(12), "sigma": np.eye(12)}, compressed=False)
    about = {"stats_name": "x", "mode": "clean", "weights_sha256": "y", "floors": {}, "kernel_mean": 0.0}
    about |= {"sha256": sha256(folder / "fd_means.npz"), "n": 20, "kernel_mean_within": 0.0}
    write_json(folder / "fd_means.json", about, sealed=True)
    ours, mu, sigma, status = spaces.reference(found, project, "digits", images)
    np.testing.assert_array_equal(ours, found.features(images, "x"))
    assert (mu.shape, sigma.shape, status["n"]) == ((12,), (12, 12), 20)
    write_json(folder / "fd_means.json", about | {"sha256": "other"}, sealed=True)
    with pytest.raises(EvaluationError, match=r"fd_means\.npz: .*expected other.*fid_stats"):
        spaces.reference(found, project, "digits", images)


def test_files_that_are_wrong_are_named(network, tmp_path):
    project, text, rows = Project(tmp_path), tmp_path / "text.pt", tmp_path / "map.pt"
    text.write_text("not a network")
    torch.jit.script(Map()).save(str(rows))
    for wanted, message in (
        (space(network, file="nowhere.pt"), r"evaluation\.features\.file: .*nowhere\.pt: no such file"),
        (space(network, sha256="0" * 64), rf"means\.\w+: sha256 is {sha256(network)}, expected 0000.*features\.sha256"),
        (space(text), r"text\.pt: not a TorchScript file"),
        (space(rows), r"map\.pt: the network returns \[50, 3, 64, 64\]; expected a tensor \[50, D\]"),
    ):
        with pytest.raises(EvaluationError, match=message) as caught:
            spaces.spaces(Settings(wanted), project, CPU)[0].features(pictures(3, 3, 1), "x")
        assert "\n" not in str(caught.value)


def test_onnx_files_that_are_wrong_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where onnxruntime by itself would find weights of a second file
    damaged, double, apart = (tmp_path / f"{name}.onnx" for name in ("damaged", "double", "apart"))
    damaged.write_bytes(b"not a network")
    onnx.save(means_as_onnx(outputs=2), double)
    onnx.save(means_as_onnx(), tmp_path / "means.onnx")
    onnx.save(means_as_onnx(), apart, save_as_external_data=True, location="apart.data", size_threshold=0)
    assert (tmp_path / "apart.data").is_file()
    for wanted, message in (
        (space(damaged), r"damaged\.onnx: cannot be read as ONNX \(.*protobuf.*\); expected one file with its weights"),
        (space(double), r"double\.onnx: 1 inputs and 2 outputs; expected one of each"),
        (space(apart), r"apart\.onnx: cannot be read as ONNX .*; expected one file with its weights inside"),
        (space(tmp_path / "means.onnx", resize=48), r"means\.onnx: the network fails on images of 48x48"),
    ):
        with pytest.raises(EvaluationError, match=message) as caught:
            spaces.spaces(Settings(wanted), Project(tmp_path), CPU)[0].features(pictures(3, 3, 1), "x")
        assert "\n" not in str(caught.value)


def test_onnx_without_onnxruntime_says_what_to_install(tmp_path, monkeypatch):
    onnx.save(means_as_onnx(), tmp_path / "means.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EvaluationError, match="ONNX files need onnxruntime; install it: pip install onnxruntime"):
        spaces.spaces(Settings(space(tmp_path / "means.onnx")), Project(tmp_path), CPU)[0].features(
            pictures(3, 3, 1), "x"
        )


def test_the_name_is_not_the_ending_of_other_scores(network):
    with pytest.raises(ParamsError, match="features: name: 'classifier' is the ending of other scores"):
        parse(FeatureSpace, space(network).model_dump() | {"name": "classifier"}, "features")
    with pytest.raises(ParamsError, match=r"features\.name: expected text that matches"):
        parse(FeatureSpace, space(network).model_dump() | {"name": "no spaces"}, "features")


def test_scores_are_named_after_the_space_and_never_mixed_with_others():
    rng = np.random.default_rng(1)
    made, real = rng.standard_normal((60, 4)), rng.standard_normal((50, 4)) + 0.5
    status = {
        "n": 50,
        "stats_name": "s",
        "mode": "64x64, imagenet",
        "weights_sha256": "w",
        "kernel_mean": mean_among(real),
    }
    found = inception_scores("fd_means", made, real, *frechet.statistics(real), status)
    names = ["fd_means", "kid_means", "precision_means", "recall_means", "density_means", "coverage_means"]
    assert list(found.scores) == names
    assert sorted(comparable(found)) == sorted(names)
    assert found.scores["fd_means"].value == frechet.distance_to(made, *frechet.statistics(real))
    drawn = real[np.sort(np.random.default_rng(0).permutation(50))]
    assert found.scores["recall_means"] == prdc(balls(drawn, made[:50], K)).scores["recall"]
    assert set(inception_floor("fd_means", made, real, "test-vs-train").scores) == set(names)
    other = inception_scores("fd_means", made, real, *frechet.statistics(real), status | {"weights_sha256": "v"})
    for name in names:
        assert compare(found, found, name).verdict == "tie"
        assert "(weights of their network) differs" in compare(found, other, name).reason
    better = inception_scores("fd_means", real[np.arange(60) % 50] + 1e-3, real, *frechet.statistics(real), status)
    assert compare(better, found, "fd_means").verdict == "a"
