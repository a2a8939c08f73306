"""Autoencoders: KL, likelihoods and bounds against closed forms; architectures against hand-counted parameters."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn
from torch.distributions import Bernoulli, MultivariateNormal, Normal, kl_divergence

from thirtytwo.models.autoencoder.model import (
    Autoencoder,
    image,
    kl_to_standard_normal,
    log_density,
    reconstruction,
    squared_error,
)
from thirtytwo.models.contract import Batch
from thirtytwo.nets import cond_vae, conv_vae
from thirtytwo.sampling.autoencoder.sample import log_weights
from thirtytwo.settings.autoencoder import AutoencoderSettings as Settings


def settings(**changes: object) -> Settings:
    values = {
        "variational": True, "likelihood": "gaussian", "beta": 1.0, "beta_schedule": "constant", "latent_dim": 1024,
        "width": 32, "lr": 1e-3, "betas": [0.9, 0.999], "steps": 0, "epochs": 20, "batch_size": 8, "clip_norm": 1.0, "horizontal_flip": False, "ema_decay": 0.0,
        "validate_every": 0, "checkpoint_every": 10, "snapshot_every": 0,
    }  # fmt: skip
    return Settings.model_validate(values | changes)


def batch(images: torch.Tensor, epoch: int = 0) -> Batch:
    return Batch(images, torch.zeros(len(images), dtype=torch.int64), 0.0, epoch, 20.0)


def test_parameter_counts_follow_from_the_layer_list() -> None:
    def conv(i: int, o: int, k: int) -> int:
        return i * o * k * k + o

    model = Autoencoder(settings(), conv_vae, channels=3, classes=10)
    encoder = conv(3, 32, 3) + conv(32, 64, 3) + conv(64, 128, 3) + conv(128, 256, 3) + conv(4096, 2048, 1)
    decoder = conv(1024, 4096, 1) + conv(256, 128, 4) + conv(128, 64, 4) + conv(64, 32, 4) + conv(32, 3, 3)
    assert sum(p.numel() for p in model.encoder.parameters()) == encoder == 8_779_072
    assert sum(p.numel() for p in model.decoder.parameters()) == decoder == 4_887_619


def test_kl_equals_torch_distributions_and_quadrature() -> None:
    generator = torch.Generator().manual_seed(1)
    mu, log_sigma = (torch.randn(6, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    expected = kl_divergence(Normal(mu, log_sigma.exp()), Normal(torch.zeros_like(mu), 1.0)).sum(1)
    torch.testing.assert_close(kl_to_standard_normal(mu, log_sigma), expected)
    q, p = stats.norm(0.7, 0.3), stats.norm(0, 1)
    quadrature, _ = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -3, 4)
    ours = kl_to_standard_normal(torch.tensor([[0.7]]), torch.tensor([[np.log(0.3)]])).item()
    assert ours == pytest.approx(quadrature, rel=1e-6)


def test_reconstruction_is_summed_over_each_image_and_averaged_over_the_batch() -> None:
    x, x_hat = torch.zeros(4, 3, 32, 32), torch.full((4, 3, 32, 32), 0.5)
    assert squared_error(x, x_hat).tolist() == [3 * 32 * 32 * 0.25] * 4
    model = Autoencoder(settings(), conv_vae, channels=3, classes=10)
    images = torch.rand(2, 3, 32, 32)
    one = model.validate(batch(images), torch.Generator().manual_seed(0))
    assert one["reconstruction"].item() > 100  # a mean over pixels would be below 1


@pytest.mark.parametrize(
    ("schedule", "epoch", "expected"), [("constant", 3, 0.8), ("linear", 0, 0.0), ("linear", 5, 0.2)]
)
def test_beta_schedule(schedule: str, epoch: int, expected: float) -> None:
    model = Autoencoder(settings(beta=0.8, beta_schedule=schedule), conv_vae, channels=1, classes=10)
    assert model.beta(batch(torch.zeros(1, 1, 32, 32), epoch)) == pytest.approx(expected)


class LinearNet:
    """A linear-Gaussian model with the interface of a net module; its marginal likelihood has a closed form."""

    CONDITIONAL = False

    @staticmethod
    def latent_shape(latent_dim: int) -> tuple[int, ...]:
        return (latent_dim,)

    class Encoder(nn.Module):
        def __init__(self, channels: int, width: int, outputs: int) -> None:
            super().__init__()
            self.fc = nn.Linear(channels * 1024, outputs)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(x.flatten(1))

    class Decoder(nn.Module):
        def __init__(self, channels: int, width: int, latent_dim: int) -> None:
            super().__init__()
            self.fc = nn.Linear(latent_dim, channels * 1024)

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.fc(z).unflatten(1, (-1, 32, 32))


def linear_model() -> tuple[Autoencoder, MultivariateNormal]:
    """Return a linear model in float64 whose q(z|x) is the exact posterior for p(x|z) = N(W z + b, I/2), and p(x).

    p(z|x) has precision I + 2 W^T W, diagonal after W is rotated by its eigenvectors, and mean
    (I + 2 W^T W)^-1 2 W^T (x - b); p(x) = N(b, W W^T + I/2).
    """
    torch.manual_seed(0)
    model = Autoencoder(settings(latent_dim=3), LinearNet, channels=1, classes=10)
    model.modules.double().requires_grad_(False)
    weight, bias = model.decoder.fc.weight, model.decoder.fc.bias
    _, rotation = torch.linalg.eigh(weight.T @ weight)
    weight.copy_(weight @ rotation)
    variance = 1 / (1 + 2 * weight.square().sum(0))
    to_mean = variance[:, None] * 2 * weight.T
    model.encoder.fc.weight.copy_(torch.cat([to_mean, torch.zeros_like(to_mean)]))
    model.encoder.fc.bias.copy_(torch.cat([-to_mean @ bias, 0.5 * variance.log()]))
    return model, MultivariateNormal(bias, weight @ weight.T + 0.5 * torch.eye(1024, dtype=torch.float64))


def test_elbo_at_the_exact_posterior_equals_the_marginal_likelihood() -> None:
    # Reconstruction |x - x_hat|^2 is -log N(x; x_hat, 1/2 I) up to a constant; with q = p(z|x) the bound is tight.
    model, marginal = linear_model()
    x = torch.rand(1, 1, 32, 32, dtype=torch.float64)
    terms = [model.validate(batch(x.expand(500, -1, -1, -1)), torch.Generator().manual_seed(s)) for s in range(4)]
    bound = sum(t["reconstruction"].item() + t["kl"].item() for t in terms) / len(terms)
    constant = 1024 / 2 * np.log(np.pi)  # log of the normaliser of N(.; x_hat, 1/2 I)
    assert bound == pytest.approx(-marginal.log_prob(x.flatten()).item() - constant, abs=0.1)


def test_importance_weights_at_the_exact_posterior_equal_the_marginal_likelihood() -> None:
    model, marginal = linear_model()
    x = torch.rand(4, 1, 32, 32, dtype=torch.float64)
    epsilon = torch.randn(7, 4, 3, dtype=torch.float64)
    log_w = log_weights(model, x, torch.zeros(4, dtype=torch.int64), epsilon, variance=0.5)
    torch.testing.assert_close(log_w, marginal.log_prob(x.flatten(1)).expand(7, 4), rtol=1e-10, atol=0)


def test_iwae_bound_increases_with_k_from_the_elbo_to_the_marginal_likelihood() -> None:
    model, marginal = linear_model()
    model.encoder.fc.bias[3:] += np.log(1.3)  # q is too wide: log p(x) - ELBO = KL(q || p(z|x))
    gap = 3 * (0.5 * (1.3**2 - 1) - np.log(1.3))
    x = torch.rand(1, 1, 32, 32, dtype=torch.float64)
    epsilon = torch.randn(40_000, 1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    parts = [log_weights(model, x, torch.zeros(1, dtype=torch.int64), chunk, 0.5) for chunk in epsilon.split(4000)]
    log_w = torch.cat(parts)[:, 0] - marginal.log_prob(x.flatten())
    bounds = {k: (log_w.view(-1, k).logsumexp(1) - np.log(k)).mean().item() for k in (1, 5, 50, 40_000)}
    assert bounds[1] == pytest.approx(-gap, abs=0.02)
    assert bounds[1] < bounds[5] < bounds[50] < 0.005
    assert bounds[40_000] == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("likelihood", ["gaussian", "sigma_vae", "bernoulli"])
@pytest.mark.parametrize("output", [-1.7, 0.0, 0.4])
def test_density_of_a_value_integrates_to_one(likelihood: str, output: float) -> None:
    def density(x: float) -> float:
        values = (torch.full((1, 1, 1, 1), v, dtype=torch.float64) for v in (x, output))
        return log_density(likelihood, *values, variance=0.3).exp().item()

    ends = (-1, 1) if likelihood == "bernoulli" else (-9, 9)
    assert integrate.quad(density, *ends, points=[min(max(output, -1), 1)])[0] == pytest.approx(1, abs=1e-7)


def test_reconstruction_terms_against_scipy_and_torch_distributions() -> None:
    rng = torch.Generator().manual_seed(0)
    x, outputs = (torch.rand(3, 1, 4, 4, generator=rng, dtype=torch.float64) * 2 - 1 for _ in range(2))
    normal = stats.norm(outputs.numpy(), np.sqrt(0.5)).logpdf(x.numpy()).sum((1, 2, 3))
    ours = reconstruction("gaussian", x, outputs)
    np.testing.assert_allclose(ours.numpy(), -normal - 16 / 2 * np.log(np.pi))
    binary = x.sign()
    expected = -Bernoulli(logits=outputs).log_prob((binary + 1) / 2).flatten(1).sum(1)
    torch.testing.assert_close(reconstruction("bernoulli", binary, outputs), expected)
    torch.testing.assert_close(image("bernoulli", outputs), 2 * Bernoulli(logits=outputs).mean - 1)
    scales = np.linspace(0.05, 3, 20_000)
    errors = (x - outputs).square().numpy()
    minimum = (errors.sum() / (2 * scales**2) + errors.size * np.log(scales * np.sqrt(2 * np.pi))).min() / 3
    assert reconstruction("sigma_vae", x, outputs).mean().item() == pytest.approx(minimum, rel=1e-7)


def test_optimal_sigma_vae_has_the_gradient_of_the_log_mean_squared_error() -> None:
    # With sigma^2 = MSE the loss is D/2 log MSE plus a constant (Rybkin et al. 2021).
    x, outputs = torch.rand(2, 5, 3, 4, 4, dtype=torch.float64)
    first, second = outputs.clone().requires_grad_(True), outputs.clone().requires_grad_(True)
    reconstruction("sigma_vae", x, first).mean().backward()
    (48 / 2 * (x - second).square().mean().log()).backward()
    torch.testing.assert_close(first.grad, second.grad)


def test_plain_autoencoder_has_half_the_encoder_outputs_no_noise_and_no_kl() -> None:
    model = Autoencoder(settings(variational=False, latent_dim=16, width=4), conv_vae, channels=3, classes=10)
    x = torch.rand(2, 3, 32, 32)
    code, log_sigma = model.encode(x)
    assert code.shape == (2, 16)
    assert log_sigma is None
    [phase] = model.phases()
    loss, terms = phase.loss(batch(x), torch.Generator())
    assert terms.keys() == {"loss", "reconstruction"}
    assert loss.item() == pytest.approx((x - model.draw(code, None)).square().sum().item() / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("latent_dim", "encoder", "decoder"),
    [(16, 453_968, 758_851), (128, 912_832, 1_217_603), (1024, 4_583_744, 4_887_619)],
)
def test_parameters_of_the_plain_autoencoders_follow_from_the_layer_list(
    latent_dim: int, encoder: int, decoder: int
) -> None:
    # Encoder: 896 + 18 496 + 73 856 + 295 168 = 388 416 in the convolutions, plus 4096 d + d.
    # Decoder: 4096 d + 4096, plus 524 416 + 131 136 + 32 800 in the transposed convolutions and 867: 689 219.
    model = Autoencoder(settings(variational=False, latent_dim=latent_dim), conv_vae, channels=3, classes=10)
    assert sum(p.numel() for p in model.encoder.parameters()) == encoder
    assert sum(p.numel() for p in model.decoder.parameters()) == decoder


def test_conditional_decoder_depends_on_the_label_and_has_a_spatial_code() -> None:
    torch.manual_seed(0)
    model = Autoencoder(settings(latent_dim=4, width=6), cond_vae, channels=1, classes=10)
    assert model.conditional
    assert model.latent_shape == (4, 4, 4)
    x, z = torch.rand(1, 1, 32, 32), torch.randn(1, 4, 4, 4)
    assert [part.shape for part in model.encode(x)] == [(1, 4, 4, 4)] * 2
    images = [model.draw(z, torch.tensor([y])) for y in range(10)]
    assert len({round(image.sum().item(), 3) for image in images}) == 10
    assert images[0].shape == (1, 1, 32, 32)


def test_gradients_of_the_loss_reach_both_networks_and_equal_finite_differences() -> None:
    torch.manual_seed(0)
    model = Autoencoder(settings(latent_dim=4, width=2, beta=0.7), conv_vae, channels=1, classes=10)
    model.modules.double()
    images = torch.rand(2, 1, 32, 32, dtype=torch.float64)
    [phase] = model.phases()

    def loss() -> torch.Tensor:
        torch.set_default_dtype(torch.float64)
        try:
            return phase.loss(batch(images), torch.Generator().manual_seed(3))[0]
        finally:
            torch.set_default_dtype(torch.float32)

    loss().backward()
    for parameter in (
        model.encoder.conv1.weight,
        model.encoder.fc.bias,
        model.decoder.fc.weight,
        model.decoder.conv.bias,
    ):
        flat, h = parameter.data.view(-1), 1e-6
        index = int(parameter.grad.abs().argmax())
        flat[index] += h
        above = loss().item()
        flat[index] -= 2 * h
        below = loss().item()
        flat[index] += h
        assert parameter.grad.flatten()[index].item() == pytest.approx((above - below) / (2 * h), rel=1e-4)
