"""Pairs of real sets for the floor, which is the score of a perfect generator at the same N."""

from dataclasses import dataclass

import numpy as np

from thirtytwo.core.splits import inside
from thirtytwo.runtime.errors import EvaluationError

__all__ = ["RealPair", "largest_pair", "real_pair"]


@dataclass(frozen=True)
class RealPair:
    """Two disjoint sets of real images.

    Attributes:
        samples: indices of the images in place of the generated ones.
        reference: indices of the images that they are compared with.
        name: "test-vs-train", "train-vs-test", or "train-vs-train" and the like where both are of one split.
    """

    samples: np.ndarray
    reference: np.ndarray
    name: str


def real_pair(
    split: np.ndarray, reference_split: str, samples: int, seed: int, draw: int = 0, strata: np.ndarray | None = None
) -> RealPair:
    """Pick `samples` real images from the split that is not the reference, compared with the whole reference.

    Where the other split has too few, both sets come from the reference split: `samples` of its images, or
    half of them where that is fewer, against the rest.

    Args:
        split: [N] uint8, 0 train, 1 test.
        draw: number of the random choice under `seed`.
        strata: [N] int, the class of each image: as many images of each class are picked, up to one, as a generator is
            asked for; None picks at random.

    Raises:
        EvaluationError: the reference split has fewer than 4 images.
    """
    chosen = inside(split, reference_split)
    reference, other = np.flatnonzero(chosen), np.flatnonzero(~chosen)
    if len(reference) < 4:
        raise EvaluationError(
            f"evaluation.reference_split: {reference_split} has {len(reference)} images; a floor needs at least 4"
        )
    rng = np.random.default_rng((seed, draw))
    if strata is not None:
        return _within_classes(strata, reference, other, reference_split, samples, rng)
    if len(other) >= samples:
        name = f"{'test' if reference_split == 'train' else 'train'}-vs-{reference_split}"
        return RealPair(np.sort(rng.permutation(other)[:samples]), reference, name)
    shuffled, count = rng.permutation(reference), min(samples, len(reference) // 2)
    name = f"{reference_split}-vs-{reference_split}"
    return RealPair(np.sort(shuffled[:count]), np.sort(shuffled[count:]), name)


def largest_pair(split: np.ndarray, reference_split: str, samples: int, seed: int, draw: int = 0) -> RealPair:
    """The largest pair of the kind that `real_pair` gives for `samples`: the whole other split, or half the reference.

    Raises:
        EvaluationError: as `real_pair`.
    """
    others = int((~inside(split, reference_split)).sum())
    return real_pair(split, reference_split, others if others >= samples else len(split), seed, draw)


def _within_classes(
    strata: np.ndarray, reference: np.ndarray, other: np.ndarray, reference_split: str, samples: int,
    rng: np.random.Generator,
) -> RealPair:  # fmt: skip
    """The pair with `samples` spread evenly over the classes of the reference.

    Where both sets come from the reference split, the rest of it is thinned to the proportions that its classes had.
    """
    classes = np.unique(strata[reference])
    wanted = [samples // len(classes) + (place < samples % len(classes)) for place in range(len(classes))]
    by_class = [rng.permutation(other[strata[other] == label]) for label in classes]
    if all(len(members) >= count for members, count in zip(by_class, wanted, strict=True)):
        drawn = np.concatenate([members[:count] for members, count in zip(by_class, wanted, strict=True)])
        name = f"{'test' if reference_split == 'train' else 'train'}-vs-{reference_split}"
        return RealPair(np.sort(drawn), reference, name)
    by_class = [rng.permutation(reference[strata[reference] == label]) for label in classes]
    count = min(max(samples // len(classes), 1), *(max(len(members) // 2, 1) for members in by_class))
    kept = min((len(members) - count) / len(members) for members in by_class)
    rest = np.concatenate([members[count : count + round(kept * len(members))] for members in by_class])
    drawn = np.concatenate([members[:count] for members in by_class])
    return RealPair(np.sort(drawn), np.sort(rest), f"{reference_split}-vs-{reference_split}")
