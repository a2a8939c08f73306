"""GAN losses against hand-computed values and closed forms; architectures against published parameter counts."""

import math
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from thirtytwo.models.contract import Batch
from thirtytwo.models.gan.model import GAN, discriminator_loss, generator_loss, gradient_penalty, zero_centred_penalty
from thirtytwo.nets import dcgan, mlp, resnet_gan, upsampling_gan
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.settings.gan import GANSettings as Settings


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def settings(**changes: object) -> Settings:
    values = {
        "loss": "non_saturating", "latent_dim": 16, "width": 16, "discriminator_width": 0, "activation": "leaky_relu", "batch_norm": True,
        "init_std": 0.02, "penalty": 10.0, "penalty_every": 1, "init_mean": 0.0, "generator_every": 1, "lr_decay": "none",
        "decay_steps": {"discriminator": 10, "generator": 4}, "steps": 10, "epochs": 0, "batch_size": 4, "lr": 2e-4,
        "betas": [0.5, 0.999], "clip_norm": 0.0, "horizontal_flip": False, "ema_decay": 0.0, "validate_every": 10,
        "checkpoint_every": 10, "snapshot_every": 0, "multipliers": [4, 2, 1], "real_target": 1.0, "fake_target": 0.0,
        "input_noise": 0.0, "conditional": False, "label_channels": 3,
    }  # fmt: skip
    return Settings.model_validate(values | changes)


def test_dcgan_has_the_parameter_counts_of_the_course_table() -> None:
    assert parameters(dcgan.Generator(1, 16, [4, 2, 1], latent_dim=16, batch_norm=True)) == 57_937
    assert parameters(dcgan.Generator(1, 100, [4, 2, 1], latent_dim=100, batch_norm=True)) == 2_243_701


def test_resnet_gan_has_the_parameter_counts_of_the_course() -> None:
    generator = parameters(resnet_gan.Generator(3, 128, [1, 1, 1], latent_dim=128, batch_norm=True))
    discriminator = parameters(resnet_gan.Discriminator(3, width=128, batch_norm=True, activation="relu"))
    assert round(generator / 1e6, 2) == 1.20
    assert round(discriminator / 1e6, 2) == 1.05


@pytest.mark.parametrize("net", [dcgan, mlp, resnet_gan])
def test_shapes_and_ranges(net: object) -> None:
    gan = GAN(settings(), net, channels=3, classes=4)
    images = gan.draw(torch.randn(5, 16), torch.full((5,), -1))
    assert images.shape == (5, 3, 32, 32)
    assert images.abs().max() <= 1
    assert gan.discriminate(images, None).shape == (5,)


def test_upsample_is_nearest_neighbour_and_does_not_mix_channels() -> None:
    x = torch.randn(2, 3, 4, 4)
    nearest = F.interpolate(x, scale_factor=2, mode="nearest")
    torch.testing.assert_close(resnet_gan.upsample(x), nearest, rtol=0, atol=0)
    mixed = F.pixel_shuffle(x.repeat(1, 4, 1, 1), 2)  # a common error
    assert not torch.allclose(mixed, nearest)


def test_losses_equal_hand_computed_values() -> None:
    real, fake = torch.tensor([0.0, math.log(3)]), torch.tensor([0.0, -math.log(3)])  # D = 1/2, 3/4 and 1/2, 1/4
    log2, log4_3 = math.log(2), math.log(4 / 3)
    expected = {
        "non_saturating": ((log2 + log4_3) / 2 + (log2 + log4_3) / 2, (log2 + math.log(4)) / 2),
        "minimax": ((log2 + log4_3) / 2 + (log2 + log4_3) / 2, -(log2 + log4_3) / 2),
        "lsgan": (
            (1 + (math.log(3) - 1) ** 2) / 4 + math.log(3) ** 2 / 4,
            (1 + (math.log(3) + 1) ** 2) / 4,
        ),
        "wgan_gp": (-math.log(3) / 2 - math.log(3) / 2, math.log(3) / 2),
        "relativistic": ((log2 + math.log(10 / 9)) / 2, (log2 + math.log(10)) / 2),  # sigmoid(real - fake) = 1/2, 9/10
    }
    for loss, (expected_discriminator, expected_generator) in expected.items():
        assert discriminator_loss(loss, real, fake).item() == pytest.approx(expected_discriminator, rel=1e-6), loss
        assert generator_loss(loss, real, fake).item() == pytest.approx(expected_generator, rel=1e-6), loss


