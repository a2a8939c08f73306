"""The images of a raw source, one by one, from files, archives and arrays alike."""

import gzip
import io
import pickle
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from thirtytwo.data.prepare.archives import members
from thirtytwo.runtime.errors import DataError
from thirtytwo.runtime.files import IMAGE_SUFFIXES
from thirtytwo.runtime.project import remedy
from thirtytwo.runtime.sealed import BROKEN_ARRAYS, arrays_in

__all__ = ["CUB_GRAYSCALE", "EXPECTED", "FASHION", "Item", "read"]

DIGITS = tuple("0123456789")
_LARGEST_IDX = 64 * 2**20  # bytes; 60 000 images have 47 million
FASHION = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot")
EXPECTED = {"digits5k": 5000, "mnist": 70000, "fashion_mnist": 70000, "cifar10": 60000, "cub": 11788}
# The JPEG files of CUB-200-2011 with one channel; courses delete them by name, here the rule for grayscale removes them.
CUB_GRAYSCALE = (
    "Brewer_Blackbird_0028_2682.jpg",
    "Clark_Nutcracker_0020_85099.jpg",
    "Ivory_Gull_0040_49180.jpg",
    "Ivory_Gull_0085_49456.jpg",
    "Mallard_0130_76836.jpg",
    "Pelagic_Cormorant_0022_23802.jpg",
    "Western_Gull_0002_54825.jpg",
    "White_Necked_Raven_0070_102645.jpg",
)


@dataclass(frozen=True)
class Item:
    """One image before preparation.

    Attributes:
        file: identifies the image in reports, orders it, and decides whether it is held out; equal on every machine.
        label: name of its class.
        split: "train" or "test", or None if the source has no split.
        content: the bytes of an image file, or an array [H, W] or [H, W, 3] uint8.
    """

    file: str
    label: str
    split: str | None
    content: bytes | np.ndarray


def read(kind: str, folder: Path) -> Iterator[Item]:
    """Yield the images of a source of the given kind from its folder of raw files, in no particular order.

    `shapes`, `folder` and `archive` hold image files in one folder per class, below train/ and test/ if the source
    has that split; files without an image suffix are skipped. CUB-200-2011 has an official split for classification,
    which the courses do not use; neither does this function: its split is None.

    Raises:
        DataError: a file is missing, damaged or of another format, or an image is in no class folder.
    """
    if kind in ("shapes", "folder"):
        yield from _tree(folder)
    elif kind == "archive":
        yield from _images_of(_single_file(folder, "*"))
    elif kind == "cub":
        yield from _cub(_single_file(folder, "CUB_200_2011.tgz"))
    elif kind == "cifar10":
        yield from _cifar10(_single_file(folder, "cifar-10-python.tar.gz"))
    elif kind == "digits5k":
        yield from _arrays(*_digits5k(_single_file(folder, "digits5k.npz")), DIGITS, None)
    else:
        for split, prefix in (("train", "train"), ("test", "t10k")):
            images = idx(_single_file(folder, f"{prefix}-images-idx3-ubyte.gz"), 3)
            labels = idx(_single_file(folder, f"{prefix}-labels-idx1-ubyte.gz"), 1)
            if len(images) != len(labels):
                raise DataError(
                    f"{folder}: {len(images)} {split} images but {len(labels)} labels; expected equal numbers"
                )
            yield from _arrays(images, labels, DIGITS if kind == "mnist" else FASHION, split)


