"""Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

Around each feature lies a ball that reaches to its k-th nearest neighbour in its own set. With r_i, s_j the radii of
the real features x_i and of the samples' y_j,

precision = mean_j [some i: |x_i - y_j| < r_i]     recall = mean_i [some j: |x_i - y_j| < s_j]  (Kynkäänniemi, eq. 1, 2)
density = mean_j #{i: |x_i - y_j| < r_i} / k                                                  (Naeem, eq. 4)
coverage = mean_i [some j: |x_i - y_j| < r_i]                                                 (Naeem, eq. 5)

All four depend on both N; scores take as many real images as samples. Distances are taken a block of rows at a time,
and what remains of a block is the list of those pairs whose sample lies in the real feature's ball, about k a sample.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from thirtytwo.evaluate import intervals
from thirtytwo.evaluate.checks import EvaluationError, check_features
from thirtytwo.evaluate.distances import neighbour_distance, squared

__all__ = ["K", "Balls", "balls", "prdc"]

K = 5  # Naeem et al. 2020, section 5: their choice for coverage of 0.95 and more by a perfect generator


@dataclass(frozen=True)
class Balls:
    """Which samples lie in which balls.

    Attributes:
        inside: [real, samples] sparse bool: the sample lies in the real feature's ball.
        recalled: [real] bool: the real feature lies in some sample's ball.
        k: whose neighbour a ball reaches to.
    """

    inside: sparse.csr_array
    recalled: np.ndarray
    k: int


def balls(real: np.ndarray, samples: np.ndarray, k: int) -> Balls:
    """The balls of features [M, D] and [N, D].

    Raises:
        EvaluationError: no features, of different dimensions, or not more than k of either.
    """
    for features, name in ((real, "real features"), (samples, "samples")):
        check_features(features, name)
        if len(features) <= k:
            raise EvaluationError(f"{name}: {len(features)}; neighbours of rank {k} need more than {k}, sample more")
    if real.shape[1] != samples.shape[1]:
        raise EvaluationError(
            f"features of {real.shape[1]} and {samples.shape[1]} dimensions; use one extractor for both"
        )
    radii, sample_radii = neighbour_distance(real, k), neighbour_distance(samples, k)
    recalled, found = np.zeros(len(real), bool), []
    for rows, distances in squared(samples, real):
        recalled |= (distances < sample_radii[rows, None]).any(axis=0)
        sample, image = np.nonzero(distances < radii)
        found.append(np.stack([image, sample + rows.start]).astype(np.int32))
    pairs = np.concatenate(found, axis=1)
    inside = sparse.csr_array((np.ones(pairs.shape[1], np.int32), pairs), shape=(len(real), len(samples)))
    return Balls(inside, recalled, k)


def prdc(found: Balls, resamples: int, seed: int) -> dict[str, float | int]:
    """The four scores with 95 % intervals.

    A sample's part in precision and density (in how many real balls it lies) depends on no other sample. So these
    parts are independent given the real features: precision, a share, has Wilson's interval, density, a mean, that
    of the central limit theorem. Coverage is the share of real balls that are hit, and the balls are real: the
    samples are drawn again (bootstrap) with the list of pairs as it is, and no neighbour changes. Recall's balls are
    the samples' own, and drawing those again would put copies at distance 0 into each other's place and shrink the
    balls; so recall's interval is Wilson's over the real images, which are independent given the samples.

    Returns:
        precision, recall, density, coverage, each with _low and _high; prdc_k, prdc_n, prdc_reference_n.
    """
    inside, (images, samples) = found.inside, found.inside.shape
    hits = inside.sum(axis=0)
    coverage = float((inside.sum(axis=1) > 0).mean())
    ends = intervals.bootstrap(
        lambda i: float((inside @ np.bincount(i, minlength=samples) > 0).mean()), coverage, samples, resamples, seed
    )
    scores = {
        "precision": intervals.share((hits > 0).sum(), samples),
        "recall": intervals.share(found.recalled.sum(), images),
        "density": intervals.mean(hits / found.k),
        "coverage": (coverage, *ends),
    }
    names = {f"{name}{end}": value for name, values in scores.items()
             for end, value in zip(("", "_low", "_high"), values, strict=True)}  # fmt: skip
    return names | {"prdc_k": found.k, "prdc_n": samples, "prdc_reference_n": images}
