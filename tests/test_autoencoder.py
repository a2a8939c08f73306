"""KL and ELBO against closed forms, architecture against hand-counted parameters."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import nn
from torch.distributions import Normal, kl_divergence

from thirtytwo.families import Batch
from thirtytwo.families.autoencoder import Autoencoder, Settings, kl_to_standard_normal, squared_error
from thirtytwo.nets import conv_vae


def settings(**changes: object) -> Settings:
    values = {
        "beta": 1.0, "beta_schedule": "constant", "latent_dim": 1024, "width": 32, "lr": 1e-3, "betas": [0.9, 0.999],
        "steps": 0, "epochs": 20, "batch_size": 8, "clip_norm": 1.0, "horizontal_flip": False, "ema_decay": 0.0,
        "validate_every": 0, "checkpoint_every": 10, "snapshot_every": 0,
    }  # fmt: skip
    return Settings.model_validate(values | changes)


def batch(images: torch.Tensor, epoch: int = 0) -> Batch:
    return Batch(images, torch.zeros(len(images), dtype=torch.int64), 0.0, epoch, 20.0)


def test_parameter_counts_follow_from_the_layer_list() -> None:
    def conv(i: int, o: int, k: int) -> int:
        return i * o * k * k + o

    model = Autoencoder(settings(), conv_vae, channels=3)
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


def test_reconstruction_is_summed_over_the_image_and_averaged_over_the_batch_only() -> None:
    x, x_hat = torch.zeros(4, 3, 32, 32), torch.full((4, 3, 32, 32), 0.5)
    assert squared_error(x, x_hat).tolist() == [3 * 32 * 32 * 0.25] * 4
    model = Autoencoder(settings(), conv_vae, channels=3)
    images = torch.rand(2, 3, 32, 32)
    one = model.validate(batch(images), torch.Generator().manual_seed(0))
    assert one["reconstruction"].item() > 100  # a mean over pixels would be below 1


@pytest.mark.parametrize(
    ("schedule", "epoch", "expected"), [("constant", 3, 0.8), ("linear", 0, 0.0), ("linear", 5, 0.2)]
)
def test_beta_schedule(schedule: str, epoch: int, expected: float) -> None:
    model = Autoencoder(settings(beta=0.8, beta_schedule=schedule), conv_vae, channels=1)
    assert model.beta(batch(torch.zeros(1, 1, 32, 32), epoch)) == pytest.approx(expected)


class LinearNet:
    """A linear-Gaussian model in the shape of a net module: its marginal likelihood is exact."""

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


def test_elbo_of_a_linear_gaussian_model_at_the_exact_posterior_is_the_marginal_likelihood() -> None:
    # Reconstruction |x - x_hat|^2 is -log N(x; x_hat, 1/2 I) up to a constant; with q = p(z|x) the bound is tight:
    # E[reconstruction] + KL = -log p(x) + constant, where x ~ N(b, W W^T + 1/2 I).
    torch.manual_seed(0)
    model = Autoencoder(settings(latent_dim=3), LinearNet, channels=1)
    weight = model.decoder.fc.weight.detach().double()
    bias = model.decoder.fc.bias.detach().double()
    precision = torch.eye(3, dtype=torch.float64) + 2 * weight.T @ weight
    # make the posterior diagonal: rotate the columns of W onto the eigenvectors of W^T W
    _, rotation = torch.linalg.eigh(weight.T @ weight)
    weight = weight @ rotation
    precision = torch.eye(3, dtype=torch.float64) + 2 * weight.T @ weight
    variance = 1 / precision.diagonal()
    model.decoder.fc.weight.data = weight.float()
    to_mean = variance[:, None] * 2 * weight.T
    model.encoder.fc.weight.data = torch.cat([to_mean, torch.zeros_like(to_mean)]).float()
    model.encoder.fc.bias.data = torch.cat([-to_mean @ bias, 0.5 * variance.log()]).float()
    x = torch.rand(1, 1, 32, 32)
    terms = [model.validate(batch(x.expand(500, -1, -1, -1)), torch.Generator().manual_seed(s)) for s in range(4)]
    bound = sum(t["reconstruction"].item() + t["kl"].item() for t in terms) / len(terms)
    covariance = weight @ weight.T + 0.5 * torch.eye(1024, dtype=torch.float64)
    marginal = torch.distributions.MultivariateNormal(bias, covariance).log_prob(x.flatten().double()).item()
    constant = 1024 / 2 * np.log(np.pi)  # log of the normaliser of N(.; x_hat, 1/2 I)
    assert bound == pytest.approx(-marginal - constant, abs=0.1)


def test_gradients_of_the_loss_reach_both_networks_and_equal_finite_differences() -> None:
    torch.manual_seed(0)
    model = Autoencoder(settings(latent_dim=4, width=2, beta=0.7), conv_vae, channels=1)
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
