"""EDM and consistency tuning: preconditioning, losses and pairs, against closed forms and diffusers."""

import math
from itertools import pairwise

import pytest
import torch
from diffusers import EDMEulerScheduler

import noise_trainings
from edm_settings import CONDITIONAL, CONSISTENCY, SETTINGS, Gaussian
from thirtytwo.models.contract import Batch
from thirtytwo.models.edm import model as edm
from thirtytwo.nets import conv_denoiser, unet
from thirtytwo.runtime.errors import ParamsError, Stopped
from thirtytwo.settings.edm import EDMSettings
from thirtytwo.settings.strict import parse
from thirtytwo.training.loop import initialise

DATA = Gaussian(0.3, 0.5)
SIGMAS = torch.logspace(-3, 2, 21, dtype=torch.float64)


def family(**changes):
    return initialise(lambda: edm.build(parse(EDMSettings, SETTINGS | changes, "edm"), unet, 1, 4), 0)


def batch(images, labels=None, progress=0.0):
    labels = torch.zeros(len(images), dtype=torch.int64) if labels is None else labels
    return Batch(images, labels, progress=progress, epoch=0, epochs=1.0)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def normals(seed, *shape):
    return torch.randn(shape, generator=rng(seed), dtype=torch.float64)


def column(sigma):
    return sigma.view(-1, 1, 1, 1)


