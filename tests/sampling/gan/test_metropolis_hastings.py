"""Metropolis-Hastings chains of a GAN against distributions whose density ratio is known."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from thirtytwo.sampling.gan.metropolis_hastings import calibrate, chain
from thirtytwo.sampling.noise import NoiseStreams

CPU = torch.device("cpu")


def normals(shift: float, scale: float = 1.0) -> Any:
    """A GAN whose samples are N(0, 1) and whose discriminator knows log p / q for data from N(shift, 1), times `scale`."""

    def draw(z: Tensor, labels: Tensor | None) -> Tensor:
        return z[:, :1, None, None].expand(-1, 1, 32, 32)

    def discriminate(x: Tensor, labels: Tensor | None) -> Tensor:
        return scale * (shift * x[:, 0, 0, 0] - shift**2 / 2)

    return SimpleNamespace(latent_shape=(3,), draw=draw, discriminate=discriminate)


def ends(model: Any, proposals: int, slope: float, count: int = 4000) -> np.ndarray:
    z, x = chain(model, proposals, slope, CPU)(NoiseStreams(1, range(count)), None)
    assert torch.equal(z[:, 0], x[:, 0, 0, 0])
    return z[:, 0].double().numpy()


def test_a_chain_converges_to_the_data_and_one_proposal_is_the_generator():
    model = normals(0.8)
    assert stats.kstest(ends(model, 40, 1.0), stats.norm(0.8, 1).cdf).pvalue > 0.01
    assert stats.kstest(ends(model, 1, 1.0), stats.norm(0.0, 1).cdf).pvalue > 0.01
    assert stats.kstest(ends(model, 40, 0.0), stats.norm(0.0, 1).cdf).pvalue > 0.01  # slope 0 accepts all
    assert stats.kstest(ends(model, 1, 1.0), stats.norm(0.8, 1).cdf).pvalue < 1e-6


def test_a_chain_of_two_moves_as_often_as_the_closed_form_says():
    # x, x' ~ N(0, 1): the acceptance min(1, exp(x' - x)) has the mean 2 Phi(-sqrt(2) / 2) e for a difference of variance 2
    first, second = ends(normals(1.0), 1, 1.0), ends(normals(1.0), 2, 1.0)
    expected = 0.5 + np.e * stats.norm.cdf(-np.sqrt(2))
    moved = (first != second).mean()
    assert abs(moved - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000)


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_calibration_undoes_the_scale_of_the_outputs(scale):
    rng = np.random.default_rng(0)
    real, fake = rng.normal(0.8, 1, 20_000), rng.normal(0.0, 1, 20_000)
    outputs = [scale * (0.8 * x - 0.32) + 5 for x in (real, fake)]
    assert calibrate(*outputs) == pytest.approx(1 / scale, rel=0.05)
    assert calibrate(outputs[1], outputs[0]) == 0  # prefers samples: accept all
    assert calibrate(np.ones(9), np.ones(9)) == 0


def test_an_image_depends_on_its_index_alone():
    z, _ = chain(normals(0.8), 5, 1.0, CPU)(NoiseStreams(1, range(20)), None)
    alone, _ = chain(normals(0.8), 5, 1.0, CPU)(NoiseStreams(1, [13]), None)
    assert torch.equal(z[13:14], alone)
