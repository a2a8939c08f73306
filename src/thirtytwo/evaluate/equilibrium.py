"""How far a GAN is from its equilibrium, from the outputs of classifiers for held-out images and samples.

For a fixed generator the best discriminator is D*(x) = p(x) / (p(x) + q(x)), p the density of the data
and q that of the samples, and at the equilibrium p = q and D* = 1/2 (Goodfellow et al. 2014, propositions 1 and 2). No
classifier is right more often than D*, so the accuracy of one on images that it was not trained on is a lower bound on
that of D* (the classifier two-sample test, C2ST, of Lopez-Paz & Oquab 2017). A low one proves nothing: another classifier
may be right more often.
"""

import numpy as np

from thirtytwo.core.intervals import Estimate, mean, share
from thirtytwo.evaluate.scorecard import Measured, Score
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["equilibrium", "js_bound"]


_CLIP = 1e-3  # probabilities are clipped to [_CLIP, 1 - _CLIP], so that one confident error does not hide the others


def equilibrium(
    trained: tuple[np.ndarray, np.ndarray], tested: tuple[np.ndarray, np.ndarray], steps: int,
    gives_probability: bool, targets: tuple[float, float] = (0.0, 1.0),
) -> Measured:  # fmt: skip
    """Scores of the equilibrium; half of the images are real and half are samples.

    Args:
        trained: D(x) of real images [N] and of samples [N], by the run's discriminator.
        tested: the probability of being real by the two-sample classifier, of the same images.
        steps: training steps of the two-sample classifier, by which its power differs.
        gives_probability: whether `trained` estimates D* as well, as in minimax and least-squares GANs.
        targets: a for samples and b for real images, which `trained` was trained towards: smoothed ones make the best
            discriminator b D* + a (1 - D*), from which D* is computed.

    Returns:
        d_real, d_fake: means of the run's discriminator's outputs.
        c2st_accuracy: how often the two-sample classifier is right, with Wilson's interval, whose low end is a lower
            bound on the accuracy of D*.
        js_bound_bits: lower bound on the Jensen-Shannon divergence of data and samples, 0 to 1 bit, see `js_bound`.
        d_accuracy, d_gap: where `gives_probability`, how often the run's one is right, and its mean difference from
            the two-sample classifier's probability.
        In the protocol c2st_steps and c2st_n, the number of real images and of samples.

    Raises:
        EvaluationError: arrays that differ in length, or probabilities outside [0, 1].
    """
    if len({len(part) for part in (*trained, *tested)}) != 1 or not len(trained[0]):
        raise EvaluationError("d_held_out, d_samples, c2st_held_out, c2st_samples: expected four arrays of one length")
    outputs = np.concatenate(tested)
    if not ((outputs >= 0) & (outputs <= 1)).all():
        raise EvaluationError("c2st_held_out, c2st_samples: expected probabilities in [0, 1]")
    truth = np.repeat([1, 0], len(trained[0]))
    scores: dict[str, Score] = {
        "c2st_accuracy": share((outputs > 0.5) == truth),
        "js_bound_bits": js_bound(*tested),
        "d_real": float(trained[0].mean()),
        "d_fake": float(trained[1].mean()),
    }
    if gives_probability:
        during = (np.concatenate(trained) - targets[0]) / (targets[1] - targets[0])
        scores["d_accuracy"] = float(((during > 0.5) == truth).mean())
        scores["d_gap"] = float(np.abs(during - outputs).mean())
    return Measured(scores, {"c2st_steps": steps, "c2st_n": len(trained[0])})


def js_bound(real: np.ndarray, fake: np.ndarray) -> Estimate:
    """1 + (E_p[log2 D] + E_q[log2(1 - D)]) / 2 <= JSD(p, q) in bits, equal for D = D* (Goodfellow et al. 2014, eq. 4-6).

    Clipped probabilities are those of another classifier, for which the bound holds as well. The ends are those of the
    mean's interval. Nothing is below 0, which is where a discriminator that errs with confidence would take it.
    """
    right = np.concatenate([real, 1 - fake.astype(np.float64)]).astype(np.float64).clip(_CLIP, 1 - _CLIP)
    bits = mean(1 + np.log2(right), np.repeat([0, 1], [len(real), len(fake)]))
    return Estimate(*(max(end, 0.0) for end in (bits.value, bits.low, bits.high) if end is not None))
