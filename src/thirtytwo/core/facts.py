"""What the stage `prepare` writes about a data set, data/prepared/<set>.json."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Facts"]


@dataclass(frozen=True)
class Facts:
    """Facts about a prepared data set.

    Attributes:
        classes: names, in the order of their numbers.
        factor_names: of the ground-truth factors; [] where they are not known.
        images, train, test: how many there are.
        per_class: number of images by split and class.
        resample, fit: how images became 32x32, see `settings.data.Preparation`.
        removed: file, class and reason of each image that was left out.
        converted: number of images by the mode that they had.
        sha256: of the arrays beside this file.
    """

    name: str
    source: str
    classes: list[str]
    factor_names: list[str]
    images: int
    train: int
    test: int
    per_class: dict[str, dict[str, int]]
    channels: Literal[1, 3]
    resample: str
    fit: Literal["squash", "crop", "pad"]
    removed: list[dict[str, str]]
    converted: dict[str, int]
    sha256: str
