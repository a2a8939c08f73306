"""Each kind of source: from its files to images with labels and splits, and what is wrong with damaged files."""

import gzip
import io
import os
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from image_files import encoded, prepared, ramp, tar_gz
from thirtytwo.data.prepare.readers import CUB_GRAYSCALE, EXPECTED, read
from thirtytwo.runtime.errors import DataError


@pytest.mark.parametrize("layout", ["", "set/", "set/train/"])
def test_archive_of_images(tmp_path, layout):
    files = {f"{layout}{c}/{k}.jpg": encoded(ramp(40 + k, 50), "JPEG") for c in ("cat", "dog") for k in range(4)}
    if layout.endswith("train/"):
        files |= {f"set/test/cat/{k}.jpg": encoded(ramp(), "JPEG") for k in range(3)}
    tar_gz(tmp_path / "raw/pets.tar.gz", files | {"set/README": b"text"})
    facts, _ = prepared(tmp_path, "archive", read("archive", tmp_path / "raw"))
    assert facts["classes"] == ["cat", "dog"]
    assert (facts["train"], facts["test"]) == ((8, 3) if layout.endswith("train/") else (6, 2))
    tar_gz(tmp_path / "raw/pets.tar.gz", {"train/a.jpg": encoded(ramp())})
    with pytest.raises(DataError, match=r"'train/a\.jpg'.*<class>/<file>"):
        list(read("archive", tmp_path / "raw"))


def cub(path: Path, grayscale: tuple[str, ...]) -> None:
    birds = {name.rsplit("_", 2)[0]: None for name in CUB_GRAYSCALE}
    files = {"CUB_200_2011/README": b"text"}
    for number, bird in enumerate(birds, 1):
        folder = f"CUB_200_2011/images/{number:03d}.{bird}"
        files |= {f"{folder}/{bird}_0001_{k}.jpg": encoded(ramp(), "JPEG") for k in range(3)}
        files |= {f"{folder}/{n}": encoded(ramp().convert("L"), "JPEG") for n in grayscale if n.startswith(bird)}
    tar_gz(path, files)


def test_cub_loses_exactly_its_eight_grayscale_files(tmp_path, monkeypatch):
    cub(tmp_path / "raw/CUB_200_2011.tgz", CUB_GRAYSCALE)
    monkeypatch.setitem(EXPECTED, "cub", 7 * 3 + 8)
    facts, _ = prepared(tmp_path, "cub", read("cub", tmp_path / "raw"), expected_images=21, test_fraction=0.0)
    assert facts["images"] == 21
    assert facts["classes"][:2] == ["Brewer_Blackbird", "Clark_Nutcracker"]
    assert {Path(row["file"]).name for row in facts["removed"]} == set(CUB_GRAYSCALE)
    cub(tmp_path / "raw/CUB_200_2011.tgz", CUB_GRAYSCALE[:-1])
    monkeypatch.setitem(EXPECTED, "cub", 7 * 3 + 7)
    with pytest.raises(DataError, match=r"grayscale files .* expected .*White_Necked_Raven_0070_102645\.jpg"):
        prepared(tmp_path, "cub", read("cub", tmp_path / "raw"))


def test_the_eight_names_are_those_of_the_course():
    numbers = [name.removesuffix(".jpg").rsplit("_", 1)[1] for name in CUB_GRAYSCALE]
    assert numbers == ["2682", "85099", "49180", "49456", "76836", "23802", "54825", "102645"]
    assert (EXPECTED["cub"], len(CUB_GRAYSCALE)) == (11788, 8)


def cifar(path: Path, first: object = None) -> np.ndarray:
    names = [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]
    data = np.random.default_rng(0).integers(0, 256, (6, 20, 3072), np.uint8)
    values: dict[str, object] = {
        name: {b"data": data[k], b"labels": [i % 10 for i in range(20)]} for k, name in enumerate(names)
    }
    words = "airplane automobile bird cat deer dog frog horse ship truck"
    values["batches.meta"] = {b"label_names": [word.encode() for word in words.split()]}
    if first is not None:
        values["data_batch_1"] = first
    tar_gz(path, {f"cifar-10-batches-py/{name}": pickle.dumps(value, protocol=2) for name, value in values.items()})
    return data


def test_official_cifar10(tmp_path, monkeypatch):
    data = cifar(tmp_path / "raw/cifar-10-python.tar.gz")
    monkeypatch.setitem(EXPECTED, "cifar10", 120)
    facts, loaded = prepared(tmp_path, "cifar10", read("cifar10", tmp_path / "raw"))
    assert (facts["train"], facts["test"]) == (100, 20)
    assert facts["classes"][3] == "cat"
    assert np.array_equal(loaded.images[0], data[0, 0].reshape(3, 32, 32).transpose(1, 2, 0))
    assert np.array_equal(loaded.only("test").images[7], data[5, 7].reshape(3, 32, 32).transpose(1, 2, 0))
    assert loaded.only("test").labels[7] == 7
    facts, loaded = prepared(tmp_path, "cifar10", read("cifar10", tmp_path / "raw"), classes=["cat", "frog"])
    assert (facts["train"], facts["test"], set(loaded.labels)) == (20, 4, {0, 1})


