"""A pickle that would run code, planted in each kind of file that is read: refused, and nothing runs."""

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from image_files import preparation
from thirtytwo.cli import images
from thirtytwo.core.arrays import read_arrays
from thirtytwo.core.drawn import read_probes, read_samples
from thirtytwo.core.weights import load_weights, serialise
from thirtytwo.data.prepare.readers import read
from thirtytwo.features.extraction import load_classifier
from thirtytwo.nets.classifier import Classifier
from thirtytwo.runtime.errors import ThirtyTwoError
from thirtytwo.runtime.sealed import seal_zip
from thirtytwo.settings.configs import load_yaml

CPU = torch.device("cpu")


class Plant:
    """Unpickling it makes the folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str, int]]:
        import os

        return os.mkdir, (str(self.path), 0o700)


def npz(plant: Plant) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, images=np.array([plant], object), labels=np.zeros(1, np.int64))
    return buffer.getvalue()


def pickle_as_npz(plant: Plant) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("images.npy", pickle.dumps(plant))
    return buffer.getvalue()


def yaml(plant: Plant) -> bytes:
    return f"a: !!python/object/apply:os.mkdir ['{plant.path}']\n".encode()


FILES: dict[str, tuple[str, Callable[[Plant], bytes], Callable[[Path], Any]]] = {
    "samples": ("s.npz", lambda plant: seal_zip(npz(plant)), read_samples),
    "probes": ("s.npz", lambda plant: seal_zip(npz(plant)), read_probes),
    "arrays": ("s.npz", lambda plant: seal_zip(pickle_as_npz(plant)), lambda path: read_arrays(path, {"images": "uint8 N"})),
    "arrays that are a pickle": ("s.npz", pickle.dumps, lambda path: read_arrays(path, {}, sealed=False)),
    "images of a user": ("s.npz", npz, lambda path: images.read(path, preparation(), ("a",), False)),
    "digits": ("digits5k.npz", npz, lambda path: list(read("digits5k", path.parent))),
    "weights": ("0.pt", lambda plant: serialise({"modules": plant}), lambda path: load_weights(path, CPU)),
    "weights of others": ("0.pt", pickle.dumps, lambda path: load_weights(path, CPU, sealed=False)),
    "a classifier": ("c.pt", lambda plant: serialise({"classes": [plant]}), lambda path: load_classifier(Classifier, path, CPU)),
    "settings": ("params.yaml", yaml, load_yaml),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_nothing_runs(kind: str, tmp_path: Path):
    name, content, action = FILES[kind]
    path, ran = tmp_path / "raw" / name, tmp_path / "ran"
    path.parent.mkdir()
    path.write_bytes(content(Plant(ran)))
    with pytest.raises(ThirtyTwoError, match=name):
        action(path)
    assert not ran.exists()


def test_no_reader_in_the_code_allows_pickles():
    """`weights_only` and `allow_pickle` stay as they are, and nothing else unpickles but the reader of CIFAR-10's archive."""
    root = Path(__file__).resolve().parents[2]
    sources = {
        path: path.read_text(encoding="utf-8") for folder in ("src", "stages") for path in (root / folder).rglob("*.py")
    }
    found = {path.name for path, text in sources.items() if "pickle.load" in text or "pickle.Unpickler" in text}
    assert found == {"readers.py"}
    assert not [path for path, text in sources.items() if "allow_pickle=True" in text or "weights_only=False" in text]
    assert all(text.count("torch.load(") == text.count("weights_only=True") for text in sources.values())
