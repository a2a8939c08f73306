"""Densities fitted to codes, to draw new codes from (Ghosh et al. 2020, section 4: ex-post density estimation)."""

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.linalg
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from thirtytwo.runtime.errors import ParamsError

__all__ = ["Choice", "Density", "choose", "fit", "gaussian_quotient"]


@dataclass(frozen=True)
class Density:
    """A mixture of K Gaussians in D dimensions for each of G groups, on one device.

    Attributes:
        cumulative: [G, K] sums of the weights of the first k components.
        means: [G, K, D].
        factors: [G, K, D, D], A with covariance A A^T.
    """

    cumulative: Tensor
    means: Tensor
    factors: Tensor

    def draw(self, noise: Tensor, groups: Tensor) -> Tensor:
        """z = mean + A epsilon of a component chosen by its weight: [B, D].

        Args:
            noise: [B, D + 1] standard normal: epsilon, and a number whose normal distribution function, uniform in
                (0, 1), chooses the component.
            groups: [B] int64.
        """
        epsilon, chooser = noise[:, :-1], torch.special.ndtr(noise[:, -1])
        component = (chooser[:, None] > self.cumulative[groups]).sum(1).clamp(max=self.cumulative.shape[1] - 1)
        wanted = groups * self.cumulative.shape[1] + component
        # By every component for the whole batch: products of other shapes round differently.
        z = torch.zeros_like(epsilon)
        for number, (mean, factor) in enumerate(zip(self.means.flatten(0, 1), self.factors.flatten(0, 1), strict=True)):
            z = torch.where((wanted == number)[:, None], mean + epsilon @ factor.T, z)
        return z


@dataclass(frozen=True)
class Choice:
    """The kind of mixture that fits held-out codes best.

    Attributes:
        covariance: "full" or "diag".
        components: Gaussians in each group's mixture.
        held_out_nats: mean log-likelihood of a held-out code.
        converged: whether EM converged in every group.
    """

    covariance: Literal["full", "diag"]
    components: int
    held_out_nats: float
    converged: bool


def choose(codes: np.ndarray, groups: np.ndarray, components: int, seed: int) -> Choice:
    """The covariance type and the number of components, up to `components`, with the highest held-out likelihood.

    Every fifth code of each group, in random order, is held out; the same kind is chosen for all groups. A full
    covariance needs more codes for each component than it has dimensions, or it is not tried: 10 covariances of 1 024
    dimensions have 500 times as many parameters as 10 000 codes can determine.

    Args:
        codes: [N, D] floats.
        groups: [N] int64 in 0 ... G - 1, none of them empty.

    Raises:
        ParamsError: fewer than 5 codes in a group, or than `components`.
    """
    parts = []
    for group in range(int(groups.max()) + 1):
        members = codes[groups == group].astype(np.float64)
        if len(members) < max(5, components):
            raise ParamsError(
                f"sample.components: {components} for {len(members)} codes of training images; use fewer, or more images"
            )
        order = np.random.default_rng((seed, group)).permutation(len(members))
        held_out = np.arange(len(members)) % 5 == 4
        parts.append((members[order[~held_out]], members[order[held_out]]))
    smallest, dimensions = min(len(kept) for kept, _ in parts), codes.shape[1]
    kinds: list[tuple[Literal["full", "diag"], int]] = []
    count = components
    while count >= 1:
        if smallest >= 2 * count:
            kinds += [("full", count)] if smallest > count * dimensions else []
            kinds += [("diag", count)]
        count //= 2
    choices = [_score(kind, count, parts, seed) for kind, count in kinds]
    return max(choices, key=lambda choice: choice.held_out_nats)


def fit(
    codes: np.ndarray, groups: np.ndarray, choice: Choice, guidance: float, seed: int, device: torch.device
) -> Density:
    """Maximum-likelihood mixtures of the chosen kind, one mixture a group.

    Args:
        codes: [N, D] floats.
        groups: [N] int64 in 0 ... G - 1, none of them empty.
        guidance: w, with which each component is moved away from the Gaussian of all codes, see `gaussian_quotient`; 0: none.
    """
    centre: np.ndarray = codes.mean(axis=0, dtype=np.float64)
    spread = np.cov(codes.T, dtype=np.float64)
    weights, means, factors = [], [], []
    for group in range(int(groups.max()) + 1):
        members = codes[groups == group].astype(np.float64)
        mixture = _mixture(choice.covariance, choice.components, seed).fit(members)
        full = choice.covariance == "full"
        covariances = mixture.covariances_ if full else [np.diag(variances) for variances in mixture.covariances_]
        parts = [
            gaussian_quotient(mean, covariance, centre, spread, guidance)
            for mean, covariance in zip(mixture.means_, covariances, strict=True)
        ]
        weights.append(mixture.weights_.cumsum())
        means.append([mean for mean, _ in parts])
        factors.append([np.linalg.cholesky(covariance) for _, covariance in parts])
    return Density(*(torch.from_numpy(np.array(array)).float().to(device) for array in (weights, means, factors)))


def _mixture(covariance: str, components: int, seed: int) -> GaussianMixture:
    # k-means++ without the k-means after it, whose threads add up in no fixed order
    return GaussianMixture(
        components, covariance_type=covariance, init_params="k-means++", max_iter=200, random_state=seed % 2**32
    )


def _score(
    covariance: Literal["full", "diag"], components: int, parts: list[tuple[np.ndarray, np.ndarray]], seed: int
) -> Choice:
    total, converged = 0.0, True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is part of the result
        for kept, held_out in parts:
            mixture = _mixture(covariance, components, seed).fit(kept)
            total += float(mixture.score_samples(held_out).sum())
            converged &= bool(mixture.converged_)
    return Choice(covariance, components, total / sum(len(held_out) for _, held_out in parts), converged)


def gaussian_quotient(
    mean: np.ndarray, covariance: np.ndarray, centre: np.ndarray, spread: np.ndarray, weight: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean [D] and covariance [D, D] of p(z)^(1 + w) / q(z)^w, p = N(mean, covariance), q = N(centre, spread).

    What classifier-free guidance aims at (Ho & Salimans 2022, section 3.2), which Gaussians have in closed form: with
    U such that spread = U U^T and covariance = U diag(lambda) U^T, the coordinates of U^-1 (z - centre) are independent
    and in each 1 / variance = (1 + w) / lambda - w. Where p is the wider of the two, lambda > 1, q is taken as wide as
    p, so that the quotient always is a density, never wider than p.
    """
    if weight == 0:
        return mean, covariance
    eigenvalues, vectors = scipy.linalg.eigh(covariance, spread)  # vectors^T spread vectors = I
    U = spread @ vectors
    variance = 1 / ((1 + weight) / eigenvalues - weight / np.maximum(eigenvalues, 1))
    shift = variance * (1 + weight) / eigenvalues * (vectors.T @ (mean - centre))
    return centre + U @ shift, (U * variance) @ U.T
