"""Sampling an autoencoder: codes from each prior, and probes against the model."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from thirtytwo.data.batches import ImageSet, to_float, to_uint8
from thirtytwo.models.autoencoder.model import Autoencoder, squared_error
from thirtytwo.nets import cond_vae, conv_vae
from thirtytwo.runtime.errors import CheckpointError, ParamsError
from thirtytwo.runtime.project import Project
from thirtytwo.sampling.autoencoder.sample import bits_per_dim, dequantise, sample
from thirtytwo.sampling.drawing import Job, Samples
from thirtytwo.sampling.noise import latents
from thirtytwo.settings.autoencoder import AutoencoderSampling as Settings
from thirtytwo.settings.autoencoder import AutoencoderSettings as Trained
from thirtytwo.settings.configs import Compute
from thirtytwo.settings.resolve import resolve
from thirtytwo.settings.sampling import SampleConfig, Sampling

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data() -> ImageSet:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (240, 32, 32, 1)).astype(np.uint8)
    split = (np.arange(240) >= 180).astype(np.uint8)
    return ImageSet(images, np.arange(240) % 3, split, ("a", "b", "c"), np.zeros((240, 0), np.float32), ())


def model(net: Any = conv_vae, **changes: object) -> Autoencoder:
    values = {
        "variational": True, "likelihood": "gaussian", "beta": 1.0, "beta_schedule": "constant", "latent_dim": 3,
        "width": 8, "lr": 1e-3, "betas": [0.9, 0.999], "steps": 1, "epochs": 0, "batch_size": 8, "clip_norm": 1.0,
        "horizontal_flip": False, "ema_decay": 0.0, "validate_every": 0, "checkpoint_every": 10, "snapshot_every": 0,
    }  # fmt: skip
    torch.manual_seed(1)
    built = Autoencoder(Trained.model_validate(values | changes), net, channels=1, classes=3)
    built.modules.eval().requires_grad_(False)
    return built


def draw(built: Autoencoder, data: ImageSet, images: int = 60, snapshots: Any = None, **changes: object) -> Samples:
    values = {"weights": "raw", "prior": "standard", "components": 2, "guidance": 0.0, "decoder_guidance": 0.0,
              "bound_images": 6, "bound_samples": 4}  # fmt: skip
    compute = Compute(device="cpu", threads=1, precision="float32", compile=False, deterministic=True)
    cfg = SampleConfig(
        run="r", family="autoencoder", dataset="d", seed=5, seeds=1, compute=compute,
        sampling=Sampling(images=images, grid_side=1, snapshot_images=4, c2st_steps=1),
        sample=Settings.model_validate(values | changes),
    )  # fmt: skip
    return sample(built, Job(cfg, data, CPU, snapshots or {}))


@pytest.mark.parametrize("net", [conv_vae, cond_vae])
def test_probes_agree_with_the_model(net: Any, data: ImageSet) -> None:
    built = model(net)
    result = draw(built, data)
    probes, size = result.probes, int(np.prod(built.latent_shape))
    test = data.only("test")
    index = probes["code_index"]
    assert sorted(index) == list(range(60))
    labels = torch.from_numpy(test.labels[index])
    x = to_float(torch.from_numpy(test.images[index]))
    mu, log_sigma = built.encode(x)
    np.testing.assert_allclose(probes["code_means"], mu.flatten(1).numpy(), atol=1e-5)
    np.testing.assert_allclose(probes["code_log_sigmas"], log_sigma.flatten(1).numpy(), atol=1e-5)
    standardised = (probes["code_draws"] - probes["code_means"]) / np.exp(probes["code_log_sigmas"])
    assert standardised.mean() == pytest.approx(0, abs=4 / np.sqrt(standardised.size))
    assert standardised.std() == pytest.approx(1, abs=4 / np.sqrt(2 * standardised.size))
    z = torch.from_numpy(probes["code_draws"]).view(-1, *built.latent_shape)
    np.testing.assert_allclose(probes["distortion"], squared_error(x, built.draw(z, labels)).numpy(), rtol=1e-4)
    assert np.array_equal(probes["reconstruction_originals"], test.images[index[:20]])
    expected = to_uint8(built.draw(mu[:20], labels[:20])).numpy().astype(int)
    assert np.abs(probes["reconstructions"].astype(int) - expected).max() <= 1
    assert probes["traversals"].shape == (min(10, size), 11, 32, 32, 1)
    assert (probes["iwae_bits"] <= probes["elbo_bits"]).all()
    assert ("reconstruction_labels" in probes) == built.conditional == (result.labels is not None)


def test_traversals_are_ordered_by_the_variance_of_mu(data: ImageSet) -> None:
    built = model()
    probes = draw(built, data).probes
    std = probes["code_means"].std(0)
    assert probes["traversal_dimensions"].tolist() == np.argsort(-std).tolist()
    z = torch.from_numpy(probes["code_means"][:1]).repeat(11, 1)
    z[:, probes["traversal_dimensions"][1]] = torch.linspace(-3, 3, 11)
    expected = to_uint8(built.draw(z, None)).numpy().astype(int)
    assert np.abs(probes["traversals"][1].astype(int) - expected).max() <= 1


def test_standard_prior_decodes_the_noise_of_each_image(data: ImageSet) -> None:
    built = model()
    expected = built.draw(latents(5, range(60), (3,)), None)
    torch.testing.assert_close(draw(built, data).images, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("prior", ["gaussian", "mixture"])
@pytest.mark.parametrize("net", [conv_vae, cond_vae])
def test_images_do_not_depend_on_their_number(prior: str, net: Any, data: ImageSet) -> None:
    built = model(net)
    many, few = draw(built, data, prior=prior), draw(built, data, images=7, prior=prior)
    assert torch.equal(many.images[:7], few.images)
    other = "standard" if prior == "mixture" else "mixture"
    assert np.array_equal(many.probes[f"{other}_images"][:7], few.probes[f"{other}_images"])


def test_plain_autoencoder_samples_from_the_gaussian_of_its_training_codes(data: ImageSet) -> None:
    built = model(variational=False)
    codes = built.encode(to_float(torch.from_numpy(data.only("train").images)))[0].double().numpy().sum(1)
    built.decode = lambda z, labels: z.sum(1)[:, None, None, None].expand(-1, 1, 32, 32)  # every pixel is sum_j z_j
    result = draw(built, data, images=2000, prior="gaussian")
    sums = result.images[:, 0, 0, 0].double().numpy()
    assert sums.mean() == pytest.approx(codes.mean(), abs=4 * codes.std() / np.sqrt(2000))
    assert sums.std() == pytest.approx(codes.std(), rel=0.08)
    assert not {"code_log_sigmas", "iwae_bits", "gaussian_images"} & result.probes.keys()
    assert "mixture_images" in result.probes


def test_decoder_guidance_moves_images_away_from_their_mean_over_labels(data: ImageSet) -> None:
    built = model(cond_vae, likelihood="bernoulli")
    z, labels = latents(5, range(6), built.latent_shape), torch.arange(6) % 3
    over_labels = torch.stack([built.draw(z, torch.full((6,), label)) for label in range(3)])
    expected = (1.5 * over_labels[labels, torch.arange(6)] - 0.5 * over_labels.mean(0)).clamp(-1, 1)
    assert not torch.allclose(expected, built.draw(z, labels), atol=0.05)
    torch.testing.assert_close(draw(built, data, decoder_guidance=0.5).images[:6], expected, rtol=0, atol=1e-4)
    probes = draw(built, data, prior="mixture", decoder_guidance=0.5).probes
    images = to_float(torch.from_numpy(probes["standard_images"][:6]))
    torch.testing.assert_close(images, expected, rtol=0, atol=0.01)


def test_guidance_of_codes_changes_only_fitted_densities(data: ImageSet) -> None:
    built = model(cond_vae)
    unguided, guided = (draw(built, data, prior="mixture", components=1, guidance=w) for w in (0.0, 1.0))
    assert not torch.allclose(unguided.images, guided.images, atol=1e-3)
    assert np.array_equal(unguided.probes["standard_images"], guided.probes["standard_images"])


def test_guidance_without_labels_is_rejected(data: ImageSet) -> None:
    with pytest.raises(ParamsError, match=r"sample.decoder_guidance: 0.5.*takes no labels"):
        draw(model(), data, decoder_guidance=0.5)
    with pytest.raises(ParamsError, match=r"sample.guidance: 0.5.*takes no labels"):
        draw(model(), data, prior="gaussian", guidance=0.5)


@pytest.mark.parametrize("variational", [True, False])
def test_codes_that_are_not_finite_are_refused(variational: bool, data: ImageSet) -> None:
    built = model(variational=variational)
    torch.nn.init.constant_(next(built.modules["encoder"].parameters()), torch.nan)
    with pytest.raises(CheckpointError, match=r"r: codes .*not finite.*lower lr"):
        draw(built, data, prior="gaussian")


def test_guidance_of_the_standard_prior_is_rejected() -> None:
    values = {"weights": "raw", "prior": "standard", "components": 1, "guidance": 0.5, "decoder_guidance": 0.0,
              "bound_images": 2, "bound_samples": 1}  # fmt: skip
    with pytest.raises(ValueError, match=r"guidance: 0\.5.*prior"):
        Settings.model_validate(values).check(model(cond_vae).settings)


def test_each_snapshot_fits_the_density_to_its_codes(data: ImageSet) -> None:
    built, other = model(variational=False), model(variational=False)
    torch.manual_seed(9)
    for parameter in other.modules.parameters():
        parameter.add_(0.05 * torch.randn(parameter.shape))
    states = {7: {name: module.state_dict() for name, module in other.modules.items()}}
    result = draw(copy.copy(built), data, snapshots=states, prior="gaussian")
    expected = to_uint8(draw(other, data, images=4, prior="gaussian").images).numpy()
    assert np.array_equal(result.probes["snapshot_images"][0], expected)


def test_dequantised_levels_fill_the_range_and_a_uniform_density_takes_8_bits() -> None:
    pixels = torch.tensor([0, 127, 255], dtype=torch.uint8).view(1, 1, 3, 1)
    low, high = dequantise(pixels, torch.zeros(pixels.shape)), dequantise(pixels, torch.full(pixels.shape, 0.999))
    assert low.flatten().tolist() == [-1, -1 / 128, 127 / 128]
    assert high.shape == (1, 1, 1, 3)
    assert high.max() <= 1
    log_uniform = torch.tensor(-100 * np.log(2))  # density 1/2 on [-1, 1], in 100 dimensions
    assert bits_per_dim(log_uniform, 100).item() == pytest.approx(8)


def test_a_plain_autoencoder_has_no_standard_prior(
    params: Any, write_params: Callable[[Any], Path], tmp_path: Path
) -> None:
    params["runs"]["ae_128"]["set"]["sample.prior"] = "standard"
    with pytest.raises(ParamsError, match=r"^params\.yaml: runs\.ae_128\.set\.sample\.prior: 'standard'"):
        resolve(write_params(params), Project(tmp_path))
