"""Image files and archives for tests of preparation."""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from thirtytwo.core.facts import Facts
from thirtytwo.data import batches
from thirtytwo.data.batches import ImageSet
from thirtytwo.data.prepare.dataset import prepare
from thirtytwo.data.prepare.readers import Item
from thirtytwo.runtime.files import read_json
from thirtytwo.runtime.project import Project
from thirtytwo.settings.data import Preparation

ALL_KINDS = ["rgb", "grayscale", "palette", "rgba", "cmyk", "16bit"]


def preparation(**changes: Any) -> Preparation:
    """Settings of a set of RGB images, squashed, with nothing converted."""
    values = {
        "source": "raw",
        "classes": [],
        "channels": 3,
        "fit": "squash",
        "resample": "bicubic",
        "convert": [],
        "corrupt": "remove",
        "expected_images": 0,
        "test_fraction": 0.25,
    }
    return Preparation(**(values | changes))


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    image.save(stream, form)
    return stream.getvalue()


def ramp(width: int = 64, height: int = 64) -> Image.Image:
    """An RGB image with a different colour in each pixel."""
    levels = np.linspace(0, 255, width * height).reshape(height, width)
    return Image.fromarray(np.stack([levels, levels[::-1], np.full_like(levels, 99)], 2).astype(np.uint8))


def tar_gz(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def prepared(folder: Path, kind: str, items: Iterable[Item], **changes: Any) -> tuple[dict[str, Any], ImageSet]:
    """The facts about the data set `set` of the project in `folder`, and the set itself, prepared from `items`."""
    project = Project(folder)
    facts = prepare(project, "set", kind, preparation(**changes), items)
    assert facts == vars(read_json(project.facts("set"), Facts))
    return facts, batches.load(project.prepared("set"))
