"""Which of two runs is better: against a test of two means, and refused where scores are of different protocols."""

import numpy as np
import pytest
from scipy import stats

from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate.comparison import PROTOCOL, SecondOpinion, compare, differences, rank, second_opinion
from thirtytwo.evaluate.scorecard import Fact, Measured
from thirtytwo.runtime.errors import EvaluationError

SAME: dict[str, Fact] = dict.fromkeys(PROTOCOL, "same")
SAME |= {"prdc_k": 5, "prdc_n": 9, "prdc_reference_n": 9}


def run(value: float, low: float | None, high: float | None, score: str = "fd_classifier", **facts: Fact) -> Measured:
    return Measured({score: Estimate(value, low, high)}, SAME | facts)


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_test_of_two_means_for_symmetric_intervals(seed):
    rng = np.random.default_rng(seed)
    means, errors = rng.standard_normal(2), rng.uniform(0.2, 0.6, 2)
    a, b = (run(m, m - 1.96 * e, m + 1.96 * e) for m, e in zip(means, errors, strict=True))
    p = 2 * stats.norm.sf(abs(means[0] - means[1]) / np.hypot(*errors))
    found = compare(a, b, "fd_classifier")
    assert (found.verdict != "tie") == (p < 0.05)
    if p < 0.05:
        assert found.verdict == ("a" if means[0] < means[1] else "b")
    assert (found.difference.high - found.difference.low) / 2 == pytest.approx(1.96 * np.hypot(*errors))
    assert found.difference.value == pytest.approx(means[0] - means[1])


def test_asymmetric_intervals_count_on_the_side_that_matters():
    wide_above = run(1.0, 0.9, 3.0)
    assert compare(wide_above, run(2.0, 1.9, 2.1), "fd_classifier").verdict == "tie"
    assert compare(run(1.0, -1.0, 1.1), run(2.0, 1.9, 2.1), "fd_classifier").verdict == "a"


@pytest.mark.parametrize(("score", "verdict"), [("kid_classifier", "a"), ("coverage", "b"), ("accuracy", "b")])
def test_better_is_lower_or_higher_as_the_score_has_it(score, verdict):
    low, high = run(0.2, 0.15, 0.25, score), run(0.8, 0.75, 0.85, score)
    assert compare(low, high, score).verdict == verdict
    assert "beyond chance" in compare(low, high, score).reason
    assert compare(high, low, score).verdict == {"a": "b", "b": "a"}[verdict]


def test_a_range_of_outcomes_is_not_compared_as_an_interval():
    marks = run(0.2, 0.1, 0.3, "best_of_5_accuracy")
    with pytest.raises(EvaluationError, match=r"best_of_5_accuracy.*range of outcomes.*compare accuracy"):
        compare(marks, marks, "best_of_5_accuracy")


@pytest.mark.parametrize("key", PROTOCOL)
def test_scores_of_different_protocols_are_refused(key):
    found = compare(run(1, 0, 2), run(9, 8, 10, **{key: "other"}), "fd_classifier")
    assert found.verdict == "incomparable"
    assert found.difference is None
    words = PROTOCOL[key]
    assert found.reason == f"{words[0].upper()}{words[1:]} differs (same for the first; other for the second)."


def test_each_score_has_its_own_protocol():
    assert compare(run(0.2, 0.1, 0.3, "recall"), run(0.9, 0.8, 1, "recall", prdc_n=8), "recall").verdict == (
        "incomparable"
    )
    assert compare(run(2, 1, 3), run(9, 8, 10, prdc_n=8), "fd_classifier").verdict == "a"
    a, b = run(2, 1, 3, "fid", fid_n=1000), run(9, 8, 10, "fid", fid_n=2000)
    assert "1000 for the first; 2000 for the second" in compare(a, b, "fid").reason


def test_what_is_missing_is_named():
    without = run(1, 0, None)
    assert compare(run(1, 0, 2), without, "fd_classifier").reason == "the second has no interval of fd_classifier."
    assert compare(Measured({}, SAME), run(1, 0, 2), "fd_classifier").reason == "the first has no fd_classifier."
    with pytest.raises(EvaluationError, match=r"'fdd'.*fd_classifier"):
        compare(run(1, 0, 2), run(1, 0, 2), "fdd")


def test_what_the_intervals_are_over_is_said():
    seeds = run(2, 1, 3, interval_over="training seeds")
    assert "(intervals over samples and training seeds)" in compare(run(1, 0, 2), seeds, "fd_classifier").reason


def test_differences_name_every_value_with_its_runs():
    scores = {"x": {"n": 1}, "y": {"n": 2}, "z": {"n": 1}}
    assert differences(scores, {"n": "N"}) == ("N differs (1 for x, z; 2 for y)",)
    assert differences({"x": {"n": 1}}, {"n": "N"}) == ()


