"""Densities fitted to codes, to draw new codes from (ex-post density estimation, Ghosh et al. 2020, section 4)."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor

from thirtytwo.runtime.errors import ParamsError

__all__ = ["Density", "fit", "gaussian_quotient"]


@dataclass(frozen=True)
class Density:
    """A mixture of K Gaussians in D dimensions for each of G groups, on one device.

    Attributes:
        cumulative: [G, K] cumulative weights of the components.
        means: [G, K, D].
        factors: [G, K, D, D] Cholesky factors A, with covariance A A^T.
    """

    cumulative: Tensor
    means: Tensor
    factors: Tensor

    def draw(self, noise: Tensor, groups: Tensor) -> Tensor:
        """Choose a component by its weight and return z = mean + A epsilon: [B, D].

        Args:
            noise: [B, D + 1] standard normal: epsilon, and a value that the normal distribution function maps to a
                uniform number in (0, 1), which chooses the component.
            groups: [B] int64.
        """
        epsilon, uniform = noise[:, :-1], torch.special.ndtr(noise[:, -1])
        component = (uniform[:, None] > self.cumulative[groups]).sum(1).clamp(max=self.cumulative.shape[1] - 1)
        index = groups * self.cumulative.shape[1] + component
        # Every component transforms the whole batch, because matrix products of other shapes round differently.
        z = torch.zeros_like(epsilon)
        for number, (mean, factor) in enumerate(zip(self.means.flatten(0, 1), self.factors.flatten(0, 1), strict=True)):
            z = torch.where((index == number)[:, None], mean + epsilon @ factor.T, z)
        return z


def fit(
    codes: np.ndarray, groups: np.ndarray, components: int, guidance: float, seed: int, device: torch.device
) -> Density:
    """Fit one mixture of `components` Gaussians with full covariances to each group by maximum likelihood.

    Args:
        codes: [N, D] floats.
        groups: [N] int64 in 0 ... G - 1, with no empty group.
        guidance: w by which each component is moved away from the Gaussian of all codes, see `gaussian_quotient`.

    Raises:
        ParamsError: a group has fewer codes than components, or fewer than 2.
    """
    mean_all: np.ndarray = codes.mean(axis=0, dtype=np.float64)
    covariance_all = np.cov(codes.T, dtype=np.float64)
    weights, means, factors = [], [], []
    for group in range(int(groups.max()) + 1):
        members = codes[groups == group].astype(np.float64)
        if len(members) < max(2, components):
            raise ParamsError(
                f"sample.components: {components} for {len(members)} codes of training images; set fewer components"
            )
        # "kmeans" would add up partial sums of its threads in varying order
        mixture = GaussianMixture(components, init_params="k-means++", random_state=seed % 2**32)
        mixture.fit(members)
        gaussians = [
            gaussian_quotient(mean, covariance, mean_all, covariance_all, guidance)
            for mean, covariance in zip(mixture.means_, mixture.covariances_, strict=True)
        ]
        weights.append(mixture.weights_.cumsum())
        means.append([mean for mean, _ in gaussians])
        factors.append([np.linalg.cholesky(covariance) for _, covariance in gaussians])
    return Density(*(torch.from_numpy(np.array(array)).float().to(device) for array in (weights, means, factors)))


def gaussian_quotient(
    mean: np.ndarray, covariance: np.ndarray, mean_q: np.ndarray, covariance_q: np.ndarray, weight: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean [D] and covariance [D, D] of p(z)^(1 + w) / q(z)^w, with Gaussian p and q and w = `weight`.

    This is the density that classifier-free guidance aims at (Ho & Salimans 2022, section 3.2), in closed form for
    p = N(mean, covariance) and q = N(mean_q, covariance_q). With U such that covariance_q = U U^T and covariance =
    U diag(lambda) U^T, the coordinates of U^-1 (z - mean_q) are independent, with 1 / variance = (1 + w) / lambda - w.
    For lambda > 1, where p is wider than q, the variance of q is set to that of p, so that the quotient is always a
    density and never wider than p.
    """
    if weight == 0:
        return mean, covariance
    eigenvalues, vectors = scipy.linalg.eigh(covariance, covariance_q)  # vectors^T covariance_q vectors = I
    U = covariance_q @ vectors
    variance = 1 / ((1 + weight) / eigenvalues - weight / np.maximum(eigenvalues, 1))
    shift = variance * (1 + weight) / eigenvalues * (vectors.T @ (mean - mean_q))
    return mean_q + U @ shift, (U * variance) @ U.T
