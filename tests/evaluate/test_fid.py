"""FID and KID of Inception features against closed forms and scikit-learn, and their floor from its file."""

import json

import numpy as np
import pytest
from sklearn.metrics.pairwise import polynomial_kernel

from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate import kid
from thirtytwo.evaluate.comparison import compare
from thirtytwo.evaluate.fid import by_class, equal_sizes, inception_floor, inception_scores, read_inception_floor
from thirtytwo.evaluate.frechet import distance_to, statistics
from thirtytwo.evaluate.scorecard import Floors, Measured
from thirtytwo.runtime.files import write_json

RNG = np.random.default_rng(0)
MADE, REAL = RNG.standard_normal((30, 8)), RNG.standard_normal((40, 8)) + 1
STATUS = {"n": 40, "stats_name": "x", "mode": "clean", "weights_sha256": "w", "kernel_mean": kid.mean_among(REAL)}
STRATA = np.arange(40) % 2


def test_kid_is_the_sum_over_all_pairs_and_fid_the_frechet_distance():
    scores = inception_scores("fid", MADE, REAL, *statistics(REAL), STATUS).scores
    among = [polynomial_kernel(x)[~np.eye(len(x), dtype=bool)].mean() for x in (MADE, REAL)]  # degree 3, as KID's
    assert scores["kid"].value == pytest.approx(sum(among) - 2 * polynomial_kernel(MADE, REAL).mean(), rel=1e-10)
    assert scores["fid"].value == distance_to(MADE, *statistics(REAL))
    assert scores["fid"].low < scores["fid"].value < scores["fid"].high


def test_fid_of_fewer_samples_than_dimensions_has_no_interval():
    few = inception_scores("fid", MADE[:8], REAL, *statistics(REAL), STATUS)
    assert few.scores["fid"] == Estimate(distance_to(MADE[:8], *statistics(REAL)))
    assert few.scores["kid"].low is not None
    assert "8" in few.protocol["fid_reason"]
    assert "fid_reason" not in inception_scores("fid", MADE[:9], REAL, *statistics(REAL), STATUS).protocol


def test_the_floor_is_read_back_from_the_status(tmp_path):
    strata = (STRATA[:15], STRATA[15:])
    floors = Floors(
        *(inception_floor("fid", REAL[:15], REAL[15:], "train-vs-train", labels) for labels in (None, strata))
    )
    write_json(tmp_path / "fid.json", {"status": "on", "floors": floors})
    status = json.loads((tmp_path / "fid.json").read_text())
    floor = read_inception_floor(status, within_classes=False)
    assert floor == floors.at_random
    assert floor.scores["fid"] == distance_to(REAL[:15], *statistics(REAL[15:]))
    assert floor.scores["kid"].low < floor.scores["kid"].value
    assert read_inception_floor(status, within_classes=True).scores["kid"] != floor.scores["kid"]
    assert floor.protocol == {"fid_n": 15, "fid_reference_n": 25, "fid_split": "train-vs-train"}


def test_the_distance_of_equally_many_real_images_falls_as_their_bias_does():
    rng = np.random.default_rng(1)
    first, second = rng.standard_normal((2500, 6)), rng.standard_normal((2200, 6))
    scores = equal_sizes("fid_legacy", first, second, 1).scores
    assert list(scores) == ["fid_legacy_equal_500", "fid_legacy_equal_1000", "fid_legacy_equal_2000"]
    # two samples of one N(0, I) in d dimensions: 2 d / N of the means and d (d + 1) / 2 N of the covariances, to first order
    for size in (500, 1000, 2000):
        assert scores[f"fid_legacy_equal_{size}"] == pytest.approx((2 * 6 + 6 * 7 / 2) / size, rel=0.5)
    assert equal_sizes("fid", first[:499], second, 1) == Measured()


def test_fid_of_a_class_is_that_of_its_samples_against_its_real_images():
    made, real = np.arange(30) % 3, np.arange(40) % 2
    first, second, none = by_class(MADE, made, REAL, real, 3)
    assert first == distance_to(MADE[::3], *statistics(REAL[::2]))
    assert second == distance_to(MADE[1::3], *statistics(REAL[1::2]))
    assert np.isnan(none)


def test_the_legacy_scores_have_names_of_their_own():
    both = [inception_scores(name, MADE, REAL, *statistics(REAL), STATUS) for name in ("fid", "fid_legacy")]
    assert set(both[1].scores) == {"fid_legacy", "kid_legacy"}
    assert not both[0].protocol.keys() & both[1].protocol.keys()
    assert compare(both[0] | both[1], both[0], "fid_legacy").verdict == "incomparable"
    assert compare(both[1], both[1], "fid_legacy").verdict == "tie"
