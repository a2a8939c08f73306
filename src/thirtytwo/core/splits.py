"""Which images of a data set belong to a split."""

import numpy as np

__all__ = ["inside"]

_CODES = {"train": (0,), "test": (1,), "all": (0, 1)}


def inside(split: np.ndarray, name: str) -> np.ndarray:
    """[N] bool: whether an image is in the split `name`, "train", "test" or "all"; `split` [N] is 0 train, 1 test."""
    return np.isin(split, _CODES[name])
