"""Scores of an autoencoder's codes of held-out images: rate, distortion, active units, aggregate posterior and prior.

The aggregate posterior is q(z) = mean over images of q(z|x). Samples are good only where it is near the prior that they
are drawn from. The rate is the information in a code about its image plus the divergence of q(z) from N(0, I) (Hoffman
& Johnson 2016): E KL(q(z|x) || p(z)) = I(x; z) + KL(q(z) || p(z)).
"""

import numpy as np
from scipy.special import logsumexp

from thirtytwo.core.intervals import mean
from thirtytwo.evaluate.scorecard import Measured, Score
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["aggregate_scores", "bound_scores", "code_scores", "mmd_to_standard_normal", "rate_scores"]

_ACTIVE = 0.01  # variance of mu over images, Burda et al. 2016, section 5.2
_CHUNK = 250


def code_scores(
    means: np.ndarray, draws: np.ndarray, distortion: np.ndarray, log_sigmas: np.ndarray | None
) -> Measured:
    """All scores of this module but those of `bound_scores`.

    Args:
        means, log_sigmas: [N, D] of q(z|x); log_sigmas is None for a plain autoencoder.
        draws: [N, D], one z ~ q(z|x) an image.
        distortion: [N].

    Returns:
        distortion: mean squared error of an image, summed over its values in [-1, 1], with its interval over images; active_units: dimensions with
        Var_x(mu) > 0.01 (Burda et al. 2016); for a variational one those of `rate_scores` and `aggregate_scores`. In
        the protocol codes_n, N, and code_dimensions, D.

    Raises:
        EvaluationError: arrays that do not fit one another, or are not finite.
    """
    given = [means, draws, *([] if log_sigmas is None else [log_sigmas])]
    if means.ndim != 2 or len(means) < 2 or {a.shape for a in given} != {means.shape} or len(distortion) != len(means):
        raise EvaluationError(
            f"codes: expected arrays [N, D] of one shape and N distortions, got {[a.shape for a in given]} and "
            f"{len(distortion)}; run the stage sample again"
        )
    if not all(np.isfinite(array).all() for array in (*given, distortion)):
        raise EvaluationError("codes: NaN or infinity among them; the encoder is broken")
    scores: dict[str, Score] = {
        "distortion": mean(distortion),
        "active_units": int((means.var(axis=0, dtype=np.float64) > _ACTIVE).sum()),
    }
    if log_sigmas is not None:
        wide = [array.astype(np.float64) for array in (means, log_sigmas, draws)]
        scores |= rate_scores(*wide) | aggregate_scores(*wide)
    return Measured(scores, {"codes_n": len(means), "code_dimensions": means.shape[1]})


def rate_scores(means: np.ndarray, log_sigmas: np.ndarray, draws: np.ndarray) -> dict[str, float]:
    """Rate and its two parts in nats, for the images [N] whose q(z|x) and z ~ q(z|x) are given, [N, D] each.

    Returns:
        rate_nats: mean KL(q(z|x) || N(0, I)), in closed form.
        code_information_nats: I(n; z) = E log q(z|x_n) - log q(z) of which image z came from, q(z) the mean over these
            N images; at most log N, so that a larger rate than that is mostly booked as the next score.
        aggregate_kl_nats: their difference KL(q(z) || N(0, I)).
    """
    rate = 0.5 * (means**2 + np.exp(2 * log_sigmas) - 1 - 2 * log_sigmas).sum(axis=1).mean()
    precision = np.exp(-2 * log_sigmas)
    constant = (means**2 * precision + 2 * log_sigmas).sum(axis=1)  # log 2 pi cancels in the difference
    information = []
    for start in range(0, len(draws), _CHUNK):
        z = draws[start : start + _CHUNK]
        log_q = -0.5 * (z**2 @ precision.T - 2 * z @ (means * precision).T + constant)  # [z, n]
        of_its_image = log_q[np.arange(len(z)), start + np.arange(len(z))]
        information.append(of_its_image - logsumexp(log_q, axis=1) + np.log(len(means)))
    mutual = float(np.concatenate(information).mean())
    return {"rate_nats": float(rate), "code_information_nats": mutual, "aggregate_kl_nats": float(rate) - mutual}


def aggregate_scores(means: np.ndarray, log_sigmas: np.ndarray, draws: np.ndarray) -> dict[str, float]:
    """Whether the aggregate posterior is N(0, I), from [N, D] each.

    Returns:
        aggregate_mean_largest: largest |E z_j| over dimensions; 0 for the prior.
        aggregate_variance_smallest, aggregate_variance_largest: of Var z_j = Var mu_j + E sigma_j^2; 1 for the prior.
        aggregate_mmd: see `mmd_to_standard_normal`; it sees more than moments, and has no cap as the KL has.
    """
    variance = means.var(axis=0) + np.exp(2 * log_sigmas).mean(axis=0)
    return {
        "aggregate_mean_largest": float(np.abs(means.mean(axis=0)).max()),
        "aggregate_variance_smallest": float(variance.min()),
        "aggregate_variance_largest": float(variance.max()),
        "aggregate_mmd": mmd_to_standard_normal(draws),
    }


def mmd_to_standard_normal(z: np.ndarray) -> float:
    """Squared maximum mean discrepancy between the distribution of z [N, D] and N(0, I), unbiased, at most about 1.

    For the kernel k(a, b) = exp(-|a - b|^2 / 2D) the expectations over N(0, I) are known (Henze & Zirkler 1990), so
    that z alone is a sample: E k(z, z') - 2 E k(z, n) + E k(n, n').
    """
    count, dimensions = z.shape
    h2 = float(dimensions)  # half the mean squared distance of two draws of N(0, I)
    norms = np.square(z).sum(axis=1)
    among = 0.0
    for start in range(0, count, _CHUNK):
        part = z[start : start + _CHUNK]
        squared = norms[start : start + _CHUNK, None] + norms - 2 * part @ z.T
        among += np.exp(-squared.clip(min=0) / (2 * h2)).sum()
    among = (among - count) / (count * (count - 1))
    to_prior = (h2 / (h2 + 1)) ** (dimensions / 2) * np.exp(-norms / (2 * (h2 + 1))).mean()
    of_prior = (h2 / (h2 + 2)) ** (dimensions / 2)
    return float(among - 2 * to_prior + of_prior)


def bound_scores(iwae: np.ndarray, elbo: np.ndarray, samples: int) -> Measured:
    """Mean code lengths; that of the tighter bound has an interval over images.

    Args:
        iwae, elbo: [n] bits a value of 8-bit images: -log2 of the bound with K = `samples`, and of that with K = 1.
    """
    scores: dict[str, Score] = {
        "iwae_bits_per_dim": mean(iwae),
        "elbo_bits_per_dim": float(elbo.mean(dtype=np.float64)),
    }
    return Measured(scores, {"iwae_samples": samples, "iwae_n": len(iwae)})