class Given(torch.nn.Module):
    """A network that is a function of its inputs."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x, c_noise, labels):
        return self.function(x, c_noise, labels)


def given(function, **changes):
    model = family(**changes)
    model.modules["denoiser"] = Given(function)
    return model


def predicting(function, **changes):
    """A model with D(x; sigma) = function(x, sigma, labels)."""
    model = family(**changes)
    model.denoise = lambda x, sigma, labels: function(x, column(sigma), labels)
    return model


# ---- preconditioning


def test_scales_are_those_of_diffusers():
    x, F = normals(0, 21, 1, 4, 4), normals(1, 21, 1, 4, 4)
    seen = []
    model = given(lambda *inputs: seen.append(inputs) or F, sigma_data=0.7)
    D = model.denoise(x, SIGMAS, None)
    theirs = EDMEulerScheduler(sigma_data=0.7)
    torch.testing.assert_close(D, theirs.precondition_outputs(x, F, column(SIGMAS)))
    torch.testing.assert_close(seen[0][0], theirs.precondition_inputs(x, column(SIGMAS)))
    torch.testing.assert_close(seen[0][1], theirs.precondition_noise(SIGMAS))


def test_inputs_and_targets_of_the_network_have_variance_1():
    # Karras et al. 2022, appendix B.6, for data of variance sigma_data^2 and independent noise.
    c_skip, c_out, c_in, _ = edm.precondition(SIGMAS, 0.5)
    torch.testing.assert_close(c_in**2 * (0.25 + SIGMAS**2), torch.ones_like(SIGMAS))
    target = ((1 - c_skip) ** 2 * 0.25 + c_skip**2 * SIGMAS**2) / c_out**2  # (x_0 - c_skip x) / c_out
    torch.testing.assert_close(target, torch.ones_like(SIGMAS))


def test_loss_of_the_best_denoiser_is_1_at_every_level():
    # Var(x_0 | x) = s^2 sigma^2 / (s^2 + sigma^2), which is c_out^2 for sigma_data = s: the weighted loss is 1.
    model = predicting(lambda x, sigma, labels: DATA.denoise(x, sigma))
    x0, noise = 0.3 + 0.5 * normals(1, 21, 1, 32, 32), normals(2, 21, 1, 32, 32)
    errors = model._errors(x0, noise, SIGMAS, torch.zeros(21), 0)
    torch.testing.assert_close(errors, torch.ones_like(errors), rtol=0.15, atol=0)
    assert model.loss(batch(x0.repeat(40, 1, 1, 1)), rng())[0].item() == pytest.approx(1, rel=0.02)


def test_prediction_of_x0_is_the_image_itself_with_a_weight_of_1():
    x0, noise, image = normals(0, 21, 1, 4, 4), normals(1, 21, 1, 4, 4), normals(2, 21, 1, 4, 4)
    model = given(lambda x, c, labels: image, prediction="x0")
    assert torch.equal(model.denoise(x0, SIGMAS, None), image)
    errors = model._errors(x0, noise, SIGMAS, torch.zeros(21), 0)
    torch.testing.assert_close(errors, (image - x0).square().flatten(1).mean(1))


def test_noise_levels_are_log_normal():
    seen = []
    model = family(noise_mean=-0.4, noise_std=1.3)
    model._errors = lambda x0, noise, sigma, labels, stage: seen.append(sigma) or sigma
    model.loss(batch(torch.zeros(50_000, 1)), rng())
    model.validate(batch(torch.zeros(500, 1)), rng())
    for sigma, tolerance in zip(seen, (0.03, 0.03), strict=True):
        assert sigma.log().mean().item() == pytest.approx(-0.4, abs=tolerance)
        assert sigma.log().std().item() == pytest.approx(1.3, abs=tolerance)


def test_guidance_moves_the_image_away_from_the_unlabelled_one():
    # Ho & Salimans 2022, eq. 6.
    model = predicting(lambda x, sigma, labels: column(labels).double() + 0 * x, **CONDITIONAL)
    x, sigma, labels = normals(0, 3, 1, 4, 4), torch.ones(3).double(), torch.tensor([0, 1, 2])
    guided = model.classifier_free_guidance(1.5, labels)(x, sigma)
    assert guided[:, 0, 0, 0].tolist() == [2.5 * label - 1.5 * 4 for label in (0, 1, 2)]


def test_share_of_labels_is_dropped():
    seen = []
    model = given(lambda x, c, labels: seen.append(labels) or x, conditional=True, label_dropout=0.3)
    model.loss(batch(torch.zeros(5000, 1, 2, 2)), rng())
    assert (seen[0] == 4).double().mean().item() == pytest.approx(0.3, abs=0.03)


# ---- pairs of noise levels


def test_pairs_draw_near_from_zero():
    # Geng et al. 2024: r / t = 1 - n(t) / q^a with n(t) between 1 and 1 + k / 2, k = 8.
    assert (edm.earlier(SIGMAS, 0, 2.0) == 0).all()
    ratios = [edm.earlier(SIGMAS, stage, 2.0) / SIGMAS for stage in range(20)]
    for before, after in pairwise(ratios):
        assert ((after > before) | (after == 0)).all()
        assert (after < 1).all()
    assert (1 - ratios[-1] < 5 / 2**19 + 1e-12).all()
    torch.testing.assert_close(ratios[3][0], torch.tensor(1 - 5 / 8, dtype=torch.float64), rtol=0, atol=1e-3)
    torch.testing.assert_close(ratios[3][-1], torch.tensor(1 - 1 / 8, dtype=torch.float64), rtol=0, atol=1e-9)
    assert ratios[2][0] == 0  # 1 - 5 / 4 < 0
    torch.testing.assert_close(1 - edm.earlier(SIGMAS, 2, 4.0) / SIGMAS, 1 - ratios[4])  # 4^2 = 2^4


def test_stage_zero_is_denoising_with_either_weight():
    x0, noise, labels = normals(1, 21, 1, 4, 4), normals(2, 21, 1, 4, 4), torch.zeros(21)

    def errors(stage=0, **changes):
        return predicting(lambda x, sigma, labels: 0.3 * x + 0.1, **changes)._errors(x0, noise, SIGMAS, labels, stage)

    # lambda of denoising (Karras et al. 2022, table 1), 1 / t of tuning
    weight = (SIGMAS**2 + 0.25) / (0.5 * SIGMAS) ** 2
    torch.testing.assert_close(errors(objective="consistency") * SIGMAS, errors() / weight)
    torch.testing.assert_close(errors(objective="consistency", pair_weighting="denoising"), errors())
    assert not torch.allclose(errors(1, objective="consistency") * SIGMAS, errors() / weight, rtol=0.01)


def test_the_path_to_its_end_has_no_loss():
    # The end of the probability flow of one image's own noise, x_0, is the same at every level on its straight path.
    x0, noise, labels = normals(1, 21, 1, 4, 4), normals(2, 21, 1, 4, 4), torch.zeros(21)
    for stage in (0, 3, 8):
        exact = predicting(lambda x, sigma, labels: x - sigma * noise[-len(x) :], objective="consistency")
        close = exact._errors(x0, noise, SIGMAS, labels, stage)
        torch.testing.assert_close(close, torch.zeros_like(close), rtol=0, atol=1e-9)


def test_target_has_no_gradient():
    # D = w x: the loss (w x_t - sg(w x_r))^2 / (t - r) has the slope 2 x_t (w x_t - w x_r) / (t - r).
    w = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    x0, noise, t = normals(1, 6, 1, 1, 1), normals(2, 6, 1, 1, 1), torch.linspace(0.5, 8, 6).double()
    model = predicting(lambda x, sigma, labels: w * x, objective="consistency")
    (slope,) = torch.autograd.grad(model._errors(x0, noise, t, torch.zeros(6), 4).sum(), w)
    r = edm.earlier(t, 4, 2.0)
    assert (r > 0).all()
    x_t, x_r = (x0[:, 0, 0, 0] + level * noise[:, 0, 0, 0] for level in (t, r))
    torch.testing.assert_close(slope, (2 * x_t * 0.7 * (x_t - x_r) / (t - r)).sum())


def test_both_predictions_of_a_pair_drop_the_same_units():
    masks = []

    def dropped(x, c_noise, labels):
        masks.append(torch.nn.functional.dropout(torch.ones_like(x), 0.5))
        return masks[-1]

    model = given(dropped, objective="consistency", dropout=0.5)
    x0, noise, labels = normals(1, 21, 1, 4, 4), normals(2, 21, 1, 4, 4), torch.zeros(21)
    for _ in range(2):
        model._errors(x0, noise, SIGMAS, labels, 2)
    assert len(masks) == 4
    assert masks[0].unique().tolist() == [0.0, 2.0]
    assert torch.equal(masks[0], masks[1])
    assert torch.equal(masks[2], masks[3])
    assert not torch.equal(masks[0], masks[2])


def test_stage_follows_the_progress_of_the_training():
    seen = []
    model = family(**CONSISTENCY, stages=4)
    model._errors = lambda x0, noise, sigma, labels, stage: seen.append(stage) or sigma
    for step in range(200):
        model.loss(batch(torch.zeros(2, 1), progress=step / 200), rng())
    model.validate(batch(torch.zeros(2, 1), progress=1.0), rng())
    assert seen == [0] * 50 + [1] * 50 + [2] * 50 + [3] * 51


def test_pseudo_huber_distance_is_half_a_square_over_c_for_small_errors_and_the_error_for_large_ones():
    model = family(**CONSISTENCY, huber=0.1)
    difference = torch.tensor([1e-4, 1e3]).double().view(2, 1, 1, 1).expand(2, 1, 4, 4)
    small, large = model._distance(difference).tolist()
    assert small == pytest.approx(1e-8 / (2 * 0.1), rel=1e-5)
    assert large == pytest.approx(1e3 - 0.1, rel=1e-7)


# ---- training


@pytest.fixture(scope="module")
def data():
    return noise_trainings.gray_images()


def trained(data, folder, stop_at=None, **changes):
    settings = parse(EDMSettings, SETTINGS | changes, "edm")
    return noise_trainings.trained(family(**changes), settings, data, folder, stop_at)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("changes", [CONDITIONAL, CONSISTENCY])
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
@pytest.mark.parametrize("changes", [{}, CONSISTENCY | {"noise_mean": 1.0, "stages": 1, "distance": "squared"}])
def test_training_reduces_the_loss(changes, data, tmp_path):
    state = trained(data, tmp_path, steps=30, validate_every=15, **changes)
    start = family(**changes).validate(
        batch(torch.from_numpy(data.images[45:]).permute(0, 3, 1, 2) / 127.5 - 1, torch.from_numpy(data.labels[45:])),
        rng(),
    )
    assert state.validation[-1]["loss"] < 0.8 * start["loss"].item()


# ---- beginning with another run's weights


def test_tuning_begins_with_the_denoiser_of_its_parent():
    parent, child = family(**CONDITIONAL), family(**CONSISTENCY)
    with torch.no_grad():
        for parameter in parent.modules.parameters():  # convolutions that begin at zero would hide the rest
            parameter += 0.05 * torch.randn(parameter.shape, generator=rng(3))
    child.adopt(parent.modules.state_dict(), torch.empty(0))
    x, sigma, labels = torch.randn(6, 1, 32, 32, generator=rng(4)), torch.linspace(0.1, 10, 6), torch.arange(6) % 4
    expected = parent.denoise(x, sigma, labels)
    assert torch.equal(child.denoise(x, sigma, labels), expected)
    assert not torch.equal(family(**CONSISTENCY).denoise(x, sigma, labels), expected)


def test_another_network_as_parent_is_refused():
    for key, value in (("width", 16), ("sigma_data", 0.7), ("prediction", "x0")):
        with pytest.raises(ParamsError, match=rf"^{key}: .*parent's network has .*; set {key}:"):
            edm.build(parse(EDMSettings, SETTINGS | {key: value}, "edm"), unet, 1, 4, family())
    with pytest.raises(RuntimeError):
        family().adopt({"denoiser.other": torch.zeros(1)}, torch.empty(0))


# ---- errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": "consistency", "prediction": "x0"}, "prediction"),
        ({"label_dropout": 0.1}, "conditional"),
        ({"objective": "flow"}, "objective"),
        ({"stage_factor": 1.0}, "stage_factor"),
    ],
)
def test_contradicting_settings_are_refused(changes, message):
    with pytest.raises(ParamsError, match=message):
        parse(EDMSettings, SETTINGS | changes, "edm")


def test_other_networks_fit():
    model = edm.build(parse(EDMSettings, SETTINGS, "edm"), conv_denoiser, 1, 4)
    assert model.denoise(torch.zeros(2, 1, 32, 32), torch.ones(2), None).shape == (2, 1, 32, 32)
