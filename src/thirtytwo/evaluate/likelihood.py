"""Bits per dimension of held-out images, from the terms of a diffusion model's variational bound."""

import numpy as np

from thirtytwo.core.intervals import mean
from thirtytwo.evaluate.scorecard import Measured, Score
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["bits_per_dim"]


def bits_per_dim(terms: np.ndarray) -> Measured:
    """The bound on the negative log-likelihood, averaged over images.

    Args:
        terms: [N, 3] bits per dimension of each held-out image: L_T, the sum of L_{t-1} for t = 2 ... T, and L_0
            (Ho et al. 2020, eq. 5).

    Returns:
        bits_per_dim, with its interval over the drawing of the images, and its two parts as in Ho et al. section 4.3:
        rate_bits_per_dim, the cost of x_1, and distortion_bits_per_dim, the cost of x_0 given x_1. A bound above 8 is
        void for 8-bit images; models that predict x_0 from patches, never sharp near t = 1, get one.

    Raises:
        EvaluationError: fewer than 2 images, or values that are not finite.
    """
    if terms.ndim != 2 or terms.shape[1] != 3 or len(terms) < 2 or not np.isfinite(terms).all():
        raise EvaluationError(
            "bound_bits: expected finite bits [N, 3] of at least 2 images; set sample.bound_images to 0, or to 2 or more"
        )
    scores: dict[str, Score] = {
        "bits_per_dim": mean(terms.sum(axis=1)),
        "rate_bits_per_dim": float(terms[:, :2].sum(axis=1).mean()),
        "distortion_bits_per_dim": float(terms[:, 2].mean()),
    }
    return Measured(scores, {"bits_per_dim_n": len(terms)})
