"""The distance from equilibrium, against Gaussians whose optimal discriminator and divergence are known."""

import math

import numpy as np
import pytest

from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate.equilibrium import equilibrium, js_bound
from thirtytwo.runtime.errors import EvaluationError


def gaussians(shift: float, count: int = 400_000) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Samples of p = N(shift/2, 1) and q = N(-shift/2, 1), and D* = 1 / (1 + exp(-shift x)) at both."""
    rng = np.random.default_rng(0)
    p, q = rng.standard_normal(count) + shift / 2, rng.standard_normal(count) - shift / 2
    return p, q, 1 / (1 + np.exp(-shift * p)), 1 / (1 + np.exp(-shift * q))


def divergence(shift: float) -> float:
    """Jensen-Shannon divergence of the two Gaussians in bits, by quadrature."""
    x = np.linspace(-14, 14, 200_001)
    p, q = (np.exp(-((x - m) ** 2) / 2) / math.sqrt(2 * math.pi) for m in (shift / 2, -shift / 2))
    middle = (p + q) / 2
    return float(np.trapezoid(0.5 * p * np.log2(p / middle) + 0.5 * q * np.log2(q / middle), x))


@pytest.mark.parametrize("shift", [0.5, 1.0, 3.0])
def test_bound_is_the_divergence_at_the_optimal_discriminator_and_lower_at_any_other(shift):
    p, q, real, fake = gaussians(shift)
    bound = js_bound(real, fake)
    assert bound.value == pytest.approx(divergence(shift), abs=5e-3)
    assert bound.low < divergence(shift) < bound.high
    for scale in (0.5, 2.0):
        other = 1 / (1 + np.exp(-scale * shift * p)), 1 / (1 + np.exp(-scale * shift * q))
        assert js_bound(*other).value < bound.value


def test_equal_distributions_are_the_equilibrium():
    half = np.full(1000, 0.5)
    rng = np.random.default_rng(1)
    guess = rng.uniform(0.45, 0.55, 1000), rng.uniform(0.45, 0.55, 1000)
    scores = equilibrium((half, half), guess, 100, gives_probability=True).scores
    assert scores["c2st_accuracy"].low < 0.5 < scores["c2st_accuracy"].high
    assert scores["js_bound_bits"].value == pytest.approx(0, abs=1e-2)
    assert scores["d_gap"] == pytest.approx(0.025, abs=2e-3)


def test_accuracy_and_gap_of_known_gaussians():
    _, _, real, fake = gaussians(1.0)
    trained = np.full(len(real), 0.5)
    scores = equilibrium((trained, trained), (real, fake), 100, gives_probability=True).scores
    phi = 0.5 * (1 + math.erf(0.5 / math.sqrt(2)))  # the Bayes rate of two normals one standard deviation apart
    assert scores["c2st_accuracy"].value == pytest.approx(phi, abs=3e-3)
    expected = np.abs(np.concatenate([real, fake]) - 0.5).mean()
    assert scores["d_gap"] == pytest.approx(expected)


def test_smoothed_targets_do_not_count_as_a_gap():
    _, _, real, fake = gaussians(1.0, 5000)
    smoothed = tuple(0.1 + (0.9 - 0.1) * d for d in (real, fake))
    scores = equilibrium(smoothed, (real, fake), 100, gives_probability=True, targets=(0.1, 0.9)).scores
    assert scores["d_gap"] == pytest.approx(0, abs=1e-12)
    assert scores["d_accuracy"] == pytest.approx(scores["c2st_accuracy"].value)
    assert equilibrium(smoothed, (real, fake), 100, gives_probability=True).scores["d_gap"] > 0.01


def test_one_confident_error_does_not_hide_the_bound():
    real, fake = np.full(1000, 0.99), np.full(1000, 0.01)
    real[0] = 0.0
    assert js_bound(real, fake).value > 0.97
    assert js_bound(np.zeros(1000), np.ones(1000)) == Estimate(0.0, 0.0, 0.0)


def test_the_protocol_holds_what_the_power_depends_on():
    half = np.full(50, 0.5)
    assert equilibrium((half, half), (half, half), 70, True).protocol == {"c2st_steps": 70, "c2st_n": 50}


def test_a_critic_has_no_gap():
    real = np.array([3.0, 4.0])
    scores = equilibrium((real, -real), (real / 10, real / 10), 100, gives_probability=False).scores
    assert (scores["d_real"], scores["d_fake"]) == (3.5, -3.5)
    assert not {"d_gap", "d_accuracy"} & scores.keys()


def test_broken_input_is_refused():
    with pytest.raises(EvaluationError, match="of one length"):
        equilibrium((np.ones(2), np.ones(3)), (np.ones(2), np.ones(2)), 100, True)
    with pytest.raises(EvaluationError, match=r"probabilities in \[0, 1\]"):
        equilibrium((np.ones(2), np.ones(2)), (np.array([0.5, 1.5]), np.ones(2)), 100, True)