def test_smoothed_targets() -> None:
    real, fake = torch.tensor([math.log(3)]), torch.tensor([-math.log(3)])  # D = 3/4 and 1/4
    by_hand = -(0.9 * math.log(3 / 4) + 0.1 * math.log(1 / 4)) - (0.1 * math.log(1 / 4) + 0.9 * math.log(3 / 4))
    assert discriminator_loss("non_saturating", real, fake, 0.9, 0.1).item() == pytest.approx(by_hand, rel=1e-6)
    expected = ((math.log(3) - 0.9) ** 2 + (math.log(3) + 0.1) ** 2) / 2
    assert discriminator_loss("lsgan", real, fake, 0.9, 0.1).item() == pytest.approx(expected, rel=1e-6)
    # For p = q the loss is minimal at the mean of the targets.
    logits = torch.linspace(-2, 2, 401, dtype=torch.float64)
    losses = [discriminator_loss("minimax", x, x, 0.9, 0.3).item() for x in logits]
    assert logits[losses.index(min(losses))].sigmoid().item() == pytest.approx(0.6, abs=2e-3)


def test_instance_noise_decreases_and_is_added_to_real_and_generated_images() -> None:
    gan = GAN(settings(input_noise=0.5, batch_norm=False), dcgan, channels=1, classes=4)
    inputs_seen: list[torch.Tensor] = []
    gan.modules["discriminator"].register_forward_pre_hook(lambda _, inputs: inputs_seen.append(inputs[0].detach()))
    gan.modules["generator"].register_forward_hook(lambda *_: torch.zeros(256, 1, 32, 32))
    for progress in (0.0, 0.75):
        batch = Batch(torch.zeros(256, 1, 32, 32), torch.zeros(256, dtype=torch.int64), progress, 0, 1.0)
        for phase in gan.phases():
            phase.loss(batch, torch.Generator().manual_seed(0))
    stds = [x.std().item() for x in inputs_seen]  # real, fake, fake again, at each progress
    assert stds == pytest.approx([0.5] * 3 + [0.125] * 3, rel=0.02)


@pytest.mark.parametrize("net", [dcgan, mlp, resnet_gan])
def test_label_embedding_is_tiled_to_channels_of_both_inputs(net: Any) -> None:
    plain = GAN(settings(), net, channels=3, classes=2)
    gan = GAN(settings(conditional=True, label_channels=3), net, channels=3, classes=2)
    labels = torch.tensor([0, 1, 1])
    inputs_seen: list[torch.Tensor] = []
    for module in gan.modules.values():
        module.net.register_forward_pre_hook(lambda _, inputs: inputs_seen.append(inputs[0].detach()))
    images = gan.draw(torch.zeros(3, 16), labels)
    gan.discriminate(images, labels)
    (z, x), embedding = inputs_seen, [m.embedding.weight.detach()[labels] for m in gan.modules.values()]
    torch.testing.assert_close(z, torch.cat([torch.zeros(3, 16), embedding[0]], 1))
    torch.testing.assert_close(x[:, :3], images)
    torch.testing.assert_close(x[:, 3:], embedding[1][:, :, None, None].expand(3, 3, 32, 32))
    torch.testing.assert_close(images[1], images[2])
    assert not torch.allclose(images[0], images[1])
    assert plain.conditional is False
    assert gan.conditional is True


