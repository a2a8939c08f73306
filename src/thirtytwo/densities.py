"""Densities fitted to codes, to draw new codes from (Ghosh et al. 2020, section 4: ex-post density estimation)."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor

from thirtytwo.strict import ParamsError

__all__ = ["Density", "fit"]


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


def fit(codes: np.ndarray, groups: np.ndarray, components: int, seed: int, device: torch.device) -> Density:
    """Maximum-likelihood mixtures of `components` Gaussians with full covariances, one mixture a group.

    Args:
        codes: [N, D] floats.
        groups: [N] int64 in 0 ... G - 1, none of them empty.

    Raises:
        ParamsError: fewer codes in a group than components, or than 2.
    """
    parts = []
    for group in range(int(groups.max()) + 1):
        own = codes[groups == group].astype(np.float64)
        if len(own) < max(2, components):
            raise ParamsError(
                f"sample.components: {components} for {len(own)} codes of training images; use fewer, or more images"
            )
        # k-means++ without the k-means after it, whose threads add up in no fixed order
        mixture = GaussianMixture(components, init_params="k-means++", random_state=seed % 2**32)
        parts.append(mixture.fit(own))
    arrays = (
        np.stack([part.weights_.cumsum() for part in parts]),
        np.stack([part.means_ for part in parts]),
        np.stack([np.linalg.cholesky(part.covariances_) for part in parts]),
    )
    return Density(*(torch.from_numpy(array).float().to(device) for array in arrays))
