"""Prepared data sets for tests, in the files of the stage `prepare`."""

import numpy as np

from thirtytwo.core.facts import Facts
from thirtytwo.runtime.files import sha256, write_arrays, write_json
from thirtytwo.runtime.project import Project


def write_prepared(
    project: Project, name: str, images: np.ndarray, labels: np.ndarray, split: np.ndarray, classes: list[str]
) -> None:
    """Write images [N, 32, 32, C] uint8, labels [N] and splits [N], 0 train and 1 test, without factors."""
    arrays = {"images": images, "labels": labels.astype(np.int64), "split": split.astype(np.uint8)}
    write_arrays(project.prepared(name), arrays, compressed=False)
    per_class = {
        key: {label: int(((labels == k) & (split == number)).sum()) for k, label in enumerate(classes)}
        for number, key in enumerate(("train", "test"))
    }
    facts = Facts(
        name=name, source=name, classes=classes, factor_names=[], images=len(images), train=int((split == 0).sum()),
        test=int((split == 1).sum()), per_class=per_class, channels=images.shape[3], resample="bicubic", fit="squash",
        removed=[], converted={}, sha256=sha256(project.prepared(name)),
    )  # fmt: skip
    write_json(project.facts(name), facts, sealed=True)
