"""From a raw source to one array of 32x32 images with labels, split and factors, and a list of what was removed."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from thirtytwo.data.factors import read_factors
from thirtytwo.data.prepare.images import RejectedError, native_kind, to_array
from thirtytwo.data.prepare.readers import CUB_GRAYSCALE, EXPECTED, FASHION, Item
from thirtytwo.runtime.errors import DataError
from thirtytwo.runtime.files import sha256, write_arrays, write_json
from thirtytwo.runtime.project import Project
from thirtytwo.settings.data import Preparation
from thirtytwo.settings.strict import nearest

__all__ = ["prepare"]

_SPLITS = ("train", "test")


class _Image(NamedTuple):
    """One image of the prepared set; `split` is the source's, None if it has none."""

    split: str | None
    file: str
    label: str
    pixels: np.ndarray


@dataclass
class _Collected:
    """A source's images after conversion, and what became of the others.

    Attributes:
        removed: file, class and reason of each rejected image.
        converted: number of images by the kind that they were converted from.
        labels: names of all classes of the source, those left out by the settings included.
        seen: number of images of the source.
    """

    images: list[_Image] = field(default_factory=list)
    removed: list[dict[str, str]] = field(default_factory=list)
    converted: Counter[str] = field(default_factory=Counter)
    labels: set[str] = field(default_factory=set)
    seen: int = 0


def prepare(project: Project, name: str, kind: str, settings: Preparation, items: Iterable[Item]) -> dict[str, Any]:
    """Write the prepared set `name` (npz) and the facts about it (json), and return the facts.

    The bytes depend on the raw images and the settings alone: images are ordered by split, then file name. If the
    source has no split, a test split is held out of each class by the sha256 of the file names.
    CUB-200-2011 without conversion must lose exactly its eight known grayscale files.

    Args:
        kind: of the source.
        items: the source's images, from `readers.read`, perhaps inside a progress bar.

    Raises:
        DataError: an image does not decode and `corrupt` is "stop"; a class is unknown; the number of images is not
            that of the known source, or not `expected_images`; every image was removed.
    """
    collected = _collect(items, settings)
    classes = _classes(name, kind, settings, collected.labels)
    _check_counts(name, kind, settings, collected)
    splits = _splits(name, collected.images, settings.test_fraction)
    if 0 not in splits:
        raise DataError(f"datasets.{name}: no training image; set a lower test_fraction")
    rows = sorted(zip(splits, collected.images, strict=True), key=lambda row: (row[0], row[1].file))
    numbers = {label: index for index, label in enumerate(classes)}
    arrays = {
        "images": np.stack([image.pixels for _, image in rows]),
        "labels": np.array([numbers[image.label] for _, image in rows], np.int64),
        "split": np.array([split for split, _ in rows], np.uint8),
    }
    factor_names: list[str] = []
    if kind == "shapes":
        files = [image.file for _, image in rows]
        factor_names, arrays["factors"] = read_factors(project.raw(settings.source), files)
    write_arrays(project.prepared(name), arrays, compressed=False)
    facts = {
        "name": name,
        "source": settings.source,
        "classes": classes,
        "factor_names": factor_names,
        "images": len(rows),
        "train": splits.count(0),
        "test": splits.count(1),
        "per_class": _per_class(rows, classes),
        "channels": settings.channels,
        "resample": settings.resample,
        "fit": settings.fit,
        "removed": sorted(collected.removed, key=lambda row: row["file"]),
        "converted": dict(collected.converted),
        "sha256": sha256(project.prepared(name)),
    }
    write_json(project.facts(name), facts, sort_keys=True, sealed=True)
    return facts


def _collect(items: Iterable[Item], settings: Preparation) -> _Collected:
    collected = _Collected()
    for item in items:
        collected.seen += 1
        collected.labels.add(item.label)
        if settings.classes and item.label not in settings.classes:
            continue
        try:
            pixels, kind = to_array(item.content, settings)
        except RejectedError as error:
            if error.unreadable and settings.corrupt == "stop":
                remedy = "repair it, or set corrupt: remove"
                raise DataError(f"{settings.source}: image '{item.file}' {error.reason}; {remedy}") from None
            collected.removed.append({"file": item.file, "class": item.label, "reason": error.reason})
            continue
        if kind != native_kind(settings):
            collected.converted[kind] += 1
        collected.images.append(_Image(item.split, item.file, item.label, pixels))
    return collected


def _classes(name: str, kind: str, settings: Preparation, labels: set[str]) -> list[str]:
    """Class names in the order of their numbers: that of the settings, else the official or the alphabetical one."""
    for label in settings.classes:
        if label not in labels:
            raise DataError(f"datasets.{name}.classes: unknown class '{label}'; {nearest(label, sorted(labels))}")
    if len(set(settings.classes)) < len(settings.classes):
        raise DataError(f"datasets.{name}.classes: {settings.classes}; expected each class once")
    official = FASHION if kind == "fashion_mnist" else ()
    return settings.classes or sorted(labels, key=lambda label: (official.index(label) if official else 0, label))


def _check_counts(name: str, kind: str, settings: Preparation, collected: _Collected) -> None:
    source, seen, kept, removed = settings.source, collected.seen, len(collected.images), collected.removed
    if kind in EXPECTED and seen != EXPECTED[kind]:
        raise DataError(
            f"{source}: {seen} images; expected {EXPECTED[kind]} in {kind}; run `dvc repro -f download@{source}`"
        )
    if not kept:
        reasons = Counter(row["reason"] for row in removed)
        listed = ", ".join(f"{count} {reason}" for reason, count in reasons.items()) or "none"
        raise DataError(f"datasets.{name}: no image left of {seen} (removed: {listed}); expected at least one")
    if kind == "cub" and not settings.classes and "grayscale" not in settings.convert and settings.channels == 3:
        grayscale = sorted(PurePosixPath(row["file"]).name for row in removed if row["reason"] == "grayscale")
        if grayscale != sorted(CUB_GRAYSCALE):
            raise DataError(f"{source}: grayscale files {grayscale}; expected {sorted(CUB_GRAYSCALE)}")
    if settings.expected_images and kept != settings.expected_images:
        raise DataError(
            f"datasets.{name}.expected_images: {kept} images left of {seen} ({len(removed)} removed); "
            f"expected {settings.expected_images} (0: unknown)"
        )


def _splits(name: str, images: list[_Image], test_fraction: float) -> list[int]:
    """0 (train) or 1 (test) for each image."""
    given = {image.split for image in images}
    if given.issuperset(_SPLITS):
        if None in given:
            file = min(image.file for image in images if image.split is None)
            raise DataError(f"datasets.{name}: image '{file}' is neither in train/ nor in test/, but others are")
        return [int(image.split == "test") for image in images]
    hashed: dict[str, list[tuple[str, int]]] = {}
    for index, image in enumerate(images):
        hashed.setdefault(image.label, []).append((hashlib.sha256(image.file.encode()).hexdigest(), index))
    held_out = {index for lot in hashed.values() for _, index in sorted(lot)[: round(test_fraction * len(lot))]}
    return [int(index in held_out) for index in range(len(images))]


def _per_class(rows: list[tuple[int, _Image]], classes: list[str]) -> dict[str, dict[str, int]]:
    """Number of images by split and class."""
    counts = Counter((split, image.label) for split, image in rows)
    return {name: {label: counts[split, label] for label in classes} for split, name in enumerate(_SPLITS)}
