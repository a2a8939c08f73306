"""MIG, DCI and SAP of codes that are the factors, mixtures of them, and nothing of them."""

import math

import numpy as np
import pytest

from thirtytwo.evaluate.disentanglement import (
    dci,
    disentanglement,
    mutual_information_gap,
    separated_attribute_predictability,
)
from thirtytwo.runtime.errors import EvaluationError


@pytest.fixture(scope="module")
def factors() -> np.ndarray:
    """[1200, 4]: a category of 5, one of 6, two continuous ones; the number of images that `shapes` holds out."""
    rng = np.random.default_rng(0)
    return np.stack(
        [rng.integers(0, 5, 1200), rng.integers(0, 6, 1200), rng.uniform(0.4, 0.6, 1200), rng.uniform(-0.35, 0.35, 1200)],
        axis=1,
    ).astype(np.float64)  # fmt: skip


def test_codes_that_are_the_factors_score_one(factors):
    rng = np.random.default_rng(1)
    codes = np.column_stack([factors[:, [3, 0, 2, 1]] * [9, -1, 30, 2], rng.standard_normal((1200, 4))])
    scores = disentanglement(codes, factors)
    assert scores["dci_disentanglement"] > 0.95
    assert scores["dci_completeness"] > 0.95
    assert scores["dci_informativeness"] > 0.98
    assert scores["mig"] > 0.9
    assert scores["sap"] > 0.75  # accuracy of a category by an unrelated code is 1/5, so that its gap is at most 4/5


def test_turned_codes_tell_as_much_but_are_not_disentangled(factors):
    aligned = (factors - factors.mean(0)) / factors.std(0)
    turned = aligned @ (np.kron([[1, 1], [1, -1]], [[1, 1], [1, -1]]) / 2)  # Hadamard: each code has all factors alike
    scores, straight = disentanglement(turned, factors), disentanglement(aligned, factors)
    assert straight["dci_disentanglement"] > 0.95
    assert scores["dci_disentanglement"] < 0.25
    assert scores["dci_completeness"] < 0.25
    assert scores["mig"] < 0.05
    assert scores["sap"] < 0.05
    assert scores["dci_informativeness"] > 0.5


def test_unrelated_codes_score_zero(factors):
    scores = disentanglement(np.random.default_rng(2).standard_normal((1200, 16)), factors)
    assert scores["mig"] < 0.03
    assert scores["sap"] < 0.04
    assert scores["dci_informativeness"] < 0.03
    assert scores["dci_disentanglement"] < 0.1


def test_a_factor_told_by_two_codes_lacks_completeness_and_gap_but_not_disentanglement(factors):
    codes = np.column_stack([factors, factors])
    scores = disentanglement(codes, factors)
    assert scores["mig"] == pytest.approx(0, abs=1e-9)
    assert scores["sap"] == pytest.approx(0, abs=1e-9)
    assert scores["dci_disentanglement"] > 0.95
    assert scores["dci_completeness"] < 0.9


def test_gap_of_a_noisy_copy_is_the_information_of_its_channel():
    # v is a fair bit, z_0 a copy that is wrong with probability 0.1, z_1 unrelated: (H(v) - H(0.1)) / H(v)
    rng = np.random.default_rng(0)
    v = rng.integers(0, 2, 100_000)
    codes = np.column_stack([v ^ (rng.random(100_000) < 0.1), rng.integers(0, 2, 100_000)]).astype(float)
    noise = -(0.1 * math.log2(0.1) + 0.9 * math.log2(0.9))
    assert mutual_information_gap(codes, v[:, None].astype(float)) == pytest.approx(1 - noise, abs=0.01)


def test_sap_of_correlated_codes_is_the_gap_of_squared_correlations():
    rng = np.random.default_rng(0)
    v = rng.standard_normal(100_000)
    codes = np.column_stack([v + rng.standard_normal(100_000), v + 3 * rng.standard_normal(100_000)])
    assert separated_attribute_predictability(codes, v[:, None]) == pytest.approx(1 / 2 - 1 / 10, abs=0.01)


def test_dci_of_known_importances():
    """Two codes, one factor told by both alike: each code is of one factor alone, the factor is spread evenly."""
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((1200, 2))
    factors = np.column_stack([codes.sum(1), rng.standard_normal(1200)])
    scores = dci(codes, factors)
    assert scores["dci_completeness"] < 0.05
    single = dci(codes, codes.sum(1)[:, None])
    assert single["dci_disentanglement"] == pytest.approx(1)
    assert single["dci_completeness"] < 0.05


def test_codes_and_factors_that_never_change_are_left_out(factors):
    codes = np.column_stack([factors, np.zeros(1200)])
    both = disentanglement(codes, np.column_stack([factors, np.full(1200, 3.0)]))
    assert both == disentanglement(factors, factors)


def test_too_little_to_judge_is_refused(factors):
    with pytest.raises(EvaluationError, match="20 images, 2 codes and 1 factor"):
        disentanglement(factors[:10], factors[:10])
    with pytest.raises(EvaluationError, match="20 images, 2 codes and 1 factor"):
        disentanglement(factors[:, :1], factors)
    with pytest.raises(EvaluationError, match="expected codes"):
        disentanglement(factors[:50], factors)
