"""The two-sample classifier, on images that differ in one known way."""

import numpy as np
import pytest
import torch

from thirtytwo.sampling.gan.two_sample import NETWORKS, Labelled, Network, probabilities, train

pytestmark = pytest.mark.usefixtures("one_thread")


def noise(count: int, seed: int, mean: float = 0.0) -> Labelled:
    images = mean + 0.3 * torch.randn((count, 1, 32, 32), generator=torch.Generator().manual_seed(seed))
    return Labelled(images, torch.zeros(count, dtype=torch.int64))


def accuracy(networks: list[Network], real: Labelled, fake: Labelled) -> float:
    return float(np.mean([probabilities(networks, real) > 0.5, probabilities(networks, fake) < 0.5]))


def test_networks_differ_and_have_no_batch_statistics() -> None:
    networks = train(noise(200, 0), noise(200, 1, 0.1), 1, steps=5, seed=0)
    assert len(networks) == NETWORKS
    assert not any("norm" in type(module).__name__.lower() for module in networks[0].modules())
    images = noise(60, 5)
    each = [probabilities([network], images) for network in networks]
    assert not np.allclose(each[0], each[1])
    np.testing.assert_allclose(probabilities(networks, images), np.mean(each, axis=0), rtol=1e-9)
    alone = probabilities(networks, images.at(slice(7, 8)))  # does not depend on the other images
    np.testing.assert_allclose(alone, probabilities(networks, images)[7:8], rtol=1e-4)


def test_it_repeats_and_does_not_depend_on_the_state_of_torch() -> None:
    first = train(noise(100, 0), noise(100, 1), 1, steps=4, seed=3)
    torch.manual_seed(99)
    again = train(noise(100, 0), noise(100, 1), 1, steps=4, seed=3)
    images = noise(10, 5)
    assert np.array_equal(probabilities(first, images), probabilities(again, images))
    assert not np.array_equal(probabilities(first, images), probabilities(train(noise(100, 0), noise(100, 1), 1,
                                                                                 steps=4, seed=4), images))  # fmt: skip


def test_a_small_shift_is_found_and_equal_distributions_are_not_told_apart() -> None:
    shifted = train(noise(500, 0), noise(500, 1, 0.05), 1, steps=40, seed=0)
    assert accuracy(shifted, noise(300, 2), noise(300, 3, 0.05)) > 0.8
    equal = train(noise(500, 0), noise(500, 1), 1, steps=40, seed=0)
    assert accuracy(equal, noise(300, 2), noise(300, 3)) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(600))


def test_weights_are_those_with_the_lowest_validation_error() -> None:
    """Memorised noise: the more steps, the worse on new images, unless an early state is kept."""
    networks = train(noise(240, 0), noise(240, 1), 1, steps=50, seed=0)
    assert np.abs(probabilities(networks, noise(300, 2)) - 0.5).mean() < 0.05


def test_images_whose_label_is_wrong_are_told_from_those_whose_label_is_right() -> None:
    bright = torch.arange(600) % 2
    images = noise(600, 0).images + bright[:, None, None, None]
    right, wrong = Labelled(images, bright), Labelled(images, 1 - bright)
    networks = train(right.at(slice(400)), wrong.at(slice(400)), 2, steps=60, seed=0)
    assert accuracy(networks, right.at(slice(400, 600)), wrong.at(slice(400, 600))) > 0.9
