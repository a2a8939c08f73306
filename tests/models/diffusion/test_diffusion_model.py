"""The diffusion model: forward process, predictions, losses, settings, guidance."""

import pytest
import torch

from diffusion_settings import SETTINGS
from thirtytwo.models.contract import Batch
from thirtytwo.models.diffusion import bound
from thirtytwo.models.diffusion import model as diffusion
from thirtytwo.nets import unet
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.settings.diffusion import DiffusionSettings
from thirtytwo.settings.strict import parse


def family(**changes):
    torch.manual_seed(0)
    settings = parse(DiffusionSettings, SETTINGS | changes, "ddpm")
    return diffusion.build(settings, unet, channels=1, classes=4)


def batch(images):
    return Batch(images, torch.zeros(len(images), dtype=torch.int64), progress=0.0, epoch=0, epochs=1.0)


class Recorder(torch.nn.Module):
    """Predict zero and record the inputs."""

    def forward(self, x, t, labels):
        self.x, self.t, self.labels = x, t, labels
        return torch.zeros_like(x)


def recorded(**changes):
    model = family(**changes)
    model.modules["denoiser"] = Recorder()
    return model, model.modules["denoiser"]


def test_forward_process_has_the_moments_of_the_markov_chain():
    # Ho et al. eq. 4, against the chain of eq. 2 run step by step.
    model, rng = family(), torch.Generator().manual_seed(0)
    x0 = torch.full((20_000, 1, 1, 1), 0.7, dtype=torch.float64)
    direct = model.noised(x0, torch.full((20_000,), 60), torch.randn(x0.shape, generator=rng, dtype=torch.float64))
    chain = x0
    for beta in model.schedule.betas[:60]:
        chain = (1 - beta) ** 0.5 * chain + beta**0.5 * torch.randn(x0.shape, generator=rng, dtype=torch.float64)
    assert direct.mean().item() == pytest.approx(chain.mean().item(), abs=0.02)
    assert direct.std().item() == pytest.approx(chain.std().item(), abs=0.02)


def test_forward_process_adds_no_noise_at_timestep_0():
    x0 = torch.randn(3, 1, 32, 32)
    assert torch.equal(family().noised(x0, torch.zeros(3, dtype=torch.int64), torch.randn(3, 1, 32, 32)), x0)


@pytest.mark.parametrize("prediction", ["epsilon", "v", "x0"])
@pytest.mark.parametrize("schedule", ["linear", "cosine", "quadratic"])
def test_target_and_estimate_are_inverse(prediction, schedule):
    model = family(prediction=prediction, schedule=schedule)
    t = torch.arange(1, 101)
    x0, epsilon = torch.randn(2, 100, 1, 4, 4, dtype=torch.float64)
    estimate = model.to_x0(model.target(x0, t, epsilon), model.noised(x0, t, epsilon), t)
    torch.testing.assert_close(estimate, x0, atol=1e-8, rtol=0)


def test_v_is_orthogonal_to_x_t():
    # Salimans & Ho 2022, appendix D: x_t = cos(phi) x_0 + sin(phi) epsilon, and v is its derivative in phi.
    model, t = family(prediction="v"), torch.tensor([40])
    x0, epsilon = torch.randn(2, 1, 1, 4, 4, dtype=torch.float64)
    sine = (1 - model.schedule.alpha_bars[40]) ** 0.5
    phi = torch.tensor(sine, dtype=torch.float64).asin().requires_grad_()
    derivative = torch.autograd.functional.jacobian(lambda p: p.cos() * x0 + p.sin() * epsilon, phi)
    torch.testing.assert_close(model.target(x0, t, epsilon), derivative)


@pytest.mark.parametrize(("loss", "expected"), [("l2", 1.0), ("l1", (2 / torch.pi) ** 0.5)])
def test_loss_of_a_zero_prediction_is_the_moment_of_the_noise(loss, expected):
    model, _ = recorded(loss=loss)
    value, terms = model.loss(batch(torch.rand(256, 1, 32, 32)), torch.Generator().manual_seed(0))
    assert value.item() == pytest.approx(expected, rel=0.01)
    assert terms["loss"] == value


def test_timesteps_of_images_are_independent_and_uniform():
    model, net = recorded()
    model.loss(batch(torch.zeros(5000, 1, 1, 1)), torch.Generator().manual_seed(0))
    assert net.t.shape == (5000,)
    assert (net.t.min(), net.t.max()) == (0, 99)
    counts = torch.bincount(net.t, minlength=100)
    assert ((counts - 50) ** 2 / 50).sum() < 149  # chi-square, 99 degrees of freedom, p = 0.001


def test_loss_depends_only_on_the_generator():
    model, images = family(), torch.rand(4, 1, 32, 32)
    values = [model.loss(batch(images), torch.Generator().manual_seed(seed))[0].item() for seed in (1, 1, 2)]
    assert values[0] == values[1] != values[2]


