"""Kernel distance against a direct double sum, another package and repeated draws."""

import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import kid_features_to_metric

from thirtytwo.evaluate import kid
from thirtytwo.runtime.errors import EvaluationError


def scored(samples: np.ndarray, reference: np.ndarray) -> tuple[float, float, float]:
    estimate = kid.kid(kid.among(samples), kid.means_to(samples, reference), kid.mean_among(reference))
    return estimate.value, estimate.low, estimate.high


def drawn(count: int, dimensions: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dimensions)).clip(-0.5) + shift


def test_all_pairs_of_different_features_are_summed_once(monkeypatch):
    monkeypatch.setattr(kid, "_ROWS", 5)  # blocks of 5 rows, the last one smaller
    x, y = drawn(37, 4, 1), drawn(23, 4, 2, 0.3)
    kernel = lambda a, b: (sum(a[i] * b[i] for i in range(4)) / 4 + 1) ** 3  # noqa: E731
    among = sum(kernel(x[i], x[j]) for i in range(37) for j in range(37) if i != j) / (37 * 36)
    others = sum(kernel(y[i], y[j]) for i in range(23) for j in range(23) if i != j) / (23 * 22)
    across = sum(kernel(a, b) for a in x for b in y) / (37 * 23)
    assert scored(x, y)[0] == pytest.approx(among + others - 2 * across, abs=1e-12)


@pytest.mark.parametrize("dimensions", [3, 200])
def test_torch_fidelity_agrees_on_one_full_subset(dimensions):
    x, y = drawn(150, dimensions, 3), drawn(150, dimensions, 4, 0.1)
    theirs = kid_features_to_metric(
        torch.from_numpy(x), torch.from_numpy(y), kid_subsets=1, kid_subset_size=150, kid_kernel="poly",
        kid_kernel_poly_degree=3, kid_kernel_poly_gamma=None, kid_kernel_poly_coef0=1, rng_seed=1, verbose=False,
    )  # fmt: skip
    assert scored(x, y)[0] == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-10)


def test_the_interval_is_the_jackknife_s_with_pairs_counted_once():
    x, y = drawn(30, 5, 5), drawn(20, 5, 6, 0.2)
    without = np.array([scored(np.delete(x, i, axis=0), y)[0] for i in range(30)])
    variance = 29 / 30 * np.square(without - without.mean()).sum() - kid.among(x).second_order
    value, low, high = scored(x, y)
    half = 1.96 * np.sqrt(variance)
    assert (value - low, high - value) == pytest.approx((half, half), rel=1e-9)


def effects(first: np.ndarray, second: np.ndarray, same: bool) -> np.ndarray:
    """Pairs, and the design matrix of a mean and the effect of each of both samples."""
    rows = [(i, j) for i in range(len(first)) for j in range(i if same else len(second))]
    design = np.zeros((len(rows), 1 + len(first) + (0 if same else len(second))))
    for row, (i, j) in enumerate(rows):
        design[row, [0, 1 + i, 1 + (j if same else len(first) + j)]] = 1
    return np.array(rows), design


def test_what_pairs_add_is_left_by_least_squares_in_each_block_of_classes():
    x = drawn(20, 3, 5)
    strata = np.repeat([0, 1, 2, 3], [8, 6, 5, 1])  # nothing can be told of a class of one
    kernel, expected = (x @ x.T / 3 + 1) ** 3, 0.0
    for g, n in enumerate((8, 6, 5)):
        for h, m in enumerate((8, 6, 5)):
            first, second = np.flatnonzero(strata == g), np.flatnonzero(strata == h)
            pairs, design = effects(first, second, g == h)
            values = kernel[first[pairs[:, 0]], second[pairs[:, 1]]]
            left = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
            mean_square = np.square(left).sum() / (len(values) - np.linalg.matrix_rank(design))
            expected += 2 * (n / 20) ** 2 * (m / 20) ** 2 * mean_square / (n * (n - 1) if g == h else n * m)
    assert kid.among(x, strata).second_order == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("shift", [0.5, 0.0])  # at 0 the first order vanishes
def test_unbiased_and_its_interval_as_wide_as_the_spread_of_draws(shift):
    reference, mean = drawn(4000, 6, 7), kid.mean_among(drawn(4000, 6, 7))
    draws = [drawn(100, 6, 100 + seed, shift) for seed in range(300)]
    found = [kid.kid(kid.among(x), kid.means_to(x, reference), mean) for x in draws]
    values, halves = (np.array(column) for column in zip(*[(e.value, e.high - e.value) for e in found], strict=True))
    truth = scored(drawn(4000, 6, 8, shift), reference)[0]
    assert values.mean() == pytest.approx(truth, abs=4 * values.std() / np.sqrt(300) + 0.02 * truth + 0.002)
    assert 0.85 * values.std() < halves.mean() / 1.96 < 1.2 * values.std()


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(EvaluationError, match="1 feature vectors"):
        kid.among(drawn(1, 3, 1))
    with pytest.raises(EvaluationError, match="3 and 4 dimensions"):
        kid.means_to(drawn(5, 3, 1), drawn(5, 4, 1))
    with pytest.raises(EvaluationError, match="at least 3"):
        scored(drawn(2, 3, 1), drawn(5, 3, 2))


def draw_by_class(count: int, seed: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Features [count * classes, 3] around a centre for each class, and the classes."""
    strata = np.repeat(np.arange(classes), count)
    centres = 2 * np.random.default_rng(9).standard_normal((classes, 3))
    return drawn(len(strata), 3, seed) + centres[strata], strata


def test_pairs_of_one_class_have_the_weight_of_independent_draws():
    x, strata = draw_by_class(5, 1)
    x, strata = x[:17], strata[:17]  # classes of 5, 5, 5 and 2
    kernel = (x @ x.T / 3 + 1) ** 3
    expected = 0.0
    for first in range(4):
        for second in range(4):
            pairs = [
                kernel[i, j]
                for i in np.flatnonzero(strata == first)
                for j in np.flatnonzero(strata == second)
                if i != j
            ]
            expected += np.mean(pairs) * (strata == first).mean() * (strata == second).mean()
    assert kid.mean_among(x, strata) == pytest.approx(expected, rel=1e-12)
    assert kid.mean_among(x, np.zeros(17, np.int64)) == pytest.approx(kid.mean_among(x), rel=1e-12)


def test_a_fixed_number_in_each_class_does_not_bias_it_and_its_interval_is_that_of_such_draws():
    reference, labels = draw_by_class(400, 3)
    plain_mean, mean = kid.mean_among(reference), kid.mean_among(reference, labels)
    plain, weighted = [], []
    for seed in range(150):
        x, strata = draw_by_class(25, 100 + seed)
        x = x + 0.4
        to = kid.means_to(x, reference)
        plain.append(kid.kid(kid.among(x), to, plain_mean).value)
        weighted.append(kid.kid(kid.among(x, strata), to, mean, strata))
    values = np.array([estimate.value for estimate in weighted])
    error = values.std() / np.sqrt(150)
    shifted = draw_by_class(400, 4)[0] + 0.4
    truth = kid.kid(kid.among(shifted, labels), kid.means_to(shifted, reference), mean, labels).value
    assert values.mean() == pytest.approx(truth, abs=4 * error + 0.03 * truth)
    assert np.mean(plain) < values.mean() - 5 * error
    half = np.mean([estimate.high - estimate.value for estimate in weighted])
    assert 0.85 * values.std() < half / 1.96 < 1.25 * values.std()
