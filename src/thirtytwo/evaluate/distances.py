"""Distances between many features, a block of rows at a time, so that memory stays small at any N."""

from collections.abc import Iterator

import numpy as np

__all__ = ["nearest", "neighbours", "squared"]

_BYTES = 2**22  # of one block of distances, which then stays in the cache


def squared(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Squared Euclidean distances from x [N, D] to all of y [M, D]: rows of x, and float64 [rows, M] for them.

    |x|^2 - 2 x y + |y|^2 in float64; what rounds below zero is zero.
    """
    y = np.asarray(y, np.float64)
    norms = np.einsum("nd,nd->n", y, y)  # no second array of the size of y
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


def neighbours(x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k < N nearest others of each of x [N, D], nearest first: squared distances [N, k] and indices [N, k]."""
    distances, indices = np.empty((len(x), k)), np.empty((len(x), k), np.int64)
    for rows, block in squared(x, x):
        block[np.arange(len(block)), np.arange(rows.start, rows.stop)] = -1  # itself comes first, also among copies
        near = np.argpartition(block, k, axis=1)[:, : k + 1]
        order = np.take_along_axis(block, near, axis=1).argsort(axis=1, kind="stable")[:, 1:]
        indices[rows] = np.take_along_axis(near, order, axis=1)
        distances[rows] = np.take_along_axis(block, indices[rows], axis=1)
    return distances, indices
