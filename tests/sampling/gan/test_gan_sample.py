"""Sampling a GAN: probes on small networks with known behaviour."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from thirtytwo.data.batches import ImageSet, to_uint8
from thirtytwo.models.gan.model import GAN
from thirtytwo.nets import dcgan
from thirtytwo.sampling import noise
from thirtytwo.sampling.drawing import Job, Samples
from thirtytwo.sampling.gan.sample import sample
from thirtytwo.settings.configs import Compute
from thirtytwo.settings.gan import GANSampling, GANSettings
from thirtytwo.settings.sampling import SampleConfig, Sampling

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
COMPUTE = Compute(device="cpu", threads=1, precision="float32", compile=False, deterministic=True)


def settings(**changes: object) -> GANSettings:
    values = {
        "loss": "non_saturating", "latent_dim": 8, "width": 8, "multipliers": [4, 2, 1], "activation": "leaky_relu",
        "batch_norm": True, "discriminator_width": 0, "init_std": 0.02, "penalty": 10.0, "penalty_every": 1, "init_mean": 0.0, "generator_every": 1, "lr_decay": "none",
        "decay_steps": {"discriminator": 10, "generator": 4}, "steps": 10, "epochs": 0, "batch_size": 32, "lr": 1e-3,
        "betas": [0.5, 0.999], "clip_norm": 0.0, "horizontal_flip": False, "ema_decay": 0.0, "validate_every": 10,
        "checkpoint_every": 10, "snapshot_every": 5, "real_target": 1.0, "fake_target": 0.0, "input_noise": 0.0,
        "conditional": False, "label_channels": 3,
    }  # fmt: skip
    return GANSettings.model_validate(values | changes)


def images_of(pixels: np.ndarray) -> ImageSet:
    count = len(pixels)
    split = (np.arange(count) % 4 == 3).astype(np.uint8)
    return ImageSet(pixels, np.arange(count) % 2, split, ("a", "b"), np.zeros((count, 0), np.float32), ())


def draw(
    model: GAN, trained: GANSettings, net: object, data: ImageSet, c2st_steps: int = 2, proposals: int = 1
) -> Samples:
    model.modules.eval().requires_grad_(False)
    cfg = SampleConfig(
        run="gan", family="gan", dataset="set", seed=1, seeds=1, compute=COMPUTE,
        sampling=Sampling(images=60, grid_side=2, snapshot_images=20, c2st_steps=c2st_steps),
        sample=GANSampling(weights="raw", proposals=proposals),
    )  # fmt: skip

    snapshots = {5: {"generator": model.modules["generator"].state_dict()}}
    return sample(model, Job(cfg, data, CPU, snapshots))


@pytest.mark.parametrize("conditional", [False, True])
def test_probes_of_a_gan_agree_with_its_samples(conditional: bool) -> None:
    trained = settings(conditional=conditional)
    torch.manual_seed(0)
    model = GAN(trained, dcgan, 1, 2)
    data = images_of(np.random.default_rng(0).integers(0, 256, (120, 32, 32, 1), dtype=np.uint8))
    samples = draw(model, trained, dcgan, data)
    pixels, probes = to_uint8(samples.images).numpy().astype(int), samples.probes
    assert samples.images.shape == (60, 1, 32, 32)
    assert (samples.labels is not None) is conditional
    # the snapshot has the weights of the model, so its images equal the first samples
    assert probes["snapshot_steps"].tolist() == [5]
    assert str(probes["batch_norm"]) == "eval mode, running statistics"
    assert np.abs(probes["snapshot_images"][0] - pixels[:20]).max() == 0
    # the lines go from the latents of samples 0 to 199 to those of 200 to 399; a conditional model has label 0
    lines = probes["interpolation_lines"].astype(int)
    assert lines.shape == (200, 20, 32, 32, 1)
    label_0 = range(0, 6, 2) if conditional else range(6)
    ends = model.draw(noise.latents(1, range(200, 206), (8,)), torch.zeros(6, dtype=torch.int64))
    ends = to_uint8(ends).numpy().astype(int)
    for i in label_0:
        assert np.abs(lines[i, 5] - pixels[i]).max() <= 1
        assert np.abs(lines[i, 14] - ends[i]).max() <= 1
    assert probes["interpolation_grid"].shape == (10, 10, 32, 32, 1)
    start, end = probes["path_start"], probes["path_end"]
    assert start.dtype == np.float32
    assert 0 < np.abs(start - end).max() < 1e-2
    redrawn = model.draw(torch.from_numpy(probes["latents"][:2]), torch.tensor([0, 1]))
    torch.testing.assert_close(redrawn, samples.images[:2], rtol=1e-4, atol=1e-5)
    repeated = draw(model, trained, dcgan, data).probes
    assert all(np.array_equal(repeated[key], value) for key, value in probes.items())


def test_a_chain_keeps_the_latents_of_its_images_and_leaves_snapshots_plain() -> None:
    trained = settings()
    torch.manual_seed(0)
    model = GAN(trained, dcgan, 1, 2)
    data = images_of(np.random.default_rng(0).integers(0, 256, (120, 32, 32, 1), dtype=np.uint8))
    chosen, plain = (draw(model, trained, dcgan, data, proposals=count) for count in (4, 1))
    assert (chosen.probes["latents"] != plain.probes["latents"]).any(1).sum() > 10
    redrawn = model.draw(torch.from_numpy(chosen.probes["latents"]), None)
    torch.testing.assert_close(redrawn, chosen.images, rtol=1e-4, atol=1e-5)
    assert np.array_equal(chosen.probes["snapshot_images"], plain.probes["snapshot_images"])


class Blobs(nn.Module):
    """A generator whose z sets the brightness of the four quadrants of the image."""

    def __init__(self, *_: object) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, z: Tensor) -> Tensor:
        quadrants = (self.scale * z[:, :4]).tanh().unflatten(1, (1, 2, 2))
        return quadrants.repeat_interleave(16, 2).repeat_interleave(16, 3)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_two_sample_classifier_is_at_chance_only_if_samples_match_the_data(shift: float) -> None:
    net = SimpleNamespace(Generator=Blobs, Discriminator=dcgan.Discriminator)
    z = torch.randn(1600, 8, generator=torch.Generator().manual_seed(3)) + shift
    data = images_of(to_uint8(Blobs()(z).detach()).numpy())
    trained = settings(batch_norm=False)
    torch.manual_seed(0)
    probes = draw(GAN(trained, net, 1, 2), trained, net, data, c2st_steps=60).probes  # type: ignore[arg-type]
    right = np.concatenate([probes["c2st_held_out"] > 0.5, probes["c2st_samples"] < 0.5])
    assert len(probes["c2st_held_out"]) == len(probes["d_held_out"]) == 60
    # 120 images; the best discriminator of these normals, one standard deviation apart in each of four, is right 84 %
    assert 0.36 <= right.mean() <= 0.64 if shift == 0 else right.mean() >= 0.7


def test_labels_alone_do_not_give_samples_of_a_conditional_model_away() -> None:
    net = SimpleNamespace(Generator=lambda *_: Blobs(), Discriminator=dcgan.Discriminator)
    z = torch.randn(1600, 8, generator=torch.Generator().manual_seed(3))
    data = images_of(to_uint8(Blobs()(z).detach()).numpy())
    one_class = ImageSet(data.images, np.zeros(1600, np.int64), data.split, ("a", "b"), data.factors, ())
    trained = settings(batch_norm=False, conditional=True)
    torch.manual_seed(0)
    probes = draw(GAN(trained, net, 1, 2), trained, net, one_class, c2st_steps=60).probes  # type: ignore[arg-type]
    right = np.concatenate([probes["c2st_held_out"] > 0.5, probes["c2st_samples"] < 0.5])
    assert 0.36 <= right.mean() <= 0.64