def estimates(values: np.ndarray, errors: np.ndarray) -> dict[str, Estimate]:
    return {
        str(place): Estimate(value, value - 1.96 * error, value + 1.96 * error)
        for place, (value, error) in enumerate(zip(values, errors, strict=True))
    }


@pytest.mark.parametrize("count", [3, 7])
def test_among_many_runs_each_difference_is_as_wide_as_tukeys(count):
    expected = stats.studentized_range.ppf(0.95, count, np.inf) / np.sqrt(2) / 1.96
    assert rank(estimates(np.arange(count), np.ones(count)), lower=True).factor == pytest.approx(expected, rel=0.01)
    assert rank(estimates(np.arange(2), np.ones(2)), lower=True).factor == 1


@pytest.mark.parametrize("errors", [np.ones(5), np.array([0.2, 0.5, 1, 1, 3])])
def test_among_equal_runs_a_difference_is_claimed_in_a_twentieth_of_cases(errors):
    rng, trials = np.random.default_rng(1), 300
    claimed = np.mean(
        [len(rank(estimates(rng.normal(0, errors), errors), lower=True).better) > 0 for _ in range(trials)]
    )
    assert claimed <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)
    assert claimed > 0.01


def test_the_best_leads_alone_where_it_beats_all_others():
    values = estimates(np.array([5.0, 1.0, 9.0, 5.4]), np.full(4, 0.4))
    lowest = rank(values, lower=True)
    assert (lowest.order, lowest.leaders) == (("1", "0", "3", "2"), ("1",))
    assert ("0", "2") in lowest.better
    assert ("0", "3") not in lowest.better
    highest = rank(values, lower=False)
    assert (highest.order, highest.leaders) == (("2", "3", "0", "1"), ("2",))
    tied = rank(estimates(np.array([1.0, 1.5, 9.0]), np.full(3, 0.4)), lower=True)
    assert tied.leaders == ("0", "1")
    with pytest.raises(EvaluationError, match="gan: "):
        rank({"gan": Estimate(1.0), "vae": Estimate(2.0, 1.0, 3.0)}, lower=True)


def twice(first: float, second: float | None, **facts: Fact) -> Measured:
    """A run by both classifiers, each with an interval of 1 on each side."""
    scores = {"fd_classifier": Estimate(first, first - 1, first + 1)}
    if second is not None:
        scores["fd_second"] = Estimate(second, second - 1, second + 1)
    return Measured(scores, SAME | {"second_sha256": "same"} | facts)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (20, ""),
        (1, "but by the second classifier (`fd_second`) `a` is worse than `b`"),
        (10.5, "but by the second classifier (`fd_second`) `a` cannot be told from `b`"),
    ],
)
def test_the_second_classifier_confirms_reverses_or_leaves_open(second, words):
    runs = {"a": twice(10, 10), "b": twice(20, second)}
    found = second_opinion(runs, [("a", "b")])
    assert found.asked
    assert found.doubts == bool(words)
    assert found.clause("`") == words
    verdict = compare(runs["a"], runs["b"], "fd_second").verdict
    assert verdict == {20: "a", 1: "b", 10.5: "tie"}[second]


def test_no_difference_is_none_to_confirm():
    assert second_opinion({"a": twice(10, 10), "b": twice(10.5, 1)}, []) == SecondOpinion(asked=True)


def test_of_many_runs_each_pair_is_confirmed_or_not():
    seconds = {"a": 10, "b": 40, "c": 1, "d": 10.5}
    runs = {name: twice(10 * place, second) for place, (name, second) in enumerate(seconds.items())}
    better = rank({name: one.estimate("fd_classifier") for name, one in runs.items()}, lower=True).better
    assert len(better) == 6
    found = second_opinion(runs, better)
    assert found.reversed == {("a", "c"), ("b", "c"), ("b", "d")}
    assert found.unconfirmed == {("a", "d")}
    assert found.of(["a"]).clause() == (
        "but by the second classifier (fd_second) a is worse than c, and a cannot be told from d"
    )
    assert "b is worse than c and d" in found.clause()
    assert not found.of(["c"]).doubts


def test_the_second_classifier_has_no_opinion_without_its_score_or_across_protocols():
    pairs, a = [("a", "b")], twice(10, 10)
    assert second_opinion({"a": a, "b": twice(20, None)}, pairs) == SecondOpinion()
    without = twice(20, None) | Measured({"fd_second": Estimate(1.0)})
    assert second_opinion({"a": a, "b": without}, pairs) == SecondOpinion()
    for facts in ({"second_sha256": "other"}, {"n": 5}, {"reference_split": "test"}):
        assert second_opinion({"a": a, "b": twice(20, 1, **facts)}, pairs) == SecondOpinion()
    assert second_opinion({"a": a, "b": twice(20, 1, features_sha256="other")}, pairs).doubts
    found = compare(a, twice(20, 1, second_sha256="other"), "fd_second")
    assert (found.verdict, "second classifier" in found.reason) == ("incomparable", True)