class CallsSystem:
    def __reduce__(self):
        return os.system, ("touch /tmp/thirtytwo-was-here",)


def test_a_malicious_or_unexpected_cifar10_pickle_is_refused(tmp_path):
    cifar(tmp_path / "raw/cifar-10-python.tar.gz", CallsSystem())
    with pytest.raises(DataError, match=r"data_batch_1'.*(posix|nt|os)\.system"):
        list(read("cifar10", tmp_path / "raw"))
    assert not Path("/tmp/thirtytwo-was-here").exists()
    cifar(tmp_path / "raw/cifar-10-python.tar.gz", {b"data": np.zeros((20, 7), np.uint8)})
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz: .*reshape"):
        list(read("cifar10", tmp_path / "raw"))
    tar_gz(tmp_path / "raw/cifar-10-python.tar.gz", {"cifar-10-batches-py/test_batch": b"x"})
    with pytest.raises(DataError, match=r"'cifar-10-batches-py/batches\.meta'"):
        list(read("cifar10", tmp_path / "raw"))


def mnist(folder: Path, **changes: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, count in (("train", 6), ("t10k", 4)):
        pixels = bytes(k % 256 for k in range(count * 784))
        images = struct.pack(">4sIII", bytes([0, 0, 8, 3]), count, 28, 28) + pixels
        labels = struct.pack(">4sI", bytes([0, 0, 8, 1]), count) + bytes(range(count))
        for name, content in ((f"{prefix}-images-idx3-ubyte", images), (f"{prefix}-labels-idx1-ubyte", labels)):
            (folder / f"{name}.gz").write_bytes(gzip.compress(changes.get(name.replace("-", "_"), content)))


def test_idx_files(tmp_path, monkeypatch):
    mnist(tmp_path / "raw")
    monkeypatch.setitem(EXPECTED, "fashion_mnist", 10)
    facts, loaded = prepared(
        tmp_path, "fashion_mnist", read("fashion_mnist", tmp_path / "raw"), channels=1, fit="pad", classes=[]
    )
    assert (facts["train"], facts["test"]) == (6, 4)
    assert facts["classes"] == ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal"]
    assert loaded.labels.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3]
    for change, message in [
        ({"train_images_idx3_ubyte": b"\0\0\x0d\x03" + bytes(12)}, "begins with 00000d03; expected 00000803"),
        ({"train_labels_idx1_ubyte": b"\0\0\x08\x01\0\0\0\x09abc"}, r"3 bytes of data; expected 9 for \[9\]"),
        ({"t10k_labels_idx1_ubyte": b"\0\0\x08\x01\0\0\0\x03abc"}, "4 test images but 3 labels"),
        ({"t10k_labels_idx1_ubyte": b"\0\0\x08\x01\0\0\0\x04abcd"}, "label 97 of image 0: expected 0 to 9"),
    ]:
        mnist(tmp_path / "raw", **change)
        with pytest.raises(DataError, match=message):
            list(read("mnist", tmp_path / "raw"))
    path = tmp_path / "raw/train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: .*gzip.*download@raw"):
        list(read("mnist", tmp_path / "raw"))
    path.unlink()
    with pytest.raises(DataError, match="0 files match train-images"):
        list(read("mnist", tmp_path / "raw"))


@pytest.mark.parametrize("name", ["caf\udce9/a.png", f"{'x' * 256}/a.png", f"a/{'é' * 128}.png"])
def test_names_that_no_file_can_have_are_refused(name, tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w", errors="surrogateescape") as archive:
        for member in ("a/ok.png", name):
            info = tarfile.TarInfo(member)
            archive.addfile(info, io.BytesIO(b""))
    with pytest.raises(DataError, match=r"a\.tar: name '.*'; expected at most 255 bytes of UTF-8") as caught:
        list(read("archive", tmp_path))
    str(caught.value).encode("utf-8")


@pytest.mark.parametrize(
    "damage", [lambda c: c[:300], lambda c: c[:300] + bytes([c[300] ^ 1]) + c[301:], lambda c: b""]
)
def test_a_damaged_array_of_digits_is_refused(damage, tmp_path):
    path = tmp_path / "data/raw/digits5k/digits5k.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, images=np.zeros((20, 28, 28), np.uint8), labels=np.zeros(20, np.int64))
    assert len(list(read("digits5k", path.parent))) == 20
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"digits5k\.npz: damaged .*run `dvc repro download@digits5k`"):
        list(read("digits5k", path.parent))


@pytest.mark.parametrize(
    "images", [np.zeros((20, 28, 27), np.uint8), np.zeros((19, 28, 28), np.uint8), np.zeros((20, 28, 28))]
)
def test_digits_of_another_shape_or_type_are_refused(images, tmp_path):
    np.savez(tmp_path / "digits5k.npz", images=images, labels=np.zeros(20, np.int64))
    with pytest.raises(DataError, match=rf"damaged \(images are {images.dtype}"):
        list(read("digits5k", tmp_path))
