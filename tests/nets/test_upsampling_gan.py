"""The GAN networks with nearest-neighbour upsampling."""

import pytest
import torch

from thirtytwo.nets.upsampling_gan import Discriminator, Generator


@pytest.mark.parametrize("channels", [1, 3])
def test_generator_draws_images_that_the_discriminator_scores(channels: int) -> None:
    torch.manual_seed(0)
    images = Generator(channels, 4, [4, 2, 1], 8, batch_norm=True)(torch.randn(5, 8))
    assert images.shape == (5, channels, 32, 32)
    assert images.abs().max() <= 1
    assert Discriminator(channels, 4, batch_norm=True, activation="leaky_relu")(images).shape == (5,)


def test_discriminator_scores_an_image_whatever_the_rest_of_the_batch() -> None:
    """The gradient penalty of WGAN-GP is per image, so `batch_norm: true` must not normalise the critic."""
    torch.manual_seed(0)
    critic, images = Discriminator(3, 4, batch_norm=True, activation="leaky_relu").train(), torch.randn(6, 3, 32, 32)
    torch.testing.assert_close(critic(images)[:2], critic(images[:2]))


def test_untrained_generator_draws_no_checkerboard() -> None:
    """Before the 3x3 convolutions all four pixels of a block are equal: inner pixels of a flat map stay equal."""
    torch.manual_seed(0)
    generator = Generator(3, 4, [4, 2, 1], 8, batch_norm=False).eval()
    flat = generator.layers[6:](torch.randn(1, 4, 1, 1).expand(1, 4, 16, 16))[..., 1:-1, 1:-1]
    torch.testing.assert_close(flat, flat[..., :1, :1].expand_as(flat))
