"""Samples of a GAN that its discriminator accepts (Turner et al. 2019, "Metropolis-Hastings generative adversarial networks").

The generator's distribution q proposes, and a Markov chain moves to a proposal x' from x with probability
min(1, (p/q)(x') / (p/q)(x)), so that it converges to the data's distribution p if p / q is exact (section 3, eq. 4). An ideal
discriminator gives p / q = D / (1 - D), the exponential of its logit. A trained one is not calibrated, so a logistic
regression on its outputs for held-out images and for samples takes its place (section 3.2); of its two parameters, the
intercept cancels in the ratio. Any loss whose outputs rise with p / q will do, WGAN-GP's critic too.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from thirtytwo.models.gan.model import GAN
from thirtytwo.sampling.noise import NoiseStreams

__all__ = ["Chain", "calibrate", "chain"]

# z [B, D] and images [B, C, 32, 32] of a chunk, given its noise and labels
Chain = Callable[[NoiseStreams, Tensor | None], tuple[Tensor, Tensor]]


def calibrate(real: np.ndarray, fake: np.ndarray) -> float:
    """The factor by which a difference of outputs becomes one of log p / q, by logistic regression.

    Args:
        real: [N] the discriminator's outputs for real images that it was not trained on.
        fake: [N] those for as many samples.

    Returns:
        The slope, at least 0: a discriminator that prefers samples says nothing, and 0 accepts every proposal.
    """
    from sklearn.linear_model import LogisticRegression  # its import takes a second

    outputs = np.concatenate([real, fake]).astype(np.float64)[:, None]
    spread = outputs.std()
    if spread == 0:
        return 0.0
    fitted = LogisticRegression().fit(outputs / spread, np.arange(len(outputs)) < len(real))
    return max(0.0, float(fitted.coef_[0, 0] / spread))


def chain(model: GAN, proposals: int, slope: float, device: torch.device) -> Chain:
    """Return a function that runs a chain of `proposals` samples for each image of a chunk, the first of which it begins with.

    One proposal gives the generator's plain samples. Each further one takes two draws of noise, for z and for the
    acceptance, and one evaluation of each network.

    Args:
        slope: of `calibrate`.
    """
    shape = model.latent_shape

    def run(streams: NoiseStreams, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        z = streams.normal(shape).to(device)
        x = model.draw(z, labels)
        if proposals == 1:
            return z, x
        output = model.discriminate(x, labels)
        for _ in range(proposals - 1):
            z_new = streams.normal(shape).to(device)
            # all draws of a stream have one shape, so that a chain can be exported; one value of this draw is used
            log_u = torch.special.log_ndtr(streams.normal(shape)[:, 0]).to(device)
            x_new = model.draw(z_new, labels)
            output_new = model.discriminate(x_new, labels)
            accepted = log_u < slope * (output_new - output)  # log of the ratio of p / q
            z = torch.where(accepted[:, None], z_new, z)
            x = torch.where(accepted[:, None, None, None], x_new, x)
            output = torch.where(accepted, output_new, output)
        return z, x

    return run
