"""Preparation of a whole set: what is removed, how it is split, and bytes that depend on the input alone."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from image_files import encoded, preparation, prepared, ramp
from thirtytwo.data.prepare.readers import Item, read
from thirtytwo.data.sources import shapes
from thirtytwo.data.sources.acquire import acquire
from thirtytwo.data.sources.fetch import Places
from thirtytwo.runtime.errors import DataError
from thirtytwo.runtime.project import Project
from thirtytwo.settings.data import Archive, Known

MIRROR = os.environ.get("THIRTYTWO_MIRROR")


def items(count: int = 40, split: str | None = None) -> list[Item]:
    rng = np.random.default_rng(5)
    return [
        Item(f"{k % 4}/{k:03d}.png", "abcd"[k % 4], split, rng.integers(0, 256, (32, 32, 3), np.uint8))
        for k in range(count)
    ]


def test_the_order_of_files_does_not_matter_and_the_hold_out_is_by_class(tmp_path):
    facts, loaded = prepared(tmp_path / "one", "folder", items())
    shuffled = items()
    random.Random(1).shuffle(shuffled)
    again, _ = prepared(tmp_path / "two", "folder", shuffled)
    assert facts == again
    one, two = (Project(tmp_path / name).prepared("set").read_bytes() for name in ("one", "two"))
    assert one == two
    assert (facts["train"], facts["test"]) == (32, 8)
    assert facts["per_class"]["test"] == {"a": 2, "b": 2, "c": 2, "d": 2}
    rows = {item.content.tobytes(): item.label for item in items()}
    assert [rows[image.tobytes()] for image in loaded.images] == [loaded.classes[label] for label in loaded.labels]
    # leaving a class out moves no image of another from one split to the other
    _, fewer = prepared(tmp_path / "three", "folder", items(), classes=["b"])
    kept = {image.tobytes(): s for image, s in zip(loaded.images, loaded.split, strict=True)}
    assert all(kept[image.tobytes()] == s for image, s in zip(fewer.images, fewer.split, strict=True))


def test_the_split_of_a_source_is_kept(tmp_path):
    both = items(20, "train") + [Item(f"t{i.file}", i.label, "test", i.content) for i in items(8)]
    facts, _ = prepared(tmp_path, "folder", both)
    assert (facts["train"], facts["test"]) == (20, 8)
    with pytest.raises(DataError, match=r"datasets\.set: image '0/000\.png' .*train/.*test/"):
        prepared(tmp_path, "folder", both + items(4))


def test_classes_are_filtered_in_the_given_order(tmp_path):
    facts, loaded = prepared(tmp_path, "folder", items(), classes=["d", "a"])
    assert (facts["classes"], facts["images"]) == (["d", "a"], 20)
    first = next(i for i in items() if i.content.tobytes() == loaded.images[0].tobytes())
    assert loaded.classes[loaded.labels[0]] == first.label
    cats = [Item(f"{k}", "cat" if k % 2 else "frog", None, i.content) for k, i in enumerate(items())]
    with pytest.raises(DataError, match=r"datasets\.set\.classes: .*'cats'; did you mean 'cat'\?"):
        prepared(tmp_path, "folder", cats, classes=["cats"])


def test_broken_files_are_removed_converted_or_refused(tmp_path):
    broken = [
        *items(8),
        Item("a/z.jpg", "a", None, b"no image"),
        Item("b/z.png", "b", None, encoded(ramp().convert("L"))),
    ]
    facts, _ = prepared(tmp_path, "folder", broken, expected_images=8)
    assert facts["removed"] == [
        {"file": "a/z.jpg", "class": "a", "reason": "does not decode: not an image"},
        {"file": "b/z.png", "class": "b", "reason": "grayscale"},
    ]
    facts, _ = prepared(tmp_path, "folder", broken, convert=["grayscale"])
    assert (facts["images"], facts["converted"]) == (9, {"grayscale": 1})
    with pytest.raises(DataError, match=r"raw: image 'a/z\.jpg' .*corrupt: remove"):
        prepared(tmp_path, "folder", broken, corrupt="stop")
    with pytest.raises(DataError, match=r"datasets\.set\.expected_images: 8 .*expected 9"):
        prepared(tmp_path, "folder", broken, expected_images=9)
    with pytest.raises(DataError, match=r"datasets\.set: .*1 grayscale"):
        prepared(tmp_path, "folder", broken[-1:])
    with pytest.raises(DataError, match=r"raw: 40 images; expected 70000 .*download@raw"):
        prepared(tmp_path, "mnist", items())


def test_shapes_from_folder_to_arrays_with_factors(tmp_path):
    raw = Project(tmp_path).raw("raw")
    shapes.write(raw, 100, 3, difficulty="hard")  # with even light, so that a corner has the recorded background
    (raw / "circle/notes.txt").write_text("skipped")
    facts, loaded = prepared(tmp_path, "shapes", read("shapes", raw), convert=["palette", "rgba"], expected_images=100)
    reasons = Counter(row["reason"].split(":")[0] for row in facts["removed"])
    assert reasons == {"grayscale": 1, "cmyk": 1, "16bit": 1, "does not decode": 2}
    assert loaded.factors.shape == (100, 7)
    assert loaded.factor_names == shapes.FACTORS
    assert np.array_equal(loaded.factors[:, 0], loaded.labels)
    level = loaded.images[:, 0, 0].mean(1) / 255
    assert np.abs(level - loaded.factors[:, 6]).max() < 0.03


SCRIPT = """
import sys
from pathlib import Path
from thirtytwo.data.prepare.dataset import prepare
from thirtytwo.data.prepare.readers import read
from thirtytwo.runtime.project import Project
from thirtytwo.settings.data import Preparation
project = Project(Path(sys.argv[1]))
def slowly(items):
    for index, item in enumerate(items):
        if index == 50 and len(sys.argv) > 3:
            print("half", flush=True); sys.stdin.read()
        yield item
