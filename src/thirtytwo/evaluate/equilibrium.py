"""How far a GAN is from its equilibrium, from the outputs of two discriminators for held-out images and samples.

For a fixed generator the best discriminator is D*(x) = p(x) / (p(x) + q(x)), p the density of the data
and q that of the samples, and at the equilibrium p = q and D* = 1/2 (Goodfellow et al. 2014, propositions 1 and 2). A
discriminator trained afresh against the finished generator estimates D*: this is the classifier two-sample test of
Lopez-Paz & Oquab 2017. The outputs of the run's discriminator are compared with it.
"""

import numpy as np

from thirtytwo.core.intervals import share
from thirtytwo.evaluate.scorecard import Measured, Score
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["equilibrium", "js_bound"]


def equilibrium(
    trained: tuple[np.ndarray, np.ndarray], fresh: tuple[np.ndarray, np.ndarray],
    gives_probability: bool, targets: tuple[float, float] = (0.0, 1.0),
) -> Measured:  # fmt: skip
    """Scores of the equilibrium; half of the images are real and half are samples.

    Args:
        trained: D(x) of real images [N] and of samples [N], by the run's discriminator.
        fresh: the same by the fresh one, in (0, 1).
        gives_probability: whether `trained` estimates D* as well, as in minimax and least-squares GANs.
        targets: a for samples and b for real images, which `trained` was trained towards: smoothed ones make the best
            discriminator b D* + a (1 - D*), from which D* is computed.

    Returns:
        d_real, d_fake: means of the run's discriminator's outputs.
        fresh_accuracy: how often the fresh one is right, with Wilson's interval; 1/2 at the equilibrium.
        js_bound_bits: lower bound on the Jensen-Shannon divergence of data and samples, 0 to 1 bit.
        d_accuracy, d_gap: where `gives_probability`, how often the run's one is right, and mean |D - fresh D|.

    Raises:
        EvaluationError: arrays that differ in length, or probabilities outside [0, 1].
    """
    if len({len(part) for part in (*trained, *fresh)}) != 1 or not len(trained[0]):
        raise EvaluationError(
            "d_held_out, d_samples, fresh_held_out, fresh_samples: expected four arrays of one length"
        )
    outputs = np.concatenate(fresh)
    if not ((outputs >= 0) & (outputs <= 1)).all():
        raise EvaluationError("fresh_held_out, fresh_samples: expected probabilities in [0, 1]")
    truth = np.repeat([1, 0], len(trained[0]))
    scores: dict[str, Score] = {
        "fresh_accuracy": share((outputs > 0.5) == truth),
        "js_bound_bits": js_bound(*fresh),
        "d_real": float(trained[0].mean()),
        "d_fake": float(trained[1].mean()),
    }
    if gives_probability:
        during = (np.concatenate(trained) - targets[0]) / (targets[1] - targets[0])
        scores["d_accuracy"] = float(((during > 0.5) == truth).mean())
        scores["d_gap"] = float(np.abs(during - outputs).mean())
    return Measured(scores)


def js_bound(real: np.ndarray, fake: np.ndarray) -> float:
    """1 + (E_p[log2 D] + E_q[log2(1 - D)]) / 2 <= JSD(p, q) in bits, equal for D = D* (Goodfellow et al. 2014, eq. 4-6).

    Not below 0, which is where a discriminator that errs with confidence would take it.
    """
    tiny = np.finfo(np.float64).tiny
    real, fake = real.astype(np.float64), fake.astype(np.float64)
    bits = 1 + 0.5 * (np.log2(np.maximum(real, tiny)).mean() + np.log2(np.maximum(1 - fake, tiny)).mean())
    return float(max(bits, 0.0))
