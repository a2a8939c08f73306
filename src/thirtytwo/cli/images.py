"""Images from any model, converted to 32x32 in the same way as those of a data set."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from thirtytwo.core.arrays import read_arrays
from thirtytwo.data.prepare.images import RejectedError, to_array
from thirtytwo.evaluate.prdc import K
from thirtytwo.runtime.errors import CommandError
from thirtytwo.runtime.files import IMAGE_SUFFIXES
from thirtytwo.settings.data import Preparation
from thirtytwo.settings.strict import nearest

__all__ = ["UserImages", "read"]


@dataclass(frozen=True)
class UserImages:
    """The images in a folder or file.

    Attributes:
        images: [N, 32, 32, C] uint8.
        labels: [N] int64, the class that was requested for each, an index into the data set's classes; -1: none.
        removed: name of each file that was left out, and the reason.
    """

    images: np.ndarray
    labels: np.ndarray
    removed: tuple[tuple[str, str], ...]

    def subset(self, count: int, seed: int | None) -> "UserImages":
        """`count` of them, drawn without replacement, or the first ones if `seed` is None."""
        chosen = np.arange(count)
        if seed is not None:
            chosen = np.sort(np.random.default_rng(seed).permutation(len(self.images))[:count])
        return UserImages(self.images[chosen], self.labels[chosen], self.removed)


def read(path: Path, preparation: Preparation, classes: tuple[str, ...], labels_from_folders: bool) -> UserImages:
    """Read the images below a folder, ordered by name, or `images` and, if present, `labels` of an .npz file.

    Each is converted to 32x32 like the images of the data set. Those that do not decode, or whose kind the settings
    do not convert, are removed and listed.

    Args:
        preparation: of the data set.
        classes: of the data set.
        labels_from_folders: whether the name of an image's folder is the class that was requested for it.

    Raises:
        CommandError: `path` is neither a folder nor an .npz file, fewer than 7 images are usable, or a label is not
            one of the classes.
    """
    if path.is_dir():
        items = _files(path, classes, labels_from_folders)
    elif path.suffix == ".npz" and not labels_from_folders:
        items = _arrays(path, classes)
    else:
        raise CommandError(f"{path}: expected a folder of images{'' if labels_from_folders else ' or an .npz file'}")
    images, labels, removed = [], [], []
    for name, label, content in tqdm(items, desc=path.name, unit="image", mininterval=1.0, delay=2):
        try:
            images.append(to_array(content, preparation)[0])
            labels.append(label)
        except RejectedError as error:
            removed.append((name, error.reason))
    if len(images) < K + 2:
        reasons = ", ".join(sorted({reason for _, reason in removed})) or "no image files"
        raise CommandError(
            f"{path}: {len(images)} usable images of {len(removed) + len(images)} ({reasons}); expected {K + 2} or more; "
            "--convert MODE converts images of a mode"
        )
    return UserImages(np.stack(images), np.array(labels, np.int64), tuple(removed))


_LARGEST = 16_384  # pixels of a side
_Item = tuple[str, int, bytes | np.ndarray]


def _files(folder: Path, classes: tuple[str, ...], labelled: bool) -> Iterator[_Item]:
    paths = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES}
    for name, path in sorted(paths.items()):
        label = path.parent.name
        if labelled and label not in classes:
            raise CommandError(f"{path}: unknown class '{label}'; {nearest(label, classes)}")
        if path.is_file():
            yield name, classes.index(label) if labelled else -1, path.read_bytes()


def _arrays(path: Path, classes: tuple[str, ...]) -> Iterator[_Item]:
    arrays = read_arrays(path, {}, sealed=False)
    images, labels = arrays.get("images", np.zeros(0)), arrays.get("labels")
    known = images.dtype == np.uint8 and images.ndim in (3, 4) and (images.ndim == 3 or images.shape[3] in (1, 3))
    if not known or not all(1 <= side <= _LARGEST for side in images.shape[1:3]):
        raise CommandError(
            f"{path}: images are {images.dtype} {list(images.shape)}; expected uint8 [N, H, W] or [N, H, W, 1 or 3],"
            f" 0 to 255, with H and W up to {_LARGEST}"
        )
    if labels is None:
        labels = np.full(len(images), -1)
    if (
        labels.dtype.kind not in "iu"
        or labels.shape != (len(images),)
        or not np.isin(labels, np.arange(-1, len(classes))).all()
    ):
        actual = f"{labels.dtype} {list(labels.shape)} of {np.unique(labels).tolist()[:10]}"
        raise CommandError(
            f"{path}: labels are {actual}; expected [{len(images)}] of 0 to {len(classes) - 1}, or -1 for none"
        )
    for index, image in enumerate(images):
        plain = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
        yield f"image {index}", int(labels[index]), plain
