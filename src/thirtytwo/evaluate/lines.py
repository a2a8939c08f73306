"""Do images between and beyond two samples look as real as the samples? Scores along lines through the latent space."""

import numpy as np

from thirtytwo.core.intervals import mean, share
from thirtytwo.evaluate.prdc import K, among_real
from thirtytwo.evaluate.scorecard import Measured
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["PLACES", "along_lines"]

# i where precision is measured: a sample, the middle, and 3 and 5 steps beyond the other sample
PLACES = (0, 4, 12, 14)
_FIRST, _COUNT = -5, 20  # i of the first image of a line, and images on it
_BETWEEN = slice(0 - _FIRST, 10 - _FIRST)


def along_lines(features: np.ndarray, predicted: np.ndarray, real: np.ndarray) -> Measured:
    """Precision at some places of lines z1 + i/9 (z2 - z1), i = -5 ... 14, and how many classes a line passes.

    z1 and z2 are normal and independent, so that on average z has (1 - i/9)^2 + (i/9)^2 times the squared norm of a
    random latent: 0.5 at i = 4, 1.9 at i = 12 and 2.7 at i = 14, where hardly a latent lay during the training.

    Args:
        features: [P, 20, D] of the images on P lines.
        predicted: [P, 20] the classes that the classifier sees in them.
        real: [M, D] features of as many real images as precision is measured with elsewhere.

    Returns:
        line_precision_i0, _i4, _i12 and _i14, shares of lines (Kynkäänniemi et al. 2019, eq. 1); line_classes, the mean
        number of different classes from z1 to z2; in the protocol line_n.

    Raises:
        EvaluationError: fewer than two lines, or lines of other than 20 images.
    """
    if len(features) < 2 or features.shape[1] != _COUNT:
        raise EvaluationError(
            f"interpolation_lines: {len(features)} lines of {features.shape[1]} images; expected two lines or more, of "
            f"{_COUNT} images each; sample the run again"
        )
    columns = [i - _FIRST for i in PLACES]
    hits = among_real(features[:, columns].reshape(-1, features.shape[2]), real, K).reshape(-1, len(PLACES))
    scores = {f"line_precision_i{i}": share(hits[:, place]) for place, i in enumerate(PLACES)}
    passed = np.array([len(np.unique(line)) for line in predicted[:, _BETWEEN]])
    return Measured(scores | {"line_classes": mean(passed)}, {"line_n": len(features)})
