"""Bits per dimension of held-out images, from the terms of a diffusion model's variational bound."""

import numpy as np

from thirtytwo.evaluate import intervals
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["bits_per_dim"]


def bits_per_dim(terms: np.ndarray) -> dict[str, float]:
    """The bound on the negative log-likelihood, averaged over images.

    Args:
        terms: [N, 3] bits per dimension of each held-out image: L_T, the sum of L_{t-1} for t = 2 ... T, and L_0
            (Ho et al. 2020, eq. 5).

    Returns:
        bits_per_dim (and _low, _high: 95 % over the drawing of the images, _n), and its two parts as in Ho et al.
        section 4.3: rate_bits_per_dim, what x_1 costs, and distortion_bits_per_dim, what x_0 then costs. Beyond 8 a
        bound says nothing of 8-bit images; models that predict x_0 from patches, never sharp near t = 1, are there.

    Raises:
        EvaluationError: fewer than 2 images, or values that are not finite.
    """
    if terms.ndim != 2 or terms.shape[1] != 3 or len(terms) < 2 or not np.isfinite(terms).all():
        raise EvaluationError(
            "bound_bits: expected finite bits [N, 3] of at least 2 images; set sample.bound_images to 0, or to 2 or more"
        )
    return intervals.named("bits_per_dim", intervals.mean(terms.sum(axis=1))) | {
        "bits_per_dim_n": len(terms),
        "rate_bits_per_dim": float(terms[:, :2].sum(axis=1).mean()),
        "distortion_bits_per_dim": float(terms[:, 2].mean()),
    }