def _digits5k(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        arrays = arrays_in(path.read_bytes())
        images, labels = arrays["images"], arrays["labels"]
        if images.dtype != np.uint8 or images.shape != (len(labels), 28, 28):
            raise ValueError(f"images are {images.dtype} {list(images.shape)}")
    except BROKEN_ARRAYS as error:
        raise DataError(f"{path}: damaged ({error}); {remedy(path.parent)}") from None
    return images, labels


def idx(path: Path, dimensions: int) -> np.ndarray:
    """The uint8 array in a gzipped IDX file: magic 0 0 8 <dimensions>, big-endian int32 sizes, then the bytes.

    Raises:
        DataError: the file is not gzip, has another magic number, or its length contradicts its sizes.
    """
    try:
        with gzip.open(path) as stream:
            content = stream.read(_LARGEST_IDX + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: not a complete gzip file ({error}); run `dvc repro -f download@{path.parent.name}`"
        ) from None
    if len(content) > _LARGEST_IDX:
        raise DataError(f"{path}: unpacks to more than {_LARGEST_IDX} bytes; refused as a decompression bomb")
    start, magic = 4 + 4 * dimensions, bytes([0, 0, 8, dimensions])
    if content[:4] != magic or len(content) < start:
        raise DataError(
            f"{path}: begins with {content[:4].hex()}; expected {magic.hex()} (IDX, unsigned bytes, {dimensions} dimensions)"
        )
    shape = np.frombuffer(content, ">i4", dimensions, 4).astype(np.int64)
    if shape.min() < 0 or shape.prod() != len(content) - start:
        raise DataError(f"{path}: {len(content) - start} bytes of data; expected {shape.prod()} for {shape.tolist()}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _arrays(images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...], split: str | None) -> Iterator[Item]:
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        if not 0 <= label < len(classes):
            raise DataError(f"label {label} of image {index}: expected 0 to {len(classes) - 1}")
        yield Item(f"{split or 'all'}/{index:05d}", classes[label], split, image)


def _tree(folder: Path) -> Iterator[Item]:
    for path in folder.rglob("*"):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            yield _item(path.relative_to(folder).as_posix(), path.read_bytes(), folder)


def _images_of(path: Path) -> Iterator[Item]:
    for name, content in members(path, lambda name: PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES):
        yield _item(name, content, path)


def _item(file: str, content: bytes, where: Path) -> Item:
    parts = PurePosixPath(file).parts
    for part in parts:
        if len(part.encode("utf-8", "replace")) > 255 or part.encode("utf-8", "ignore").decode() != part:
            raise DataError(
                f"{where}: name {part[:100]!a}; expected at most 255 bytes of UTF-8; rename the file or folder"
            )
    if len(parts) < 2 or parts[-2] in ("train", "test"):
        raise DataError(
            f"{where}: image '{file}' is in no class folder; expected <class>/<file> or train/<class>/<file>"
        )
    return Item(file, parts[-2], parts[-3] if len(parts) > 2 and parts[-3] in ("train", "test") else None, content)


def _cub(path: Path) -> Iterator[Item]:
    images = "CUB_200_2011/images/"
    for name, content in members(path, lambda name: name.startswith(images) and name.endswith(".jpg")):
        label, file = name.removeprefix(images).split("/", 1)
        yield Item(f"{label}/{file}", label.partition(".")[2], None, content)


def _cifar10(path: Path) -> Iterator[Item]:
    """The official archive: six pickles of {data: [10000, 3072] uint8, channels first; labels}, and one of class names."""
    top = "cifar-10-batches-py/"
    wanted = {f"{top}{name}" for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch", "batches.meta")}
    contents = dict(members(path, wanted.__contains__))
    if missing := sorted(wanted - contents.keys()):
        raise DataError(f"{path}: member '{missing[0]}' is missing; expected the official CIFAR-10 archive for Python")
    batches = {name: _unpickle(path, name, content) for name, content in contents.items()}
    try:
        classes = [name.decode() for name in batches.pop(f"{top}batches.meta")[b"label_names"]]
        for name, batch in sorted(batches.items()):
            pixels = np.asarray(batch[b"data"], np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
            split = "test" if name.endswith("test_batch") else "train"
            for index, (image, label) in enumerate(zip(pixels, batch[b"labels"], strict=True)):
                yield Item(f"{name.removeprefix(top)}/{index:05d}", classes[label], split, image)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{path}: layout differs from that of the official CIFAR-10 archive ({error!r})") from None


class _ArrayUnpickler(pickle.Unpickler):
    """Builds dicts, lists, numbers, strings and numpy arrays, and refuses to call anything else."""

    _ALLOWED = {  # noqa: RUF012
        ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
        ("numpy._core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): lambda text, encoding: text.encode(encoding),
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"calls {module}.{name}")
        return self._ALLOWED[module, name]


def _unpickle(path: Path, name: str, content: bytes) -> dict[bytes, Any]:
    try:
        values = _ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a damaged pickle may raise anything
        raise DataError(f"{path}: member '{name}' is refused ({error}); expected a pickle of plain arrays") from None
    if not isinstance(values, dict):
        raise DataError(f"{path}: member '{name}' holds a {type(values).__name__}; expected a dict")
    return values


def _single_file(folder: Path, pattern: str) -> Path:
    """The one file in `folder` that matches `pattern`."""
    files = [path for path in folder.glob(pattern) if path.is_file()]
    if len(files) != 1:
        remedy = f"run `dvc repro -f download@{folder.name}`"
        raise DataError(f"{folder}: {len(files)} files match {pattern}; expected one; {remedy}")
    return files[0]
