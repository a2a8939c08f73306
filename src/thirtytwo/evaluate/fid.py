"""FID and KID of Inception features, beside their floors."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from thirtytwo.core.intervals import Estimate, read
from thirtytwo.evaluate import frechet, kid
from thirtytwo.evaluate.scorecard import Measured

__all__ = ["inception_floor", "inception_scores", "read_inception_floor"]

_FLOOR_PROTOCOL = {"fid_n": "fid_floor_n", "fid_reference_n": "fid_floor_reference_n", "fid_split": "fid_floor_split"}


def inception_floor(samples: np.ndarray, reference: np.ndarray, split: str) -> dict[str, Any]:
    """FID and KID of real images [N, 2048] against other ones [M, 2048], as entries of status.json.

    Args:
        split: name of the pair, see `floor.RealPair`.

    Raises:
        EvaluationError: fewer than 3 images.
    """
    distance = frechet.distance_to(samples, *frechet.statistics(reference))
    kernels = kid.kid(kid.means_among(samples), kid.means_to(samples, reference), kid.mean_among(reference))
    sizes = {"fid_floor_n": len(samples), "fid_floor_reference_n": len(reference), "fid_floor_split": split}
    return {"fid_floor": distance, **sizes, "kid_floor": kernels}


def read_inception_floor(status: Mapping[str, Any]) -> Measured:
    """The floor in status.json, from the file's values."""
    protocol = {name: status[key] for name, key in _FLOOR_PROTOCOL.items()}
    return Measured({"fid": status["fid_floor"], "kid": read(status, "kid_floor")}, protocol)


def inception_scores(
    features: np.ndarray, reference: np.ndarray, mu: np.ndarray, sigma: np.ndarray, status: Mapping[str, Any]
) -> Measured:
    """FID and KID of Inception features [N, 2048] against those of the reference [M, 2048].

    The interval of FID is by the delta method: a bootstrap in 2048 dimensions would take minutes.

    Args:
        mu, sigma: of the reference.
        status: the values of status.json.

    Raises:
        EvaluationError: as `kid.means_to` and `frechet.distance_to`.
    """
    value, error = frechet.distance_to(features, mu, sigma), frechet.standard_error(features, mu, sigma)
    scores = {
        "fid": Estimate(value, value - 1.96 * error, value + 1.96 * error),
        "kid": kid.kid(kid.means_among(features), kid.means_to(features, reference), status["kernel_mean"]),
    }
    protocol = {
        "fid_n": len(features),
        "fid_reference_n": status["n"],
        "fid_statistics": status["stats_name"],
        "fid_resizer": "clean",
        "fid_features_sha256": status["weights_sha256"],
    }
    return Measured(scores, protocol)
