"""FID and KID of Inception features, and the same scores in a user's feature space, beside their floors.

The names of the scores say whose features they are: `fid` and `kid`, `fid_legacy` and `kid_legacy`, or in a space
called <name> `fd_<name>`, `kid_<name>`, `precision_<name>` and so on.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from thirtytwo.core.intervals import Estimate, Z
from thirtytwo.core.splits import inside
from thirtytwo.evaluate import frechet, kid
from thirtytwo.evaluate.floor import real_pair
from thirtytwo.evaluate.prdc import K, balls, prdc
from thirtytwo.evaluate.scorecard import Fact, Floors, Measured
from thirtytwo.runtime.errors import EvaluationError

__all__ = [
    "by_class",
    "equal_sizes",
    "inception_floor",
    "inception_scores",
    "measure_reference",
    "read_inception_floor",
]


_SIZES = (500, 1000, 2000, 5000, 10_000, 20_000)


def measure_reference(
    score: str, extract: Callable[[np.ndarray], np.ndarray], images: np.ndarray, labels: np.ndarray, split: np.ndarray, *,
    reference_split: str, samples: int, seed: int,
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:  # fmt: skip
    """Mean and covariance of the features of the reference, and what is computed on them once for all runs.

    Args:
        extract: features [N, D] of images [N, 32, 32, C] uint8.
        images, labels, split: of all real images; split is 0 train, 1 test.
        samples: the N of the floors.

    Returns:
        mean [D], covariance [D, D], and n, floors, kernel_mean and kernel_mean_within.

    Raises:
        EvaluationError: too few images for a floor, or as `extract`.
    """
    places = np.flatnonzero(inside(split, reference_split))
    features, floors = extract(images[places]), []
    for strata in (None, labels):
        pair = real_pair(split, reference_split, samples, seed, strata=strata)
        others = features[np.searchsorted(places, pair.reference)]
        within = np.isin(pair.samples, places).all()
        drawn = features[np.searchsorted(places, pair.samples)] if within else extract(images[pair.samples])
        classes = None if strata is None else (strata[pair.samples], strata[pair.reference])
        floor = inception_floor(score, drawn, others, pair.name, classes)
        floors.append(floor if strata is not None else floor | equal_sizes(score, drawn, others, seed))
    means = {"kernel_mean": kid.mean_among(features), "kernel_mean_within": kid.mean_among(features, labels[places])}
    return *frechet.statistics(features), {"n": len(features), "floors": Floors(*floors), **means}


def inception_floor(
    score: str, samples: np.ndarray, reference: np.ndarray, split: str,
    strata: tuple[np.ndarray, np.ndarray] | None = None,
) -> Measured:  # fmt: skip
    """FID and KID of real images [N, 2048] against other ones [M, 2048].

    Args:
        score: name of the Fréchet distance: "fid", "fid_legacy" or "fd_<name>".
        split: name of the pair, see `floor.RealPair`.
        strata: classes [N] and [M] of both, where the number of each class was fixed.

    Raises:
        EvaluationError: fewer than 3 images.
    """
    distance = frechet.distance_to(samples, *frechet.statistics(reference))
    first, second = strata or (None, None)
    mean = kid.mean_among(reference, second)
    kernels = kid.kid(kid.among(samples, first), kid.means_to(samples, reference), mean, first)
    sizes: dict[str, Fact] = {"n": len(samples), "reference_n": len(reference), "split": split}
    measured = Measured(
        {score: distance, _kid(score): kernels}, {f"{score}_{key}": value for key, value in sizes.items()}
    )
    return measured | _neighbours(score, samples, reference, first)


def equal_sizes(score: str, first: np.ndarray, second: np.ndarray, seed: int) -> Measured:
    """The Fréchet distance of N images of each of two sets of real images, for N = 500, 1 000 and so on.

    It falls with N faster than the floor, whose reference keeps its size.

    Args:
        first, second: features [N1, D] and [N2, D], drawn from at random.

    Returns:
        <score>_equal_<N> for each N that both sets have.
    """
    rng = np.random.default_rng(seed)
    drawn = [features[rng.permutation(len(features))] for features in (first, second)]
    sizes = [size for size in _SIZES if size <= min(len(first), len(second))]
    return Measured({
        f"{score}_equal_{size}": frechet.distance_to(drawn[0][:size], *frechet.statistics(drawn[1][:size]))
        for size in sizes
    })  # fmt: skip


def _kid(score: str) -> str:
    return re.sub("^fi?d", "kid", score)


def _neighbours(score: str, samples: np.ndarray, reference: np.ndarray, strata: np.ndarray | None) -> Measured:
    """Precision, recall, density and coverage in a user's space; nothing for FID, whose features have no such scores.

    As many real images as samples are compared, as with the classifier's features.
    """
    if not score.startswith("fd_"):
        return Measured()
    equal = min(len(samples), len(reference))
    drawn = reference[np.sort(np.random.default_rng(0).permutation(len(reference))[:equal])]
    found = prdc(balls(drawn, samples[:equal], K), None if strata is None else strata[:equal])
    name = score.removeprefix("fd_")
    return Measured(
        {f"{key}_{name}": value for key, value in found.scores.items()},
        {f"{key}_{name}": value for key, value in found.protocol.items()},
    )


def read_inception_floor(status: Mapping[str, Any], within_classes: bool) -> Measured:
    """The floor in data/fid_stats/<set>/<score>.json, from the file's values: of images drawn at random or within classes.

    Raises:
        EvaluationError: the values are not those of a floor.
    """
    try:
        floors = TypeAdapter(Floors).validate_python(status["floors"])
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise EvaluationError(f"data/fid_stats: floors.{key}: not those of a floor; run fid_stats again") from None
    return floors.within_classes if within_classes else floors.at_random


def inception_scores(
    score: str, features: np.ndarray, reference: np.ndarray, mu: np.ndarray, sigma: np.ndarray,
    status: Mapping[str, Any], strata: np.ndarray | None = None,
) -> Measured:  # fmt: skip
    """FID and KID of Inception features [N, 2048] against those of the reference [M, 2048].

    The interval of FID is by the delta method: a bootstrap in 2048 dimensions would take minutes. With as many
    dimensions as samples or more the method's error depends on the spectrum, up to half too large: FID then has none.

    Args:
        score: name of the Fréchet distance: "fid", "fid_legacy" or "fd_<name>".
        mu, sigma: of the reference.
        status: the values of <score>.json.
        strata: [N] int, the class of each sample where the number of each class was fixed.

    Raises:
        EvaluationError: as `kid.means_to` and `frechet.distance_to`.
    """
    value, (count, dimensions) = frechet.distance_to(features, mu, sigma), features.shape
    fid = Estimate(value)
    if count > dimensions:
        half = Z * frechet.standard_error(features, mu, sigma, strata)
        fid = Estimate(value, value - half, value + half)
    kernel_mean = status["kernel_mean" if strata is None else "kernel_mean_within"]
    among, to = kid.among(features, strata), kid.means_to(features, reference)
    scores = {score: fid, _kid(score): kid.kid(among, to, kernel_mean, strata)}
    protocol: dict[str, Fact] = {
        "n": count,
        "reference_n": status["n"],
        "statistics": status["stats_name"],
        "mode": status["mode"],
        "features_sha256": status["weights_sha256"],
    }
    if fid.low is None:
        reason = f"no interval: the delta method needs more than {dimensions} samples, one for each dimension"
        protocol["reason"] = f"{reason}; {count} were scored"
    measured = Measured(scores, {f"{score}_{key}": value for key, value in protocol.items()})
    return measured | _neighbours(score, features, reference, strata)


def by_class(
    features: np.ndarray, labels: np.ndarray, reference: np.ndarray, reference_labels: np.ndarray, classes: int
) -> list[float]:
    """FID of the samples requested of each class against the real images of that class alone.

    Args:
        features: [N, D] of samples whose requested classes are `labels` [N].
        reference: [M, D] of real images whose classes are `reference_labels` [M].

    Returns:
        one number a class; NaN where fewer than two samples or real images are of it.
    """
    distances = []
    for label in range(classes):
        drawn, real = features[labels == label], reference[reference_labels == label]
        known = min(len(drawn), len(real)) >= 2
        distances.append(frechet.distance_to(drawn, *frechet.statistics(real)) if known else float("nan"))
    return distances
