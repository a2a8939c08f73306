"""Feature extraction: what is accepted, and that a feature depends on its image alone."""

import numpy as np
import pytest
import torch

from thirtytwo.core.arrays import check_images
from thirtytwo.data.batches import to_float
from thirtytwo.features.extraction import CHUNK, extract, extract_floats
from thirtytwo.nets.classifier import Classifier
from thirtytwo.runtime.errors import EvaluationError


@pytest.fixture(scope="module")
def network() -> Classifier:
    torch.manual_seed(0)
    return Classifier(3, 10, 8).eval()


def noise(count: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, channels), dtype=np.uint8)


def test_equals_the_network_on_the_converted_images(network):
    images = noise(7)
    features, probabilities = extract(images, network)
    with torch.no_grad():
        expected = network.features(to_float(torch.from_numpy(images)))
        logits = network(to_float(torch.from_numpy(images)))
    np.testing.assert_allclose(features, expected.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(probabilities, logits.softmax(dim=1).numpy(), rtol=1e-4, atol=1e-6)
    assert features.dtype == probabilities.dtype == np.float32


def test_the_split_into_batches_does_not_matter(network):
    images = noise(CHUNK + 40)
    whole = extract(images, network)[0]
    np.testing.assert_array_equal(extract(images[:CHUNK], network)[0], whole[:CHUNK])
    np.testing.assert_array_equal(extract(images[: CHUNK + 3], network)[0], whole[: CHUNK + 3])
    np.testing.assert_array_equal(extract(images[:2], network)[0], whole[:2])


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (noise(4).astype(np.float32) / 127.5 - 1, r"got float32, values -1 to 1; convert with .*to_uint8"),
        (np.full((4, 32, 32, 3), np.nan), "NaN among them"),
        (noise(4).transpose(0, 3, 1, 2), r"got shape \(4, 3, 32, 32\)"),
        (noise(4)[:, :28, :28], r"got shape \(4, 28, 28, 3\)"),
        (noise(4, 1), r"got shape \(4, 32, 32, 1\)"),
        (noise(4)[0], r"got shape \(32, 32, 3\)"),
        (noise(0), "0 images; a score needs at least 2"),
        (noise(1), "1 images; a score needs at least 2"),
    ],
)
def test_images_that_cannot_be_scored_are_refused(network, images, message):
    with pytest.raises(EvaluationError, match=message) as caught:
        extract(images, network, "data/samples/vae.npz")
    assert str(caught.value).startswith("data/samples/vae.npz: ")
    assert "\n" not in str(caught.value)


def test_one_or_three_channels_are_images():
    check_images(noise(2, 1), "x")
    check_images(noise(2, 3), "x")
    with pytest.raises(EvaluationError, match="1 or 3"):
        check_images(noise(2, 2), "x")


def test_a_broken_network_is_noticed(network):
    broken = Classifier(3, 10, 8).eval()
    broken.stem[1].weight.data.fill_(float("nan"))
    with pytest.raises(EvaluationError, match="NaN"):
        extract(noise(3), broken)


def test_features_of_images_that_hardly_differ_are_exact(network):
    images = np.random.default_rng(1).uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32)
    exact = Classifier(3, 10, 8).eval().double()
    exact.load_state_dict(network.state_dict())
    with torch.no_grad():
        expected = exact.features(torch.from_numpy(images).double().permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(extract_floats(images, network, "x"), expected, rtol=1e-12, atol=1e-12)
