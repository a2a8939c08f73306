"""Bits per dimension of held-out images, from the terms of a diffusion model's variational bound."""

import numpy as np

from thirtytwo.evaluate.checks import EvaluationError
from thirtytwo.evaluate.intervals import bootstrap

__all__ = ["bits_per_dim"]


def bits_per_dim(terms: np.ndarray, resamples: int, seed: int) -> dict[str, float]:
    """The bound on the negative log-likelihood, averaged over images.

    Args:
        terms: [N, 3] bits per dimension of each held-out image: L_T, the sum of L_{t-1} for t = 2 ... T, and L_0
            (Ho et al. 2020, eq. 5).

    Returns:
        bits_per_dim (and _low, _high: 95 % over the drawing of the images, _n), and its two parts as in Ho et al.
        section 4.3: rate_bits_per_dim, what x_1 costs, and distortion_bits_per_dim, what x_0 then costs. Beyond 8 a
        bound says nothing of 8-bit images; models that predict x_0 from patches, never sharp near t = 1, are there.

    Raises:
        EvaluationError: no image, or values that are not finite.
    """
    if terms.ndim != 2 or terms.shape[1] != 3 or not len(terms) or not np.isfinite(terms).all():
        raise EvaluationError("bound_bits: expected finite bits [N, 3] of at least one image")
    total = terms.sum(axis=1)
    value = float(total.mean())
    low, high = bootstrap(lambda chosen: float(total[chosen].mean()), value, len(total), resamples, seed)
    return {
        "bits_per_dim": value,
        "bits_per_dim_low": low,
        "bits_per_dim_high": high,
        "bits_per_dim_n": len(total),
        "rate_bits_per_dim": float(terms[:, :2].sum(axis=1).mean()),
        "distortion_bits_per_dim": float(terms[:, 2].mean()),
    }
