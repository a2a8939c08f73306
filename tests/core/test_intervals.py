"""Intervals against printed tables, scipy and repeated draws."""

import numpy as np
import pytest
from scipy import stats

from thirtytwo.core.intervals import (
    Estimate,
    bootstrap,
    jackknife,
    mean,
    mean_error,
    over_trainings,
    read,
    share,
)


def test_interval_of_three_by_the_printed_table():
    # 4.303 is t for 0.975 and 2 degrees of freedom in any table; mean 2, standard deviation 1
    estimate = over_trainings([1.0, 2.0, 3.0])
    assert estimate.value == 2
    half = 4.303 / np.sqrt(3)
    assert [estimate.low, estimate.high] == pytest.approx([2 - half, 2 + half], rel=1e-3)


@pytest.mark.parametrize("m", [2, 3, 7])
def test_interval_is_that_of_the_one_sample_t_test(m: int):
    values = np.random.default_rng(m).gamma(2.0, size=m)
    estimate = over_trainings(list(values))
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert [estimate.low, estimate.high] == pytest.approx([expected.low, expected.high], rel=1e-12)


def test_interval_holds_the_truth_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(5.0, 2.0, (3, 4000))
    estimates = [over_trainings(list(values)) for values in draws.T]
    share = np.mean([estimate.low <= 5 <= estimate.high for estimate in estimates])
    assert share == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / 4000))


def test_bootstrap_of_a_mean_is_its_normal_interval():
    values = np.random.default_rng(0).standard_normal(400)
    estimate = bootstrap(lambda i: values[i].mean(), values.mean(), 400, 2000, 1)
    half = 1.96 * values.std(ddof=1) / 20
    assert (estimate.low, estimate.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)
    assert bootstrap(lambda i: values[i].mean(), values.mean(), 400, 50, 1) == bootstrap(
        lambda i: values[i].mean(), values.mean(), 400, 50, 1
    )


def test_the_interval_of_a_mean_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(2)
    estimates = [mean(rng.exponential(size=200)) for _ in range(500)]
    assert 0.91 < np.mean([estimate.low < 1 < estimate.high for estimate in estimates]) < 0.975


def test_one_training_has_no_interval():
    assert over_trainings([3.0]) == Estimate(3.0)


def test_the_columns_of_a_table_give_the_estimate():
    row = {"a": 1.0, "a_low": 0.5, "a_high": 2.0, "n": 7, "b": None}
    assert [read(row, name) for name in ("a", "b", "c")] == [Estimate(1.0, 0.5, 2.0), Estimate(None), Estimate(None)]


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (Estimate(0.96104, 0.95163, 0.96862), Estimate(0.961, 0.952, 0.969)),
        (Estimate(1234.5, 1100.0, 1360.0), Estimate(1234.0, 1100.0, 1360.0)),
        (Estimate(51.458526), Estimate(51.46)),
        (Estimate(0.5, 0.5, 0.5), Estimate(0.5, 0.5, 0.5)),
        (Estimate(None), Estimate(None)),
    ],
)
def test_rounding_keeps_two_digits_of_the_interval(estimate: Estimate, expected: Estimate):
    assert estimate.rounded() == expected


def test_a_shift_moves_all_that_is_known():
    assert Estimate(1.0, 0.5) + 2 == Estimate(3.0, 2.5)
    assert Estimate(1.0, 0.5, 3.0) - 1 == Estimate(0.0, -0.5, 2.0)


# Samples with a fixed number in each class: the intervals must have the spread of new draws of the same kind

STRATA = np.repeat(np.arange(4), [30, 60, 60, 50])
LEVELS = np.array([0.0, 3.0, -3.0, 6.0])


def by_class(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(200) + LEVELS[STRATA]


def test_only_the_spread_within_classes_counts_where_their_sizes_are_fixed():
    spread = np.std([by_class(seed).mean() for seed in range(4000)])
    assert mean_error(by_class(1), STRATA) == pytest.approx(spread, rel=0.1)
    assert mean_error(by_class(1)) > 2 * spread
    values = by_class(1)
    without = (values.sum() - values) / 199
    expected = mean(values, STRATA)
    assert jackknife(values.mean(), without, STRATA).high == pytest.approx(expected.high, rel=1e-9)
    resampled = bootstrap(lambda i: values[i].mean(), values.mean(), 200, 2000, 1, STRATA)
    assert resampled.high - resampled.low == pytest.approx(2 * 1.96 * spread, rel=0.15)


def test_one_class_is_no_class():
    values, alone = by_class(2), np.zeros(200, np.int64)
    assert mean_error(values, alone) == pytest.approx(mean_error(values), rel=1e-12)
    hits = values > 1
    assert share(hits, alone).low == pytest.approx(share(hits).low, rel=1e-2)  # n - 1 for n
    without = np.random.default_rng(0).standard_normal(200)
    assert jackknife(1.0, without, alone).high == pytest.approx(jackknife(1.0, without).high, rel=1e-12)
    score = lambda i: values[i].mean()  # noqa: E731
    assert bootstrap(score, 0.0, 200, 50, 1, alone) == bootstrap(score, 0.0, 200, 50, 1)


def test_a_share_of_classes_that_differ_is_known_better():
    chances = np.array([0.02, 0.9, 0.99, 0.1])[STRATA]
    draws = [np.random.default_rng(seed).random(200) < chances for seed in range(1500)]
    estimates = [share(hits, STRATA) for hits in draws]
    covered = np.mean([estimate.low <= chances.mean() <= estimate.high for estimate in estimates])
    assert 0.92 < covered < 0.98
    plain = [share(hits) for hits in draws]
    assert np.mean([one.high - one.low for one in estimates]) < 0.65 * np.mean([one.high - one.low for one in plain])
