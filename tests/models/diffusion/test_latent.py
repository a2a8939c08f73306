"""Latent diffusion on a stand-in autoencoder with known codes: standardisation, training, decoding, settings."""

import numpy as np
import pytest
import torch
from torch import nn

from diffusion_settings import SETTINGS
from thirtytwo.data.batches import ImageSet
from thirtytwo.models.contract import Batch
from thirtytwo.models.diffusion import model as diffusion
from thirtytwo.models.diffusion.latent import LatentSpace
from thirtytwo.nets import unet
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.sampling.diffusion import sample as sampling
from thirtytwo.sampling.drawing import Job
from thirtytwo.settings.configs import Compute
from thirtytwo.settings.diffusion import DiffusionSampling, DiffusionSettings
from thirtytwo.settings.sampling import SampleConfig, Sampling
from thirtytwo.settings.strict import parse


class StandIn:
    """A conditional autoencoder whose codes are scaled block means with known noise; the label shifts the images."""

    conditional = True
    latent_shape = (2, 4, 4)

    def __init__(self, sigma=0.5):
        self.modules, self.sigma = nn.ModuleDict({"encoder": nn.BatchNorm2d(1)}), sigma

    def encode(self, x):
        means = nn.functional.avg_pool2d(x, 8)
        mu = torch.cat([3 * means + 1, 5 * means], dim=1)
        return mu, torch.full_like(mu, self.sigma).log()

    def draw(self, z, labels):
        return nn.functional.interpolate(z[:, :1], scale_factor=8) / 10 + labels.view(-1, 1, 1, 1) / 10


def images(count=400):
    generator = torch.Generator().manual_seed(0)
    return nn.functional.interpolate(torch.randn(count, 1, 4, 4, generator=generator), scale_factor=8)


def batch(x):
    return Batch(x, torch.zeros(len(x), dtype=torch.int64), 0.0, 0, 1.0)


def model(**changes):
    torch.manual_seed(0)
    settings = parse(DiffusionSettings, SETTINGS | {"conditional": True, "patch": 1} | changes, "lddpm")
    return diffusion.build(settings, unet, channels=1, classes=4, autoencoder=StandIn())


def test_codes_are_standardised_to_mean_0_and_variance_1():
    x = images()
    space = LatentSpace(StandIn())
    space.fit(x)
    # The block means are N(0, 1), so codes have variances 9 + 1/4 and 25 + 1/4.
    torch.testing.assert_close(space.mean.flatten(), torch.tensor([1.0, 0.0]), atol=0.1, rtol=0)
    torch.testing.assert_close(space.std.flatten(), torch.tensor([9.25**0.5, 25.25**0.5]), atol=0.1, rtol=0)
    codes = space.encode(batch(x), torch.Generator().manual_seed(1))
    torch.testing.assert_close(codes.mean((0, 2, 3)), torch.zeros(2), atol=0.02, rtol=0)
    torch.testing.assert_close(codes.std((0, 2, 3)), torch.ones(2), atol=0.02, rtol=0)
    assert not torch.equal(codes, space.encode(batch(x), torch.Generator().manual_seed(2)))


def test_decoding_inverts_the_standardisation():
    space, labels = LatentSpace(StandIn(sigma=1e-30)), torch.zeros(8, dtype=torch.int64)
    space.fit(images())
    codes = space.encode(batch(images(8)), torch.Generator().manual_seed(0))
    torch.testing.assert_close(10 * space.decode(codes, labels), 3 * images(8) + 1, atol=1e-5, rtol=1e-5)


def test_autoencoder_is_frozen_and_saved_with_the_statistics_of_its_codes():
    ours = model()
    ours.modules.train()
    assert not ours.modules["first_stage"].training
    assert not ours.modules["first_stage"].networks["encoder"].training
    saved = ours.modules.state_dict()
    assert {"first_stage.mean", "first_stage.std", "first_stage.networks.encoder.weight"} <= set(saved)
    (phase,) = ours.phases()
    assert phase.module is ours.modules["denoiser"]
    assert ours.averaged == ("denoiser",)


def test_denoiser_is_trained_on_codes():
    ours, shapes = model(), []

    class Net(nn.Module):
        def forward(self, x, t, labels):
            shapes.append(x.shape)
            return torch.zeros_like(x)

    ours.modules["denoiser"] = Net()
    batch = Batch(images(8), torch.zeros(8, dtype=torch.int64), progress=0.0, epoch=0, epochs=1.0)
    ours.loss(batch, torch.Generator().manual_seed(0))
    ours.validate(batch, torch.Generator().manual_seed(0))
    assert shapes == [(8, 2, 4, 4)] * 2


def job(labels=4, **changes):
    values = {
        "weights": "raw", "sampler": "ddim", "steps": 3, "eta": 0.0, "spacing": "trailing", "clip": False,
        "guidance": 0.0, "decoder_guidance": 0.0, "frames": 3, "bound_images": 0, "bound_timesteps": 1,
    }  # fmt: skip
    compute = Compute(device="cpu", threads=1, precision="float32", compile=False, deterministic=True)
    cfg = SampleConfig(
        run="lddpm", family="diffusion", dataset="stand_in", seed=0, seeds=1, compute=compute,
        sampling=Sampling(images=12, grid_side=1, snapshot_images=1, c2st_steps=1),
        sample=parse(DiffusionSampling, values | changes, "lddpm.sample"),
    )  # fmt: skip
    pixels = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 1), np.uint8)
    names = tuple("abcd"[:labels])
    split = np.repeat(np.array([0, 1], np.uint8), 20)
    data = ImageSet(pixels, np.arange(40) % labels, split, names, np.zeros((40, 0), np.float32), ())
    return Job(cfg, data, torch.device("cpu"), {})


def test_samples_are_decoded_with_their_labels():
    ours = model()
    ours.denoise = lambda x, t, labels: torch.zeros_like(x)  # every code is the mean code
    samples = sampling.sample(ours, job())
    assert samples.images.shape == (12, 1, 32, 32)
    torch.testing.assert_close(samples.images[:, 0, 0, 0], samples.labels / 10, atol=1e-6, rtol=0)
    assert samples.probes["trajectory_frames"].shape == (3, 10, 32, 32, 1)
    assert samples.probes["trajectory_timesteps"].tolist() == [100, 33, 0]  # from 100, 67, 33 and 0


def test_decoder_guidance_moves_images_away_from_the_mean_over_labels():
    ours = model()
    ours.denoise = lambda x, t, labels: torch.zeros_like(x)
    samples = sampling.sample(ours, job(decoder_guidance=0.5))
    unguided = samples.labels / 10
    torch.testing.assert_close(samples.images[:, 0, 0, 0], unguided + 0.5 * (unguided - 0.15), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("changes", "message"), [({"clip": True}, "set clip: false"), ({"bound_images": 5}, "set bound_images: 0")]
)
def test_settings_for_pixels_are_rejected(changes, message):
    with pytest.raises(ParamsError, match=message):
        sampling.sample(model(), job(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weighting": "variational"}, "set weighting: simple"),
        ({"conditional": False}, "set conditional: true"),
        ({"width_multipliers": [1, 1, 1, 1]}, "width_multipliers, patch: 4 pixels do not divide"),
    ],
)
def test_settings_that_do_not_fit_codes_are_rejected(changes, message):
    with pytest.raises(ParamsError, match=message):
        model(**changes)
