"""How sharp are images? Differences of neighbouring pixels, relative to those of real images.

Blur lowers them, as a VAE's average over images that share a code does; noise raises them. They say nothing about whether
an edge is in the right place.
"""

import numpy as np

from thirtytwo.core.intervals import Estimate, mean

__all__ = ["edge_strength", "edges"]

_CHUNK = 1000  # images converted at a time


def edge_strength(images: np.ndarray) -> np.ndarray:
    """Mean absolute difference of pixels that are horizontal or vertical neighbours.

    Args:
        images: [N, 32, 32, C] uint8.

    Returns:
        [N] float64, in grey levels of 255.
    """
    strengths = []
    for start in range(0, len(images), _CHUNK):
        x = images[start : start + _CHUNK].astype(np.int16)
        along = [np.abs(np.diff(x, axis=axis)).mean(axis=(1, 2, 3), dtype=np.float64) for axis in (1, 2)]
        strengths.append(sum(along) / 2)
    return np.concatenate(strengths)


def edges(samples: np.ndarray, reference: float, strata: np.ndarray | None) -> Estimate:
    """Mean edge strength of samples, divided by that of the reference images; 1: as sharp as real images.

    Args:
        samples: [N >= 2, 32, 32, C] uint8.
        reference: mean edge strength of the reference images.
        strata: [N] int, the class of each sample where the number of each class was fixed.

    Returns:
        with its interval over drawing the samples again; without a value where the reference has no edges.
    """
    return mean(edge_strength(samples) / reference, strata) if reference else Estimate(None)
