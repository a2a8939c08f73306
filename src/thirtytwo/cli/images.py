"""Images of anyone's making, brought to 32x32 as those of a data set are."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from thirtytwo.core.arrays import read_arrays
from thirtytwo.data.prepare.images import RejectedError, to_array
from thirtytwo.runtime.errors import CommandError
from thirtytwo.runtime.files import IMAGE_SUFFIXES
from thirtytwo.settings.data import Preparation
from thirtytwo.settings.strict import nearest

__all__ = ["Given", "read"]


@dataclass(frozen=True)
class Given:
    """What was found.

    Attributes:
        images: [N, 32, 32, C] uint8.
        labels: [N] int64, the class that each was asked for, an index into the data set's; -1: none.
        removed: the name of each file that is not among them, and why.
    """

    images: np.ndarray
    labels: np.ndarray
    removed: tuple[tuple[str, str], ...]

    def some(self, count: int, seed: int | None) -> "Given":
        """`count` of them: drawn without replacement, or the first ones where `seed` is None."""
        chosen = np.arange(count)
        if seed is not None:
            chosen = np.sort(np.random.default_rng(seed).permutation(len(self.images))[:count])
        return Given(self.images[chosen], self.labels[chosen], self.removed)


def read(path: Path, preparation: Preparation, classes: tuple[str, ...], labels_from_folders: bool) -> Given:
    """The images below a folder, ordered by name, or those in the `images` of an .npz, with its `labels` if any.

    Each is brought to 32x32 as the images of the data set are; those that do not decode, or are of a mode that is not
    converted, are removed and named.

    Args:
        preparation: of the data set.
        classes: of the data set.
        labels_from_folders: whether an image was asked for as the class that its folder is called by.

    Raises:
        CommandError: nothing of that kind is there, none of it is an image of the data set's kind, or a label is none
            of the classes.
    """
    if path.is_dir():
        items = _files(path, classes, labels_from_folders)
    elif path.suffix == ".npz" and not labels_from_folders:
        items = _arrays(path, classes)
    else:
        raise CommandError(f"{path}: expected a folder of images{'' if labels_from_folders else ', or an .npz'}")
    images, labels, removed = [], [], []
    for name, label, content in tqdm(items, desc=path.name, unit="image", mininterval=1.0, delay=2):
        try:
            images.append(to_array(content, preparation)[0])
            labels.append(label)
        except RejectedError as error:
            removed.append((name, error.reason))
    if len(images) < 2:
        reasons = ", ".join(sorted({reason for _, reason in removed})) or "none were there"
        raise CommandError(
            f"{path}: {len(images)} usable images of {len(removed) + len(images)} ({reasons}); a score needs 2 or more."
            " A mode is converted with --convert MODE"
        )
    return Given(np.stack(images), np.array(labels, np.int64), tuple(removed))


_Item = tuple[str, int, bytes | np.ndarray]


def _files(folder: Path, classes: tuple[str, ...], labelled: bool) -> Iterator[_Item]:
    paths = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES}
    for name, path in sorted(paths.items()):
        label = path.parent.name
        if labelled and label not in classes:
            raise CommandError(f"{path}: '{label}' is no class of the data set; {nearest(label, classes)}")
        if path.is_file():
            yield name, classes.index(label) if labelled else -1, path.read_bytes()


def _arrays(path: Path, classes: tuple[str, ...]) -> Iterator[_Item]:
    (images,) = read_arrays(path, ("images",))
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[3] not in (1, 3)):
        raise CommandError(
            f"{path}: images are {images.dtype} {list(images.shape)}; expected uint8 [N, H, W] or [N, H, W, 1 or 3],"
            " 0 to 255"
        )
    with np.load(path, allow_pickle=False) as file:
        labels = file["labels"] if "labels" in file else np.full(len(images), -1)
    if labels.shape != (len(images),) or not np.isin(labels, np.arange(-1, len(classes))).all():
        raise CommandError(f"{path}: labels are not [{len(images)}] of 0 to {len(classes) - 1}, or -1 for none")
    for index, image in enumerate(images):
        plain = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
        yield f"image {index}", int(labels[index]), plain