@pytest.mark.parametrize("training", [True, False])
def test_validation_covers_the_timesteps_evenly_and_restores_the_mode(training):
    model, net = recorded()
    model.modules.train(training)
    scores = model.validate(batch(torch.zeros(100, 1, 32, 32)), torch.Generator().manual_seed(0))
    assert scores["loss"].item() == pytest.approx(1.0, rel=0.02)
    quarters = torch.bincount(net.t // 25, minlength=4)
    assert (quarters - 25).abs().max() <= 2
    first_ten = torch.bincount(net.t[:10] // 25, minlength=4)
    assert first_ten.min() >= 1
    assert net.training == training


@pytest.mark.parametrize("conditional", [False, True])
def test_network_receives_labels_only_if_conditional(conditional):
    model, net = recorded(conditional=conditional)
    model.denoise(torch.randn(2, 1, 32, 32), torch.tensor([3, 3]), torch.tensor([1, 2]))
    assert (net.labels is not None) == conditional


def test_schedule_is_not_part_of_the_weights():
    model = family()
    assert all(name.startswith("denoiser.") for name in model.modules.state_dict())
    assert list(model.modules.buffers()) == []
    assert model.averaged == tuple(model.modules)


@pytest.mark.parametrize("prediction", ["epsilon", "v", "x0"])
def test_training_on_two_images_reduces_the_loss(prediction):
    model, rng = family(prediction=prediction), torch.Generator().manual_seed(0)
    (phase,), images = model.phases(), torch.ones(8, 1, 32, 32)
    images[::2] = -1
    scores = [model.validate(batch(images), torch.Generator().manual_seed(1))["loss"].item()]
    for _ in range(60):
        loss, _ = phase.loss(batch(images), rng)
        phase.optimiser.zero_grad()
        loss.backward()
        phase.optimiser.step()
    scores.append(model.validate(batch(images), torch.Generator().manual_seed(1))["loss"].item())
    assert scores[1] < 0.4 * scores[0]


@pytest.mark.parametrize(("warmup", "expected"), [(0, [1.0, 1.0, 1.0]), (4, [0.25, 0.5, 0.75])])
def test_learning_rate_warms_up_linearly(warmup, expected):
    (phase,) = family(warmup=warmup).phases()
    assert [phase.lr_scale(step) for step in range(3)] == expected
    assert phase.lr_scale(100) == 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": "sigmoid"}, "ddpm.schedule"),
        ({"timesteps": 1}, "ddpm.timesteps"),
        ({"width": 10}, "ddpm.width"),
        ({"patch": 8, "width_multipliers": [1, 2, 2, 2]}, "patches of 8 on 4 levels"),
        ({"heads": 3}, "ddpm: heads: 3"),
        ({"weighting": "variational", "loss": "l1"}, "set loss: l2"),
        ({"label_dropout": 0.1}, "set conditional: true"),
    ],
)
def test_invalid_settings_are_rejected_by_name(changes, message):
    with pytest.raises(ParamsError, match=message):
        parse(DiffusionSettings, SETTINGS | changes, "ddpm")


# ---- the bound as a loss, guidance


@pytest.mark.parametrize("prediction", ["epsilon", "x0"])
def test_variational_loss_is_the_bound(prediction):
    # Averaged over timesteps the loss is the bound without the constant L_T.
    model = family(weighting="variational", prediction=prediction)
    model.modules["denoiser"] = Recorder()
    images = (torch.randint(0, 256, (20, 1, 32, 32), generator=torch.Generator().manual_seed(0)) / 127.5 - 1).double()
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        losses = [model.loss(batch(images), rng)[0].item() for _ in range(300)]
        _, steps, decoder = bound.bound(
            model.denoise, model.schedule, images, None, intervals=99, clip=False, rng=rng
        ).mean(0)
    tolerance = 4 * torch.tensor(losses).std().item() / 300**0.5
    assert sum(losses) / 300 == pytest.approx((steps + decoder).item(), abs=tolerance)


def test_variational_loss_has_finite_gradients():
    model, rng = family(weighting="variational", timesteps=2), torch.Generator().manual_seed(0)
    images = torch.ones(8, 1, 32, 32)
    images[:, :, ::2] = -1
    model.loss(batch(images), rng)[0].backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.modules.parameters())


def test_guidance_is_ho_and_salimans_equation_6():
    model = family(conditional=True)

    class Net(torch.nn.Module):
        def forward(self, x, t, labels):
            return x * (labels.view(-1, 1, 1, 1) + 1) / 10

    model.modules["denoiser"] = Net()
    x, t, labels = torch.randn(2, 1, 32, 32, dtype=torch.float64), torch.tensor([60, 60]), torch.tensor([1, 3])
    x0 = model.classifier_free_guidance(0.7)(x, t, labels)
    bar = model.schedule.alpha_bars[60]
    epsilon = (x - bar**0.5 * x0) / (1 - bar) ** 0.5
    conditional, unconditional = x * (labels.view(-1, 1, 1, 1) + 1) / 10, x * 5 / 10  # the null class is 4
    torch.testing.assert_close(epsilon, 1.7 * conditional - 0.7 * unconditional)
    torch.testing.assert_close(model.classifier_free_guidance(0.0)(x, t, labels), model.denoise(x, t, labels))


def test_labels_are_dropped_at_the_given_rate_in_training_only():
    model, net = recorded(conditional=True, label_dropout=0.25)
    images, rng = torch.zeros(2000, 1, 4, 4), torch.Generator().manual_seed(0)
    model.loss(batch(images), rng)
    assert (net.labels == 4).double().mean().item() == pytest.approx(0.25, abs=0.03)
    assert set(net.labels.tolist()) == {0, 4}
    model.validate(batch(images), rng)
    assert set(net.labels.tolist()) == {0}
