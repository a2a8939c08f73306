"""Distances between many features, a block of rows at a time, so that memory stays small at any N."""

from collections.abc import Iterator

import numpy as np

__all__ = ["nearest", "neighbour_distance", "squared"]

_BYTES = 2**26  # of one block of distances


def squared(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Squared Euclidean distances from x [N, D] to all of y [M, D]: rows of x, and float64 [rows, M] for them.

    |x|^2 - 2 x y + |y|^2 in float64; what rounds below zero is zero.
    """
    y = np.asarray(y, np.float64)
    norms = np.square(y).sum(axis=1)
    rows = max(_BYTES // (8 * len(y)), 1)
    for start in range(0, len(x), rows):
        block = np.asarray(x[start : start + rows], np.float64)
        distances = (-2 * block) @ y.T
        distances += norms
        distances += np.square(block).sum(axis=1)[:, None]
        yield slice(start, start + len(block)), np.maximum(distances, 0, out=distances)


def nearest(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance from each of x [N, D] to the nearest of y [M, D], and its index in y; both [N]."""
    distances, indices = np.empty(len(x)), np.empty(len(x), np.int64)
    for rows, block in squared(x, y):
        indices[rows] = block.argmin(axis=1)
        distances[rows] = np.sqrt(block.min(axis=1))
    return distances, indices


def neighbour_distance(x: np.ndarray, k: int) -> np.ndarray:
    """Squared distance [N] from each of x [N, D] to its k-th nearest other one, k < N."""
    found = np.empty(len(x))
    for rows, block in squared(x, x):
        block.partition(k, axis=1)  # the 0-th is the feature itself
        found[rows] = block[:, k]
    return found