settings = Preparation.model_validate_json(sys.argv[2])
prepare(project, "set", "shapes", settings, slowly(read("shapes", project.raw("raw"))))
"""


def test_a_killed_preparation_leaves_nothing_and_the_bytes_do_not_depend_on_the_hash_seed(tmp_path, root):
    project = Project(tmp_path)
    shapes.write(project.raw("raw"), 100, 3)
    settings = preparation(convert=["palette", "rgba"]).model_dump_json()
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), settings]
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    process = subprocess.Popen([*command, "wait"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"half\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not project.prepared("set").parent.exists()
    written = []
    for seed in ("1", "2"):
        subprocess.run(command, env=environment | {"PYTHONHASHSEED": seed}, check=True)
        written.append([path.read_bytes() for path in (project.prepared("set"), project.facts("set"))])
    assert written[0] == written[1]
    assert json.loads(written[0][1])["images"] == 100


@pytest.mark.skipif(not MIRROR, reason="THIRTYTWO_MIRROR is not set")
@pytest.mark.parametrize(("kind", "mean"), [("mnist", 33.385), ("fashion_mnist", 72.97)])
def test_real_digits_and_clothes(tmp_path, kind, mean):
    project = Project(tmp_path)
    acquire(Known(kind=kind), "raw", project, Places(Path(MIRROR), project.downloads))
    facts, loaded = prepared(
        tmp_path, kind, read(kind, project.raw("raw")), channels=1, fit="pad", expected_images=70000
    )
    assert (facts["train"], facts["test"], len(facts["classes"])) == (60000, 10000, 10)
    assert loaded.images[:, 2:30, 2:30].mean() == pytest.approx(mean, abs=0.05)


@pytest.mark.skipif(not MIRROR, reason="THIRTYTWO_MIRROR is not set")
def test_real_birds(tmp_path):
    project = Project(tmp_path)
    source = Archive(
        kind="archive",
        file="cifar10_jpeg/cifar10-jpeg.tar.xz",
        sha256="a74337550e82a92efa2514ab1bb2eedd81d0abe5d34524c4dc8bc6b465450706",
        urls=[],
    )
    acquire(source, "raw", project, Places(Path(MIRROR), project.downloads))
    start = time.process_time()
    facts, _ = prepared(
        tmp_path, "archive", read("archive", project.raw("raw")), classes=["bird"], expected_images=6000
    )
    assert (facts["train"], facts["test"]) == (5000, 1000)
    assert time.process_time() - start < 40


def test_a_set_without_training_images_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"datasets\.set: no training image; set a lower test_fraction"):
        prepared(tmp_path, "folder", items(4), test_fraction=0.9)
    assert not Project(tmp_path).prepared("set").exists()
