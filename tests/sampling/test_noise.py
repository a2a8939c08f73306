"""Noise streams: independent of the other images, distinct, standard normal."""

import numpy as np
import pytest
import torch
from scipy import stats

from thirtytwo.sampling.noise import NoiseStreams, latents


def test_latents_do_not_depend_on_the_other_images():
    every_image = latents(3, range(20), (4, 5))
    assert torch.equal(latents(3, [11, 2], (4, 5)), every_image[[11, 2]])


def test_later_draws_do_not_depend_on_the_other_images():
    many, one = NoiseStreams(3, range(5)), NoiseStreams(3, [4])
    for _ in range(3):
        assert torch.equal(many.normal((7,))[4:], one.normal((7,)))


def test_first_draw_is_the_latent():
    assert torch.equal(NoiseStreams(1, [5]).normal((6,)), latents(1, [5], (6,)))


def test_stream_is_numpys_philox_keyed_by_seed_and_index():
    philox = np.random.Philox(key=np.array([9, 2], np.uint64))
    expected = np.random.Generator(philox).standard_normal(8, dtype=np.float32)
    assert np.array_equal(latents(9, [2], (8,))[0].numpy(), expected)


@pytest.mark.parametrize(("first", "second"), [((0, 1), (1, 0)), ((1, 2), (1, 3)), ((1, 2), (2, 2))])
def test_different_seeds_or_indices_have_different_streams(first, second):
    assert not torch.equal(latents(first[0], [first[1]], (8,)), latents(second[0], [second[1]], (8,)))


def test_noise_is_standard_normal_across_and_within_images():
    noise = latents(0, range(2000), (16,)).numpy()
    assert stats.kstest(noise[:, 0], "norm").pvalue > 1e-3
    assert stats.kstest(noise.ravel(), "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(noise[:-1, 0], noise[1:, 0])[0, 1]) < 4 / np.sqrt(2000)
