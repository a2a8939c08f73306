"""Fréchet distance between Gaussians fitted to features, in float64 and without a general matrix square root.

FD = |mu1 - mu2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)   (Dowson and Landau 1982; Heusel et al. 2017, eq. 6)

With any factor S1 = A^T A, the non-zero eigenvalues of S1 S2 are those of the symmetric A S2 A^T, so
the last trace is the sum of the roots of its eigenvalues. A is the Cholesky factor of S1 (its root where S1 is
singular), or, where there are fewer samples than dimensions, the centred features themselves, which makes the
eigenproblem N x N.
"""

import numpy as np
from scipy import linalg

from thirtytwo.core.arrays import check_features
from thirtytwo.core.intervals import mean_error
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["Subsets", "distance", "distance_to", "influence", "standard_error", "statistics"]

_ROWS = 4096  # features centred at a time, so that no float64 copy of all of them is needed


def statistics(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [D] and unbiased covariance [D, D] of features [N, D], float64.

    Raises:
        EvaluationError: not [N, D] with N >= 2, or not finite.
    """
    check_features(features, "features")
    mu = features.mean(axis=0, dtype=np.float64)
    sigma = np.zeros((len(mu), len(mu)))
    for start in range(0, len(features), _ROWS):
        centred = features[start : start + _ROWS] - mu
        sigma += centred.T @ centred
    return mu, sigma / (len(features) - 1)


def distance(mu1: np.ndarray, sigma1: np.ndarray, mu2: np.ndarray, sigma2: np.ndarray) -> float:
    """Fréchet distance between N(mu1, sigma1) and N(mu2, sigma2).

    Raises:
        EvaluationError: dimensions differ, or a covariance has a negative eigenvalue.
    """
    _check(mu1, sigma1, mu2, sigma2)
    try:
        factor = linalg.cholesky(np.asarray(sigma1, np.float64), check_finite=False)
    except linalg.LinAlgError:
        return _from_factor(_root(sigma1), mu1, np.trace(sigma1), mu2, sigma2)
    # A S2 A^T for a triangular A: LAPACK computes one triangle of it in a quarter of the operations of two products
    product, _ = linalg.lapack.dsygst(np.asarray(sigma2, np.float64), factor, itype=2)
    values = linalg.eigvalsh(product, lower=False, check_finite=False, overwrite_a=True)
    return _from_eigenvalues(values, mu1, np.trace(sigma1), mu2, sigma2)


def distance_to(features: np.ndarray, mu: np.ndarray, sigma: np.ndarray) -> float:
    """Fréchet distance between the Gaussian fitted to features [N, D] and the reference N(mu, sigma).

    Raises:
        EvaluationError: features are not [N, D] with N >= 2 and finite, or dimensions differ.
    """
    check_features(features, "features")
    count, dimensions = features.shape
    if count > dimensions:
        return distance(*statistics(features), mu, sigma)
    mean = features.mean(axis=0, dtype=np.float64)
    factor = (features - mean) / np.sqrt(count - 1)
    _check(mean, sigma, mu, sigma)
    return _from_factor(factor, mean, np.square(factor).sum(), mu, sigma)


def standard_error(features: np.ndarray, mu: np.ndarray, sigma: np.ndarray, strata: np.ndarray | None = None) -> float:
    """Standard error of `distance_to` over drawing the N samples again, by the delta method.

    One decomposition replaces the hundreds of a bootstrap. It is too large where samples are near the reference,
    because it counts the second order twice. With N <= D it may be half too large, depending on the spectrum of
    the covariance.

    Args:
        strata: [N] int, the class of each sample where the number of each class was fixed.

    Raises:
        EvaluationError: as `distance_to`.
    """
    return mean_error(influence(features, mu, sigma), strata)


def influence(features: np.ndarray, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """First-order change of `distance_to` with each of the samples [N, D], [N] with mean 0.

    For a sample x it is 2 (mu1 - mu) x + |x|^2 - x T x less its mean, where x is taken from the mean mu1 and T is the
    optimal map between the Gaussians; for x = A^T w, x T x = w (A S2 A^T)^(1/2) w.

    Raises:
        EvaluationError: as `distance_to`.
    """
    check_features(features, "features")
    count, dimensions = features.shape
    mean = features.mean(axis=0, dtype=np.float64)
    _check(mean, sigma, mu, sigma)
    centred = features - mean
    factor = centred / np.sqrt(count - 1) if count <= dimensions else _root(centred.T @ centred / (count - 1))
    values, vectors = linalg.eigh(factor @ sigma @ factor.T, driver="evd", check_finite=False)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    if count <= dimensions:
        mapped = np.diagonal(root) * (count - 1)
    else:
        whitened = centred @ (factor / np.square(factor).sum(axis=1, keepdims=True)).T
        mapped = np.einsum("ni,ij,nj->n", whitened, root, whitened, optimize=True)
    found = 2 * centred @ (mean - mu) + np.square(centred).sum(axis=1) - mapped
    return found - found.mean()


class Subsets:
    """Fréchet distances between the Gaussians fitted to subsets or resamples of features and a fixed reference.

    Hundreds of these cost far less than as many calls of `distance_to` and return the same numbers: with S2 = B^T B
    for the reference, the features are mapped by B once; each subset then needs one product of its distinct
    features, weighted by their multiplicity, and the eigenvalues of B S1 B^T.

    Args:
        features: [N, D].
        mu, sigma: of the reference.

    Raises:
        EvaluationError: as `distance_to`.
    """

    def __init__(self, features: np.ndarray, mu: np.ndarray, sigma: np.ndarray):
        check_features(features, "features")
        mean = features.mean(axis=0, dtype=np.float64)
        _check(mean, sigma, mu, sigma)
        self._shift, self._trace = mean - mu, float(np.trace(sigma))
        self._centred = features - mean
        self._squares = np.square(self._centred).sum(axis=1)
        self._mapped = self._centred @ _factor(sigma).T

    def __call__(self, indices: np.ndarray) -> float:
        """The distance of the features with these `indices` [M >= 2], each counted as often as it occurs."""
        times = np.bincount(indices, minlength=len(self._centred))
        seen, count = np.flatnonzero(times), len(indices)
        weights = times / count
        mean, mapped_mean = weights @ self._centred, weights @ self._mapped
        mapped = self._mapped[seen] * np.sqrt(times[seen])[:, None]
        moment = mapped.T @ mapped - count * np.outer(mapped_mean, mapped_mean)
        values = linalg.eigvalsh(moment / (count - 1), check_finite=False, overwrite_a=True)
        trace = (weights @ self._squares - np.square(mean).sum()) * count / (count - 1)
        return float(np.square(self._shift + mean).sum() + trace + self._trace - 2 * _root_sum(values))


def _factor(sigma: np.ndarray) -> np.ndarray:
    """A [r, D] with A^T A = sigma of rank r."""
    try:
        return linalg.cholesky(np.asarray(sigma, np.float64), check_finite=False)
    except linalg.LinAlgError:
        return _root(sigma)


def _root(sigma: np.ndarray) -> np.ndarray:
    """A [r, D] with orthogonal rows and A^T A = sigma of rank r."""
    values, vectors = linalg.eigh(np.asarray(sigma, np.float64), driver="evd", check_finite=False)
    if values[0] < -1e-6 * abs(values[-1]):
        raise EvaluationError(f"a covariance has the negative eigenvalue {values[0]:g}; the statistics are broken")
    keep = values > _rounding(values)
    return (vectors[:, keep] * np.sqrt(values[keep])).T


def _from_factor(factor: np.ndarray, mu1: np.ndarray, trace1: float, mu2: np.ndarray, sigma2: np.ndarray) -> float:
    product = factor @ np.asarray(sigma2, np.float64) @ factor.T
    values = linalg.eigvalsh(product, check_finite=False, overwrite_a=True) if len(product) else np.zeros(0)
    return _from_eigenvalues(values, mu1, trace1, mu2, sigma2)


def _from_eigenvalues(values: np.ndarray, mu1: np.ndarray, trace1: float, mu2: np.ndarray, sigma2: np.ndarray) -> float:
    return float(np.square(mu1 - mu2).sum() + trace1 + np.trace(sigma2) - 2 * _root_sum(values))


def _root_sum(values: np.ndarray) -> float:
    """Sum of the roots of ascending eigenvalues of a covariance."""
    return float(np.sqrt(values[values > _rounding(values)]).sum()) if len(values) else 0.0


def _rounding(values: np.ndarray) -> float:
    # Below this an eigenvalue is noise around zero, which its square root would blow up from 1e-16 to 1e-8.
    return float(values[-1] * len(values) * np.finfo(np.float64).eps)


def _check(mu1: np.ndarray, sigma1: np.ndarray, mu2: np.ndarray, sigma2: np.ndarray) -> None:
    size = len(mu1)
    if mu2.shape != (size,) or sigma1.shape != (size, size) or sigma2.shape != (size, size):
        raise EvaluationError(
            f"statistics of different features: means {mu1.shape} and {mu2.shape}, "
            f"covariances {sigma1.shape} and {sigma2.shape}; use one extractor for both"
        )
    if not all(np.isfinite(values).all() for values in (mu1, sigma1, mu2, sigma2)):
        raise EvaluationError("statistics contain NaN or infinity; compute them again")
