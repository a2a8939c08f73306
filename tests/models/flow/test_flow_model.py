"""Flow matching and mean flows: path, losses, derivatives and pairing, against closed forms and scipy."""

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

import noise_trainings
from flow_settings import MEAN_FLOW, SETTINGS, Gaussian
from thirtytwo.models.contract import Batch
from thirtytwo.models.flow import model as flow
from thirtytwo.nets import conv_denoiser, unet
from thirtytwo.runtime.errors import ParamsError, Stopped, TrainingError
from thirtytwo.settings.flow import FlowSettings
from thirtytwo.settings.strict import parse
from thirtytwo.training.loop import initialise


def family(**changes):
    return initialise(lambda: flow.build(parse(FlowSettings, SETTINGS | changes, "flow"), unet, 1, 4), 0)


def batch(images, labels=None, **part):
    labels = torch.zeros(len(images), dtype=torch.int64) if labels is None else labels
    return Batch(images, labels, progress=0.0, epoch=0, epochs=1.0, **part)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def normals(seed, *shape):
    return torch.randn(shape, generator=rng(seed), dtype=torch.float64)


class Given(torch.nn.Module):
    """A network that is a function of x, scaled t, labels and scaled interval."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x, t, labels, interval=None):
        return self.function(x, t, labels, interval)


def given(function, **changes):
    model = family(**changes)
    model.modules["velocity"] = Given(function)
    return model


# ---- flow matching


def test_path_leads_from_the_image_to_the_noise_at_constant_velocity():
    x0, noise, t = normals(0, 5, 1, 4, 4), normals(1, 5, 1, 4, 4), torch.linspace(0, 1, 5, dtype=torch.float64)
    x = flow.interpolate(x0, noise, t)
    assert torch.equal(x[0], x0[0])
    assert torch.equal(x[-1], noise[-1])
    change = torch.func.jvp(lambda t: flow.interpolate(x0, noise, t), (t,), (torch.ones_like(t),))[1]
    torch.testing.assert_close(change, noise - x0)


def test_loss_of_the_best_velocity_is_the_variance_that_the_point_leaves_open():
    # For x_0 ~ N(m, s^2) the best prediction of epsilon - x_0 is its mean given x_t; what remains is Var(epsilon - x_0 | x_t)
    # = 1 + s^2 - cov^2 / var(x_t) = s^2 / s_t^2, averaged over t (Bishop 2006, eq. 2.82).
    data = Gaussian(0.3, 0.5)
    model = given(lambda x, t, labels, interval: data.velocity(x, t.view(-1, 1, 1, 1) / flow._TIME_SCALE))
    images = 0.3 + 0.5 * torch.randn(4000, 1, 8, 8, generator=rng(1))
    t = np.linspace(0, 1, 10_001)
    expected = np.trapezoid(0.25 / data.scale(t) ** 2, t)
    assert model.loss(batch(images), rng())[0].item() == pytest.approx(expected, rel=0.02)


def test_prediction_of_x0_is_the_same_velocity():
    # x_0 = x_t - t v for the velocity towards it.
    data, x, t = Gaussian(0.3, 0.5), normals(0, 6, 1, 4, 4), torch.linspace(0.1, 1, 6, dtype=torch.float64)
    v = data.velocity(x, t.view(-1, 1, 1, 1))
    model = given(lambda x, t, labels, interval: x - t.view(-1, 1, 1, 1) / flow._TIME_SCALE * v, prediction="x0")
    torch.testing.assert_close(model.mean_velocity(x, t, t, None), v)


def test_weighting_x0_is_the_error_of_the_predicted_image():
    x0, noise, t = normals(0, 6, 1, 4, 4), normals(1, 6, 1, 4, 4), torch.linspace(0.01, 1, 6, dtype=torch.float64)
    model = given(lambda x, t, labels, interval: 0.3 * x, prediction="x0", weighting="x0")
    errors = model._errors(x0, noise, t, t, torch.zeros(6, dtype=torch.int64))
    image = 0.3 * flow.interpolate(x0, noise, t)
    torch.testing.assert_close(errors[1:], (image - x0).square().flatten(1).mean(1)[1:])


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (-0.4, 1.3)])
def test_logit_normal_times_have_their_mean_and_deviation(mean, std):
    model = family(times="logit_normal", time_mean=mean, time_std=std)
    logits = torch.logit(model._times(batch(torch.zeros(50_000, 1)), rng()).double())
    assert logits.mean().item() == pytest.approx(mean, abs=0.03)
    assert logits.std().item() == pytest.approx(std, abs=0.03)


def test_guidance_moves_the_velocity_away_from_the_unlabelled_one():
    # Ho & Salimans 2022, eq. 6.
    model = given(lambda x, t, labels, interval: labels.double().view(-1, 1, 1, 1) + 0 * x, conditional=True)
    x, t, labels = normals(0, 3, 1, 4, 4), torch.full((3,), 0.5, dtype=torch.float64), torch.tensor([0, 1, 2])
    guided = model.classifier_free_guidance(1.5, labels)(x, t, t)
    assert guided[:, 0, 0, 0].tolist() == [2.5 * label - 1.5 * 4 for label in (0, 1, 2)]


def test_share_of_labels_is_dropped():
    seen = []
    model = given(lambda x, t, labels, interval: seen.append(labels) or x, conditional=True, label_dropout=0.3)
    model.loss(batch(torch.zeros(5000, 1, 2, 2)), rng())
    assert (seen[0] == 4).double().mean().item() == pytest.approx(0.3, abs=0.03)


# ---- pairing


def test_pairing_has_the_least_cost_of_all_orders():
    noise, x0 = normals(0, 6, 1, 2, 2), normals(1, 6, 1, 2, 2)
    costs = [(noise[list(order)] - x0).square().sum().item() for order in permutations(range(6))]
    paired = flow.pair(noise, x0, None)
    assert (paired - x0).square().sum().item() == pytest.approx(min(costs), rel=1e-12)
    assert (noise - x0).square().sum().item() > min(costs)


def test_pairing_within_labels_exchanges_noise_of_one_label_only():
    noise, x0, labels = normals(0, 24, 1, 4, 4), normals(1, 24, 1, 4, 4), torch.arange(24) % 3
    paired = flow.pair(noise, x0, labels)
    for label in range(3):
        own = labels == label
        cost = torch.cdist(x0[own].flatten(1), noise[own].flatten(1)).square().numpy()
        rows, columns = linear_sum_assignment(cost)
        assert (paired[own] - x0[own]).square().sum().item() == pytest.approx(cost[rows, columns].sum(), rel=1e-12)
        assert {tuple(v) for v in paired[own].flatten(1).tolist()} == {tuple(v) for v in noise[own].flatten(1).tolist()}


def test_optimal_transport_in_the_loss_pairs_before_the_path():
    seen = {}
    images = torch.randn(32, 1, 4, 4, generator=rng(1))

    def distance(coupling):
        model = given(lambda x, t, labels, interval: seen.update(x=x, t=t) or x, coupling=coupling)
        model.loss(batch(images), rng())
        t = (seen["t"] / flow._TIME_SCALE).view(-1, 1, 1, 1)
        return ((seen["x"] - (1 - t) * images) / t - images).square().sum().item()

    assert distance("optimal_transport") < 0.9 * distance("independent")
    with pytest.raises(TrainingError, match="coupling"):
        family(coupling="optimal_transport").loss(batch(images, part=0, parts=2), rng())


# ---- mean flows


def test_identity_returns_the_velocity_for_the_mean_velocity_of_a_gaussian():
    # Geng et al. 2025, eq. 6, with both sides in closed form.
    data = Gaussian(0.3, 0.5)
    x, r, t = normals(0, 7, 1, 3, 3), torch.linspace(0, 0.6, 7, dtype=torch.float64), torch.linspace(0.3, 1, 7).double()

    def u(x, r, t):
        r, t = r.view(-1, 1, 1, 1), t.view(-1, 1, 1, 1)
        return torch.where(r == t, data.velocity(x, t), data.mean_velocity(x, r, torch.where(r == t, r + 1, t)))

    expected = data.velocity(x, t.view(-1, 1, 1, 1))
    torch.testing.assert_close(flow.identity(u, x, r, t), expected, rtol=1e-9, atol=1e-9)
    assert not torch.allclose(u(x, r, t), expected, atol=0.01)


def test_derivative_of_the_network_is_that_of_two_backward_passes_and_of_differences():
    # All of nets/unet.py: GroupNorm, attention, both time inputs, labels.
    model = family(**MEAN_FLOW, attention_resolutions=[2, 4])
    net = model.modules["velocity"].double()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=rng(3))
    x, v, r = normals(0, 3, 1, 32, 32), normals(1, 3, 1, 32, 32), torch.tensor([0.0, 0.2, 0.4], dtype=torch.float64)
    t, labels = r + 0.4, torch.tensor([0, 3, 4])
    inputs, tangents = (x, r, t), (v, torch.zeros_like(r), torch.ones_like(t))

    def u(x, r, t):
        return model.mean_velocity(x, r, t, labels)

    def along(x, r, t):
        return u(x, r, t) if torch.equal(r, t) is False else v  # `identity` follows u(x, t, t); here it follows v

    forward = (flow.identity(along, x, r, t) - u(x, r, t)) / 0.4
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        backward = torch.autograd.functional.jvp(u, inputs, tangents)[1]
    torch.testing.assert_close(forward, backward, rtol=1e-9, atol=1e-9)
    h = 1e-6
    differences = (u(x + h * v, r, t + h) - u(x - h * v, r, t - h)) / (2 * h)
    torch.testing.assert_close(forward, differences, rtol=1e-4, atol=1e-4)


def test_derivative_has_no_gradient_but_the_mean_velocity_has():
    weight = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    x, r, t = normals(0, 2, 1, 1, 1), torch.zeros(2).double(), torch.ones(2).double()
    value = flow.identity(lambda x, r, t: weight * t.view(-1, 1, 1, 1) * x, x, r, t)
    # d/dt (w t x) = w x + w t v, v = w x: a constant for the gradient, so d value / dw = x.
    torch.testing.assert_close(value, 2 * x + 2 * x + 2 * 2 * x)
    (gradient,) = torch.autograd.grad(value.sum(), weight)
    torch.testing.assert_close(gradient, x.sum())


def test_loss_of_a_mean_flow_is_that_of_its_velocity():
    # The exact u of a Gaussian leaves the loss of the exact velocity, in every interval.
    data = Gaussian(0.3, 0.5)

    def net(x, t, labels, interval):
        t, r = (time.view(-1, 1, 1, 1) / flow._TIME_SCALE for time in (t, t - interval))
        same = (t - r).abs() < 1e-9
        return torch.where(same, data.velocity(x, t), data.mean_velocity(x, torch.where(same, r - 1, r), t))

    images = 0.3 + 0.5 * normals(1, 2000, 1, 4, 4)
    noise, t = normals(2, 2000, 1, 4, 4), torch.linspace(0.01, 1, 2000).double()
    model, labels = given(net, objective="mean_flow"), torch.zeros(2000, dtype=torch.int64)
    at = model._errors(images, noise, t, t, labels)
    over = model._errors(images, noise, 0.3 * t, t, labels)
    torch.testing.assert_close(over, at, rtol=1e-5, atol=1e-6)


def test_share_of_intervals_is_empty():
    seen = []
    model = given(lambda x, t, labels, interval: x, objective="mean_flow", equal_times=0.75)
    model._errors = lambda x0, noise, r, t, labels: seen.append((r, t)) or torch.zeros(len(x0))
    model.loss(batch(torch.zeros(8000, 1, 2, 2)), rng())
    r, t = seen[0]
    assert (r <= t).all()
    assert (r == t).double().mean().item() == pytest.approx(0.75, abs=0.02)
    assert t.mean().item() == pytest.approx(2 / 3, abs=0.02)  # the larger of two uniform times


def test_target_holds_the_guidance_that_is_learnt():
    # Geng et al. 2025, eq. 19 with omega = 1 + w; images without a label keep epsilon - x_0.
    model = given(
        lambda x, t, labels, interval: labels.double().view(-1, 1, 1, 1) + 0 * x + interval.view(-1, 1, 1, 1),
        **MEAN_FLOW | {"training_guidance": 2.0},
    )
    x0, noise, labels = normals(0, 3, 1, 2, 2), normals(1, 3, 1, 2, 2), torch.tensor([0, 3, 4])
    target = model._target(x0, noise, torch.full((3,), 0.5).double(), labels)
    torch.testing.assert_close(target[:2], 3 * (noise - x0)[:2] - 2 * 4)
    torch.testing.assert_close(target[2], (noise - x0)[2])


def test_adaptive_weight_divides_an_image_by_its_own_error():
    # Geng et al. 2025, eq. 22: with p = 1 every image adds error / (error + c), about 1.
    model = given(lambda x, t, labels, interval: 100 * x, adaptive_power=1.0)
    images = torch.randn(64, 1, 4, 4, generator=rng(1))
    loss, terms = model.loss(batch(images), rng())
    assert loss.item() == pytest.approx(1.0, abs=1e-3)
    assert terms["loss"].item() > 100


# ---- training


@pytest.fixture(scope="module")
def data():
    return noise_trainings.gray_images()


def trained(data, folder, stop_at=None, **changes):
    settings = parse(FlowSettings, SETTINGS | changes, "flow")
    return noise_trainings.trained(family(**changes), settings, data, folder, stop_at)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("changes", [{"coupling": "optimal_transport"}, MEAN_FLOW, MEAN_FLOW | {"prediction": "x0"}])
def test_training_that_stops_resumes_exactly(changes, data, tmp_path):
    whole = trained(data, tmp_path / "whole", **changes)
    with pytest.raises(Stopped):
        trained(data, tmp_path / "parts", stop_at=7, **changes)
    parts = trained(data, tmp_path / "parts", **changes)
    for ours, theirs in zip(whole.family.modules.parameters(), parts.family.modules.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert whole.curve == parts.curve
    assert all(math.isfinite(value) for row in whole.validation for value in row.values())


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("changes", [{}, {"prediction": "x0"}, MEAN_FLOW])
def test_training_reduces_the_loss(changes, data, tmp_path):
    state = trained(data, tmp_path, steps=40, validate_every=20, **changes)
    start = family(**changes).validate(
        batch(torch.from_numpy(data.images[45:]).permute(0, 3, 1, 2) / 127.5 - 1, torch.from_numpy(data.labels[45:])),
        rng(),
    )
    assert state.validation[-1]["loss"] < 0.8 * start["loss"].item()


# ---- errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training_guidance": 1.0}, "training_guidance"),
        ({"objective": "mean_flow", "training_guidance": 1.0}, "label_dropout"),
        ({"label_dropout": 0.1}, "conditional"),
        ({"times": "cosine"}, "times"),
    ],
)
def test_contradicting_settings_are_refused(changes, message):
    with pytest.raises(ParamsError, match=message):
        parse(FlowSettings, SETTINGS | changes, "flow")


def test_mean_flow_needs_a_network_with_two_times():
    settings = parse(FlowSettings, SETTINGS | {"objective": "mean_flow"}, "flow")
    with pytest.raises(ParamsError, match="net: unet"):
        flow.build(settings, conv_denoiser, 1, 4)
    assert flow.build(parse(FlowSettings, SETTINGS, "flow"), conv_denoiser, 1, 4).of_mean is False


# ---- beginning with another run's weights


def test_a_mean_flow_begins_with_the_velocity_of_its_parent_over_every_interval():
    parent, child = family(conditional=True, label_dropout=0.2), family(**MEAN_FLOW)
    with torch.no_grad():
        for parameter in parent.modules.parameters():  # convolutions that begin at zero would hide the rest
            parameter += 0.05 * torch.randn(parameter.shape, generator=rng(3))
    child.adopt(parent.modules.state_dict(), torch.empty(0))
    x, labels = torch.randn(6, 1, 32, 32, generator=rng(4)), torch.arange(6) % 4
    t = torch.linspace(0.2, 1, 6)
    for r in (t, torch.zeros(6), t / 2):
        expected = parent.mean_velocity(x, t, t, labels)
        torch.testing.assert_close(child.mean_velocity(x, r, t, labels), expected)
    assert expected.std() > 0.1
    again = family(**MEAN_FLOW)
    again.adopt(child.modules.state_dict(), torch.empty(0))
    assert all(torch.equal(a, b) for a, b in zip(again.modules.parameters(), child.modules.parameters(), strict=True))


def test_another_network_as_parent_is_refused():
    parent = family()
    with pytest.raises(ParamsError, match=r"^width: .*parent's network has .*; set width:"):
        flow.build(parse(FlowSettings, SETTINGS | {"width": 2 * SETTINGS["width"]}, "flow"), unet, 1, 4, parent)
    with pytest.raises(KeyError):
        family().adopt({"velocity.other": torch.zeros(1)}, torch.empty(0))
    with pytest.raises(KeyError):
        parent.adopt(family(**MEAN_FLOW).modules.state_dict(), torch.empty(0))
