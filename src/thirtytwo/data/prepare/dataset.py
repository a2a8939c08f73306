"""A raw source to one array of 32x32 images with labels, split and factors, and a report of what was removed."""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from thirtytwo.data.prepare.images import RejectedError, to_array
from thirtytwo.data.prepare.readers import CUB_GRAYSCALE, EXPECTED, FASHION, Item
from thirtytwo.data.sources.shapes import FACTORS, FACTORS_FILE
from thirtytwo.runtime.errors import DataError
from thirtytwo.runtime.files import replacing, sha256
from thirtytwo.settings.data import Preparation
from thirtytwo.settings.strict import nearest

__all__ = ["prepare"]


@dataclass
class _Collected:
    """What came of a source's images; `kept` has (split, file, label, pixels)."""

    kept: list[tuple[str | None, str, str, np.ndarray]] = field(default_factory=list)
    removed: list[dict[str, str]] = field(default_factory=list)
    converted: Counter[str] = field(default_factory=Counter)
    labels: set[str] = field(default_factory=set)
    seen: int = 0


def prepare(
    name: str, kind: str, settings: Preparation, raw: Path, path: Path, images: Iterable[Item]
) -> dict[str, Any]:
    """Writes the prepared set `name` to `path` (npz) and its description beside it (json); returns the description.

    The bytes depend on the raw images and the settings alone: images are ordered by split, then file name. Where
    the source has no split, a test split is held out of each class by the sha256 of the file names.
    CUB-200-2011 without conversion must lose exactly its eight known grayscale files.

    Args:
        kind: of the source.
        raw: the source's folder, where `shapes` has its factors.
        images: of the source, as `readers.read` gives them (perhaps inside a progress bar).

    Raises:
        DataError: an image does not decode and `corrupt` is "stop"; a class is unknown; the number of images is not
            that of the known source, or not `expected_images`; no image is left.
    """
    found = _collect(images, settings)
    classes = _classes(name, kind, settings, found.labels)
    _check_counts(name, kind, settings, found)
    splits = _splits(name, found.kept, settings.test_fraction)
    rows = sorted(zip(splits, found.kept, strict=True), key=lambda row: (row[0], row[1][1]))
    number = {label: index for index, label in enumerate(classes)}
    arrays = {
        "images": np.stack([kept[3] for _, kept in rows]),
        "labels": np.array([number[kept[2]] for _, kept in rows], np.int64),
        "split": np.array([split for split, _ in rows], np.uint8),
    }
    if kind == "shapes":
        arrays["factors"] = _factors(raw / FACTORS_FILE, [kept[1] for _, kept in rows])
    about = {
        "name": name,
        "source": settings.source,
        "classes": classes,
        "factor_names": list(FACTORS) if kind == "shapes" else [],
        "images": len(rows),
        "train": splits.count(0),
        "test": splits.count(1),
        "per_class": {
            split: {
                label: int(np.sum((arrays["split"] == i) & (arrays["labels"] == number[label]))) for label in classes
            }
            for i, split in enumerate(("train", "test"))
        },
        "channels": settings.channels,
        "resample": settings.resample,
        "fit": settings.fit,
        "removed": sorted(found.removed, key=lambda row: row["file"]),
        "converted": dict(sorted(found.converted.items())),
    }
    return _write(path, arrays, about)


def _collect(images: Iterable[Item], settings: Preparation) -> _Collected:
    found, own = _Collected(), "rgb" if settings.channels == 3 else "grayscale"
    for item in images:
        found.seen += 1
        found.labels.add(item.label)
        if settings.classes and item.label not in settings.classes:
            continue
        try:
            pixels, kind = to_array(item.content, settings)
        except RejectedError as error:
            if error.unreadable and settings.corrupt == "stop":
                hint = "mend it, or set corrupt: remove"
                raise DataError(f"{settings.source}: image '{item.file}' {error.reason}; {hint}") from None
            found.removed.append({"file": item.file, "class": item.label, "reason": error.reason})
            continue
        if kind != own:
            found.converted[kind] += 1
        found.kept.append((item.split, item.file, item.label, pixels))
    return found


def _classes(name: str, kind: str, settings: Preparation, labels: set[str]) -> list[str]:
    """Class names in the order of their numbers: as the settings list them, else official or alphabetical."""
    for label in settings.classes:
        if label not in labels:
            raise DataError(f"datasets.{name}.classes: no class '{label}'; {nearest(label, sorted(labels))}")
    if len(set(settings.classes)) < len(settings.classes):
        raise DataError(f"datasets.{name}.classes: a class comes twice in {settings.classes}")
    official = FASHION if kind == "fashion_mnist" else ()
    return settings.classes or sorted(labels, key=lambda label: (official.index(label) if official else 0, label))


def _check_counts(name: str, kind: str, settings: Preparation, found: _Collected) -> None:
    if kind in EXPECTED and found.seen != EXPECTED[kind]:
        raise DataError(
            f"{settings.source}: {found.seen} images; expected {EXPECTED[kind]} in {kind}; download it again"
        )
    if not found.kept:
        reasons = ", ".join(
            f"{count} {reason}" for reason, count in Counter(r["reason"] for r in found.removed).items()
        )
        raise DataError(f"datasets.{name}: no image left of {found.seen} (removed: {reasons or 'none'})")
    if kind == "cub" and not settings.classes and "grayscale" not in settings.convert and settings.channels == 3:
        gray = sorted(PurePosixPath(row["file"]).name for row in found.removed if row["reason"] == "grayscale")
        if gray != sorted(CUB_GRAYSCALE):
            raise DataError(f"{settings.source}: grayscale files {gray}; expected {sorted(CUB_GRAYSCALE)}")
    if settings.expected_images and len(found.kept) != settings.expected_images:
        raise DataError(
            f"datasets.{name}.expected_images: {len(found.kept)} images remain of {found.seen} "
            f"({len(found.removed)} removed); expected {settings.expected_images} (0: not known)"
        )


def _splits(name: str, kept: list[tuple[str | None, str, str, np.ndarray]], fraction: float) -> list[int]:
    """0 (train) or 1 (test) for each image."""
    given = {split for split, *_ in kept}
    if {"train", "test"} <= given:
        if None in given:
            file = min(row[1] for row in kept if row[0] is None)
            raise DataError(f"datasets.{name}: image '{file}' lies neither in train/ nor in test/, as others do")
        return [int(split == "test") for split, *_ in kept]
    lots: dict[str, list[tuple[str, int]]] = {}
    for index, (_, file, label, _) in enumerate(kept):
        lots.setdefault(label, []).append((hashlib.sha256(file.encode()).hexdigest(), index))
    held_out = {index for lot in lots.values() for _, index in sorted(lot)[: round(fraction * len(lot))]}
    return [int(index in held_out) for index in range(len(kept))]


def _factors(path: Path, files: list[str]) -> np.ndarray:
    with path.open(encoding="utf-8", newline="") as stream:
        known = {row["file"]: [float(row[factor]) for factor in FACTORS] for row in csv.DictReader(stream)}
    if missing := [file for file in files if file not in known]:
        raise DataError(f"{path}: no factors of '{missing[0]}'; run `dvc repro -f download@shapes`")
    return np.array([known[file] for file in files], np.float32)


def _write(path: Path, arrays: dict[str, np.ndarray], about: dict[str, Any]) -> dict[str, Any]:
    """The npz, then the json with its sha256; uncompressed, so that the bytes do not depend on zlib's version."""
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]
    about = about | {"sha256": sha256(path)}
    with replacing(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(about, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return about