def test_minimax_value_at_the_optimal_discriminator_is_the_jensen_shannon_divergence() -> None:
    # p = N(-1, 1), q = N(1, 1): D* = p / (p + q) has the logit -2x, and V(D*, G) = 2 JSD - log 4 (Goodfellow et al.
    # 2014, theorem 1). JSD by quadrature.
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400_000, generator=generator, dtype=torch.float64) - 1
    y = torch.randn(400_000, generator=generator, dtype=torch.float64) + 1
    value = -discriminator_loss("non_saturating", -2 * x, -2 * y).item()
    grid = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    p, q = (torch.exp(-((grid - m) ** 2) / 2) / math.sqrt(2 * math.pi) for m in (-1, 1))
    middle = (p + q) / 2
    jsd = 0.5 * torch.trapezoid(torch.xlogy(p, p / middle) + torch.xlogy(q, q / middle), grid).item()
    assert value == pytest.approx(2 * jsd - math.log(4), abs=5e-3)
    for scale in (0.5, 1.5):  # any other discriminator scores lower
        assert -discriminator_loss("non_saturating", -2 * scale * x, -2 * scale * y).item() < value


class Linear(nn.Module):
    """D(x) = <w, x>, with gradient w everywhere."""

    def __init__(self, norm: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.full((3 * 32 * 32,), norm / math.sqrt(3 * 32 * 32)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) @ self.w


def test_gradient_penalty_for_a_known_gradient_norm() -> None:
    real, fake, u = torch.randn(4, 3, 32, 32), torch.randn(4, 3, 32, 32), torch.rand(4)
    network = Linear(norm=3.0)
    penalty = gradient_penalty(network, real, fake, u)
    assert penalty.item() == pytest.approx(4.0, rel=1e-5)
    penalty.backward()  # d/dw (|w| - 1)^2 = 2 (|w| - 1) w / |w|
    expected = 2 * 2 * network.w.detach() / 3.0
    torch.testing.assert_close(network.w.grad, expected, rtol=1e-4, atol=1e-6)


def test_gradient_penalty_interpolates_each_pair_by_its_u() -> None:
    inputs_seen = []

    class Probe(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            inputs_seen.append(x.detach())
            return x.flatten(1).sum(1)

    real, fake, u = torch.ones(3, 1, 32, 32), torch.zeros(3, 1, 32, 32), torch.tensor([0.0, 0.25, 1.0])
    gradient_penalty(Probe(), real, fake, u)
    torch.testing.assert_close(inputs_seen[0][:, 0, 0, 0], u)


def test_zero_centred_penalty_for_a_known_gradient_norm() -> None:
    images, network = torch.randn(4, 3, 32, 32), Linear(norm=3.0)
    outputs, penalty = zero_centred_penalty(network, images)
    torch.testing.assert_close(outputs, network(images))
    assert penalty.item() == pytest.approx(4.5, rel=1e-5)
    penalty.backward()  # d/dw |w|^2 / 2 = w
    torch.testing.assert_close(network.w.grad, network.w.detach(), rtol=1e-4, atol=1e-6)


def test_relativistic_loss_pairs_outputs_and_adds_r1_and_r2() -> None:
    gan = GAN(settings(loss="relativistic", penalty=6.0, batch_norm=False), dcgan, channels=3, classes=4)
    gan.modules["discriminator"] = Linear(norm=2.0)
    gan.modules["generator"].register_forward_hook(lambda *_: torch.zeros(4, 3, 32, 32))
    batch = Batch(torch.ones(4, 3, 32, 32), torch.zeros(4, dtype=torch.int64), 0.0, 0, 1.0)
    real = 2 * math.sqrt(3 * 32 * 32)  # <w, 1>, while D of a sample is 0
    losses = [phase.loss(batch, torch.Generator().manual_seed(0))[0].item() for phase in gan.phases()]
    expected = math.log1p(math.exp(-real)) + 6 * (2.0**2 / 2 + 2.0**2 / 2), math.log1p(math.exp(real))
    assert losses == pytest.approx(expected, rel=1e-5)
    assert not gan.gives_probability


@pytest.mark.parametrize("loss", ["relativistic", "wgan_gp"])
def test_a_penalty_of_some_steps_alone_has_the_same_sum(loss: str) -> None:
    def losses(every: int, penalty: float) -> list[float]:
        gan = GAN(
            settings(loss=loss, penalty=penalty, penalty_every=every, batch_norm=False), dcgan, channels=3, classes=4
        )
        gan.modules["discriminator"] = Linear(norm=2.0)
        images, labels = torch.ones(4, 3, 32, 32), torch.zeros(4, dtype=torch.int64)
        gan.modules["generator"].register_forward_hook(lambda *_: torch.zeros(4, 3, 32, 32))
        steps = (Batch(images, labels, 0.0, 0, 1.0, step=step) for step in range(8))
        found = [gan.phases()[0].loss(batch, torch.Generator().manual_seed(0)) for batch in steps]
        assert ["gradient_penalty" in terms for _, terms in found] == [step % every == 0 for step in range(8)]
        return [loss.item() for loss, _ in found]

    without = losses(1, 1e-9)[0]
    lazy = [value - without for value in losses(4, 6.0)]
    always = [value - without for value in losses(1, 6.0)]
    assert lazy == pytest.approx([4 * always[0], 0, 0, 0] * 2, abs=1e-3)
    assert sum(lazy) == pytest.approx(sum(always), rel=1e-4)


def test_phases_have_their_interval_and_learning_rate_decay() -> None:
    gan = GAN(settings(lr_decay="linear", generator_every=5, batch_norm=False), dcgan, channels=1, classes=4)
    discriminator, generator = gan.phases()
    assert (discriminator.every, generator.every) == (1, 5)
    assert [discriminator.lr_scale(s) for s in (0, 5, 10, 20)] == [1.0, 0.5, 0.0, 0.0]
    assert [generator.lr_scale(s) for s in (4, 9, 19, 24)] == [1.0, 0.75, 0.25, 0.0]


def test_initialisation_is_normal_with_the_given_std() -> None:
    torch.manual_seed(0)
    gan = GAN(settings(width=64), dcgan, channels=1, classes=4)
    weights = torch.cat([m.weight.flatten() for m in gan.modules.modules() if isinstance(m, nn.Conv2d)])
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)
    assert abs(weights.mean().item()) < 2e-4


@pytest.mark.parametrize("net", [dcgan, mlp, resnet_gan, upsampling_gan])
def test_first_images_have_the_given_mean(net: ModuleType) -> None:
    torch.manual_seed(0)
    gan = GAN(settings(init_mean=-0.7, init_std=0.002), net, channels=3, classes=4)
    images = gan.draw(torch.randn(16, 16), None)
    assert images.mean().item() == pytest.approx(-0.7, abs=0.01)
    assert images.std().item() < 0.05


def test_discriminator_phase_computes_no_gradients_of_the_generator() -> None:
    gan = GAN(settings(), dcgan, channels=1, classes=4)
    batch = Batch(torch.randn(4, 1, 32, 32), torch.zeros(4, dtype=torch.int64), 0.0, 0, 1.0)
    loss, terms = gan.phases()[0].loss(batch, torch.Generator().manual_seed(0))
    loss.backward()
    assert all(p.grad is None for p in gan.modules["generator"].parameters())
    assert set(terms) == {"discriminator_loss", "d_real", "d_fake_before"}
    assert 0 < terms["d_real"].item() < 1


@pytest.mark.parametrize("loss", ["wgan_gp", "relativistic"])
def test_a_penalty_of_single_images_refuses_batch_norm_in_the_discriminator(loss: str) -> None:
    with pytest.raises(ParamsError, match=rf"^batch_norm: true.*{loss}"):
        GAN(settings(loss=loss), dcgan, channels=3, classes=4)
    GAN(settings(loss=loss, batch_norm=False), dcgan, channels=3, classes=4)
    GAN(settings(loss=loss), resnet_gan, channels=3, classes=4)  # BatchNorm in the generator alone
    GAN(settings(), dcgan, channels=3, classes=4)


def test_wgan_gp_without_a_penalty_is_refused() -> None:
    with pytest.raises(ValueError, match="penalty: 0"):
        settings(loss="wgan_gp", penalty=0.0)
    settings(penalty=0.0)


def test_the_discriminator_has_a_width_of_its_own() -> None:
    equal, apart = (GAN(settings(width=8, discriminator_width=w), dcgan, 1, 10).modules for w in (0, 12))
    assert parameters(equal["discriminator"]) == parameters(dcgan.Discriminator(1, 8, True, "leaky_relu"))
    assert parameters(apart["discriminator"]) == parameters(dcgan.Discriminator(1, 12, True, "leaky_relu"))
    assert parameters(apart["generator"]) == parameters(equal["generator"])
