"""Preparation: what each kind of file becomes, what is removed, and that the bytes follow from the input alone."""

import gzip
import io
import json
import os
import pickle
import random
import signal
import struct
import subprocess
import sys
import tarfile
import time
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from thirtytwo.data import batches
from thirtytwo.data.prepare.dataset import prepare
from thirtytwo.data.prepare.images import RejectedError, to_array
from thirtytwo.data.prepare.readers import CUB_GRAYSCALE, EXPECTED, Item, read
from thirtytwo.data.sources import shapes
from thirtytwo.data.sources.acquire import acquire
from thirtytwo.data.sources.fetch import Places
from thirtytwo.runtime.errors import DataError
from thirtytwo.settings.data import Archive, Known, Preparation

ROOT = Path(__file__).resolve().parents[1]
MIRROR = os.environ.get("THIRTYTWO_MIRROR")
ALL = ["rgb", "grayscale", "palette", "rgba", "cmyk", "16bit"]


def settings(**changes) -> Preparation:
    values = {
        "source": "own",
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


def coded(image: Image.Image, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    image.save(stream, form)
    return stream.getvalue()


def colour(width: int = 64, height: int = 64) -> Image.Image:
    ramp = np.linspace(0, 255, width * height).reshape(height, width)
    return Image.fromarray(np.stack([ramp, ramp[::-1], np.full_like(ramp, 99)], 2).astype(np.uint8))


def bomb_png(side: int) -> bytes:
    """A valid PNG header of side x side pixels over a few bytes of data."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def tgz(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def run(tmp_path: Path, kind: str, images, **changes):
    about = prepare("set", kind, settings(**changes), tmp_path, tmp_path / "out/set.npz", images)
    return about, batches.load(tmp_path / "out/set.npz")


RED = Image.new("RGB", (50, 40), (200, 40, 0))
MODES = [
    ("rgb", coded(RED), (200, 40, 0)),
    ("grayscale", coded(Image.new("L", (50, 40), 77)), (77, 77, 77)),
    ("grayscale", coded(Image.new("L", (50, 40), 77), "JPEG"), (77, 77, 77)),
    ("grayscale", coded(Image.new("1", (50, 40), 1)), (255, 255, 255)),
    ("grayscale", coded(Image.new("LA", (50, 40), (200, 128))), (100, 100, 100)),  # half transparent over black
    ("palette", coded(RED.quantize(4)), (200, 40, 0)),
    ("rgba", coded(Image.new("RGBA", (50, 40), (200, 40, 0, 255))), (200, 40, 0)),
    ("rgba", coded(Image.new("RGBA", (50, 40), (200, 40, 0, 0))), (0, 0, 0)),
    ("cmyk", coded(Image.new("CMYK", (50, 40), (0, 255, 255, 55)), "TIFF"), (200, 0, 0)),
    ("16bit", coded(Image.fromarray(np.full((40, 50), 0x4D80, np.uint16))), (0x4D, 0x4D, 0x4D)),
]


@pytest.mark.parametrize(("kind", "content", "expected"), MODES)
def test_each_mode_is_recognised_converted_or_left_out(kind, content, expected):
    pixels, found = to_array(content, settings(convert=ALL))
    assert found == kind
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - expected).max() <= 1
    if kind != "rgb":
        with pytest.raises(RejectedError, match=kind) as caught:
            to_array(content, settings(convert=[m for m in ALL if m != kind]))
        assert not caught.value.unreadable


def test_one_channel():
    grey = np.arange(784, dtype=np.uint8).reshape(28, 28)
    assert to_array(grey, settings(channels=1, fit="pad"))[0].shape == (32, 32, 1)
    with pytest.raises(RejectedError, match="rgb"):
        to_array(coded(RED), settings(channels=1))
    pixels, kind = to_array(coded(RED), settings(channels=1, convert=["rgb"]))
    assert kind == "rgb"
    assert np.abs(pixels - (0.299 * 200 + 0.587 * 40)).max() <= 1  # ITU-R 601-2 luma


def test_a_grey_looking_rgb_jpeg_is_rgb():
    content = coded(Image.new("L", (40, 40), 120).convert("RGB"), "JPEG")
    assert to_array(content, settings())[1] == "rgb"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not an image"),
        (b"<html>", "not an image"),
        (coded(colour(200, 200), "JPEG")[:1500], "truncated"),
        (coded(colour())[:60], "does not decode"),
        (coded(colour())[:200] + bytes(100) + coded(colour())[300:], "does not decode"),
        (bomb_png(8000), "decompression bomb: 8000x8000"),
        (bomb_png(10_000), "decompression bomb"),
        (bomb_png(50_000), "decompression bomb"),
    ],
)
def test_what_does_not_decode_is_rejected_with_a_reason(content, reason):
    with pytest.raises(RejectedError, match=reason) as caught:
        to_array(content, settings())
    assert caught.value.unreadable
    assert "0x7" not in caught.value.reason  # no address of an object: it would differ from run to run


def test_pad_crop_and_squash():
    digit = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    padded = to_array(digit, settings(channels=1, fit="pad"))[0][..., 0]
    assert np.array_equal(padded, np.pad(digit, 2))
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, 20:60] = 255  # white in the centre, black to the left and right
    assert to_array(wide, settings(fit="crop"))[0].min() == 255
    squashed = to_array(wide, settings())[0]
    assert squashed[:, :6].max() == 0
    assert squashed[:, 10:22].min() == 255
    small = to_array(np.full((40, 80, 3), 255, np.uint8), settings(fit="pad"))[0]
    assert small[8:24].min() == 255
    assert small[:8].max() == small[24:].max() == 0


@pytest.mark.parametrize("filter_name", ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"])
def test_resampling_is_pillows_filter_of_that_name(filter_name):
    expected = colour(50, 70).resize((32, 32), getattr(Image, filter_name.upper()))
    pixels = to_array(coded(colour(50, 70)), settings(resample=filter_name))[0]
    assert np.array_equal(pixels, np.asarray(expected))


def items(count: int = 40, split: str | None = None) -> list[Item]:
    rng = np.random.default_rng(5)
    return [
        Item(f"{k % 4}/{k:03d}.png", "abcd"[k % 4], split, rng.integers(0, 256, (32, 32, 3), np.uint8))
        for k in range(count)
    ]


def test_order_of_files_does_not_matter_and_the_hold_out_is_by_class(tmp_path):
    about, loaded = run(tmp_path / "one", "folder", items())
    shuffled = items()
    random.Random(1).shuffle(shuffled)
    again, _ = run(tmp_path / "two", "folder", shuffled)
    assert about == again
    one, two = ((tmp_path / name / "out/set.npz").read_bytes() for name in ("one", "two"))
    assert one == two
    assert (about["train"], about["test"]) == (32, 8)
    assert about["per_class"]["test"] == {"a": 2, "b": 2, "c": 2, "d": 2}
    rows = {item.content.tobytes(): item.label for item in items()}
    assert [rows[image.tobytes()] for image in loaded.images] == [loaded.classes[label] for label in loaded.labels]
    # leaving a class out moves no image of another from one split to the other
    _, fewer = run(tmp_path / "three", "folder", items(), classes=["b"])
    kept = {image.tobytes(): s for image, s in zip(loaded.images, loaded.split, strict=True)}
    assert all(kept[image.tobytes()] == s for image, s in zip(fewer.images, fewer.split, strict=True))


def test_a_split_of_the_sources_own_stays(tmp_path):
    both = items(20, "train") + [Item(f"t{i.file}", i.label, "test", i.content) for i in items(8)]
    about, _ = run(tmp_path, "folder", both)
    assert (about["train"], about["test"]) == (20, 8)
    with pytest.raises(DataError, match=r"image '0/000\.png' lies neither in train/ nor in test/"):
        run(tmp_path, "folder", both + items(4))


def test_classes_are_filtered_in_the_given_order_and_unknown_ones_named(tmp_path):
    about, loaded = run(tmp_path, "folder", items(), classes=["d", "a"])
    assert (about["classes"], about["images"]) == (["d", "a"], 20)
    first = next(i for i in items() if i.content.tobytes() == loaded.images[0].tobytes())
    assert loaded.classes[loaded.labels[0]] == first.label
    cats = [Item(f"{k}", "cat" if k % 2 else "frog", None, i.content) for k, i in enumerate(items())]
    with pytest.raises(DataError, match=r"datasets\.set\.classes: no class 'cats'; did you mean 'cat'\?"):
        run(tmp_path, "folder", cats, classes=["cats"])


def test_counts_and_policies(tmp_path):
    broken = [*items(8), Item("a/z.jpg", "a", None, b"no image"), Item("b/z.png", "b", None, MODES[1][1])]
    about, _ = run(tmp_path, "folder", broken, expected_images=8)
    assert about["removed"] == [
        {"file": "a/z.jpg", "class": "a", "reason": "does not decode: not an image"},
        {"file": "b/z.png", "class": "b", "reason": "grayscale"},
    ]
    about, _ = run(tmp_path, "folder", broken, convert=["grayscale"])
    assert (about["images"], about["converted"]) == (9, {"grayscale": 1})
    with pytest.raises(DataError, match=r"own: image 'a/z\.jpg' does not decode.*corrupt: remove"):
        run(tmp_path, "folder", broken, corrupt="stop")
    with pytest.raises(DataError, match=r"expected_images: 8 images remain of 10 \(2 removed\); expected 9"):
        run(tmp_path, "folder", broken, expected_images=9)
    with pytest.raises(DataError, match=r"no image left of 1 \(removed: 1 grayscale\)"):
        run(tmp_path, "folder", broken[-1:])
    with pytest.raises(DataError, match="own: 40 images; expected 70000 in mnist"):
        run(tmp_path, "mnist", items())


def test_shapes_from_folder_to_arrays_with_factors(tmp_path):
    shapes.write(tmp_path, 100, 3)
    (tmp_path / "circle/notes.txt").write_text("passed over")
    about, loaded = run(tmp_path, "shapes", read("shapes", tmp_path), convert=["palette", "rgba"], expected_images=100)
    reasons = Counter(row["reason"].split(":")[0] for row in about["removed"])
    assert reasons == {"grayscale": 1, "cmyk": 1, "16bit": 1, "does not decode": 2}
    assert loaded.factors.shape == (100, 7)
    assert loaded.factor_names == shapes.FACTORS
    assert np.array_equal(loaded.factors[:, 0], loaded.labels)
    # the corner of each picture has the recorded background
    level = loaded.images[:, 0, 0].mean(1) / 255
    assert np.abs(level - loaded.factors[:, 6]).max() < 0.03


@pytest.mark.parametrize("layout", ["", "set/", "set/train/"])
def test_archive_of_images(tmp_path, layout):
    files = {f"{layout}{c}/{k}.jpg": coded(colour(40 + k, 50), "JPEG") for c in ("cat", "dog") for k in range(4)}
    if layout.endswith("train/"):
        files |= {f"set/test/cat/{k}.jpg": coded(colour(), "JPEG") for k in range(3)}
    tgz(tmp_path / "raw/own.tar.gz", files | {"set/README": b"words"})
    about, _ = run(tmp_path, "archive", read("archive", tmp_path / "raw"))
    assert about["classes"] == ["cat", "dog"]
    assert (about["train"], about["test"]) == ((8, 3) if layout.endswith("train/") else (6, 2))
    tgz(tmp_path / "raw/own.tar.gz", {"train/a.jpg": coded(colour())})
    with pytest.raises(DataError, match=r"image 'train/a\.jpg' is in no class"):
        list(read("archive", tmp_path / "raw"))


def cub(path: Path, gray: tuple[str, ...]) -> None:
    birds = {name.rsplit("_", 2)[0]: None for name in CUB_GRAYSCALE}
    files = {"CUB_200_2011/README": b"words"}
    for number, bird in enumerate(birds, 1):
        folder = f"CUB_200_2011/images/{number:03d}.{bird}"
        files |= {f"{folder}/{bird}_0001_{k}.jpg": coded(colour(), "JPEG") for k in range(3)}
        files |= {f"{folder}/{n}": coded(colour().convert("L"), "JPEG") for n in gray if n.startswith(bird)}
    tgz(path, files)


def test_cub_loses_exactly_its_eight_grayscale_files(tmp_path, monkeypatch):
    cub(tmp_path / "raw/CUB_200_2011.tgz", CUB_GRAYSCALE)
    monkeypatch.setitem(EXPECTED, "cub", 7 * 3 + 8)
    about, _ = run(tmp_path, "cub", read("cub", tmp_path / "raw"), expected_images=21, test_fraction=0.0)
    assert about["images"] == 21
    assert about["classes"][:2] == ["Brewer_Blackbird", "Clark_Nutcracker"]
    assert {Path(row["file"]).name for row in about["removed"]} == set(CUB_GRAYSCALE)
    cub(tmp_path / "raw/CUB_200_2011.tgz", CUB_GRAYSCALE[:-1])
    monkeypatch.setitem(EXPECTED, "cub", 7 * 3 + 7)
    with pytest.raises(DataError, match=r"grayscale files .* expected .*White_Necked_Raven_0070_102645\.jpg"):
        run(tmp_path, "cub", read("cub", tmp_path / "raw"))


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
    tgz(path, {f"cifar-10-batches-py/{name}": pickle.dumps(value, protocol=2) for name, value in values.items()})
    return data


def test_official_cifar10(tmp_path, monkeypatch):
    data = cifar(tmp_path / "raw/cifar-10-python.tar.gz")
    monkeypatch.setitem(EXPECTED, "cifar10", 120)
    about, loaded = run(tmp_path, "cifar10", read("cifar10", tmp_path / "raw"))
    assert (about["train"], about["test"]) == (100, 20)
    assert about["classes"][3] == "cat"
    assert np.array_equal(loaded.images[0], data[0, 0].reshape(3, 32, 32).transpose(1, 2, 0))
    assert np.array_equal(loaded.only("test").images[7], data[5, 7].reshape(3, 32, 32).transpose(1, 2, 0))
    assert loaded.only("test").labels[7] == 7
    about, loaded = run(tmp_path, "cifar10", read("cifar10", tmp_path / "raw"), classes=["cat", "frog"])
    assert (about["train"], about["test"], set(loaded.labels)) == (20, 4, {0, 1})


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/thirtytwo-was-here",)


def test_a_malicious_or_strange_cifar10_pickle_is_refused(tmp_path):
    cifar(tmp_path / "raw/cifar-10-python.tar.gz", Evil())
    with pytest.raises(DataError, match=r"data_batch_1' refused, it calls (posix|nt|os)\.system"):
        list(read("cifar10", tmp_path / "raw"))
    assert not Path("/tmp/thirtytwo-was-here").exists()
    cifar(tmp_path / "raw/cifar-10-python.tar.gz", {b"data": np.zeros((20, 7), np.uint8)})
    with pytest.raises(DataError, match="not laid out as the official CIFAR-10 archive"):
        list(read("cifar10", tmp_path / "raw"))
    tgz(tmp_path / "raw/cifar-10-python.tar.gz", {"cifar-10-batches-py/test_batch": b"x"})
    with pytest.raises(DataError, match=r"no member 'cifar-10-batches-py/batches\.meta'"):
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
    about, loaded = run(
        tmp_path, "fashion_mnist", read("fashion_mnist", tmp_path / "raw"), channels=1, fit="pad", classes=[]
    )
    assert (about["train"], about["test"]) == (6, 4)
    assert about["classes"] == ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal"]
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
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: not a whole gzip file"):
        list(read("mnist", tmp_path / "raw"))
    path.unlink()
    with pytest.raises(DataError, match="0 files match train-images"):
        list(read("mnist", tmp_path / "raw"))


SCRIPT = """
import sys, json
from pathlib import Path
from thirtytwo.data.prepare.dataset import prepare
from thirtytwo.data.prepare.readers import read
from thirtytwo.settings.data import Preparation
raw, out = Path(sys.argv[1]), Path(sys.argv[2])
def slowly(images):
    for index, image in enumerate(images):
        if index == 50 and len(sys.argv) > 4:
            print("half", flush=True); sys.stdin.read()
        yield image
prepare("set", "shapes", Preparation(**json.loads(sys.argv[3])), raw, out, slowly(read("shapes", raw)))
"""


def test_killed_half_way_then_clean_and_the_same_under_another_hash_seed(tmp_path):
    shapes.write(tmp_path / "raw", 100, 3)
    chosen = settings(convert=["palette", "rgba"]).model_dump_json()
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "raw")]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    out = tmp_path / "killed/set.npz"
    process = subprocess.Popen(
        [*command, str(out), chosen, "wait"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"half\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not out.parent.exists()
    for seed in ("1", "2"):
        path = tmp_path / seed / "set.npz"
        subprocess.run([*command, str(path), chosen], env=environment | {"PYTHONHASHSEED": seed}, check=True)
    assert (tmp_path / "1/set.npz").read_bytes() == (tmp_path / "2/set.npz").read_bytes()
    assert (tmp_path / "1/set.json").read_bytes() == (tmp_path / "2/set.json").read_bytes()
    about = json.loads((tmp_path / "1/set.json").read_text())
    assert about["images"] == 100


def test_an_interrupted_writer_leaves_the_old_file(tmp_path):
    from thirtytwo.runtime.files import replacing

    def fail(path):
        with replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise OSError("disk full")

    path = tmp_path / "set.npz"
    path.write_bytes(b"whole")
    (tmp_path / ".set.npz.tmp").write_bytes(b"left by a killed process")
    with pytest.raises(OSError, match="disk full"):
        fail(path)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("set.npz", b"whole")]


@pytest.mark.skipif(not MIRROR, reason="THIRTYTWO_MIRROR is not set")
@pytest.mark.parametrize("kind", ["mnist", "fashion_mnist"])
def test_real_digits_and_clothes(tmp_path, kind):
    acquire(Known(kind=kind), tmp_path / "raw", Places(Path(MIRROR), tmp_path / "downloads"), tmp_path)
    about, loaded = run(tmp_path, kind, read(kind, tmp_path / "raw"), channels=1, fit="pad", expected_images=70000)
    assert (about["train"], about["test"], len(about["classes"])) == (60000, 10000, 10)
    assert loaded.images[:, 2:30, 2:30].mean() == pytest.approx(
        {"mnist": 33.385, "fashion_mnist": 72.97}[kind], abs=0.05
    )


@pytest.mark.skipif(not MIRROR, reason="THIRTYTWO_MIRROR is not set")
def test_real_birds(tmp_path):
    source = Archive(
        kind="archive",
        file="cifar10_jpeg/cifar10-jpeg.tar.xz",
        sha256="a74337550e82a92efa2514ab1bb2eedd81d0abe5d34524c4dc8bc6b465450706",
        urls=[],
    )
    acquire(source, tmp_path / "raw", Places(Path(MIRROR), tmp_path / "downloads"), tmp_path)
    start = time.process_time()
    about, _ = run(tmp_path, "archive", read("archive", tmp_path / "raw"), classes=["bird"], expected_images=6000)
    assert (about["train"], about["test"]) == (5000, 1000)
    assert time.process_time() - start < 40
