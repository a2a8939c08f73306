"""Each kind of source, from its settings to a folder of raw files that is complete or absent."""

import gzip
import os
from pathlib import Path

import gdown
import numpy as np
import pytest
from PIL import Image

from file_server import BODY, SHA256, Server
from thirtytwo.data.sources.acquire import acquire
from thirtytwo.data.sources.catalogue import KNOWN
from thirtytwo.data.sources.fetch import Places
from thirtytwo.runtime.errors import DataError
from thirtytwo.runtime.project import Project
from thirtytwo.settings.data import Archive, Checkpoint, Digits5k, Folder, Known

MIRROR = os.environ.get("THIRTYTWO_MIRROR")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def raw(project: Project) -> list[str]:
    """Files of the source `mine`, and whatever an interrupted write would leave beside it."""
    folder = project.raw("mine").parent
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_an_archive_replaces_the_former_one_or_leaves_it(server: Server, places: Places, project: Project):
    source = Archive(kind="archive", file="sub/pets.tar", sha256=SHA256, urls=list(server.urls("404", "good")))
    assert acquire(source, "mine", project, places) == {"sub/pets.tar": server.urls("good")[0]}
    assert raw(project) == ["mine/pets.tar"]
    wrong = Archive(kind="archive", file="pets.tar", sha256="0" * 64, urls=list(server.urls("good")))
    with pytest.raises(DataError, match=f"sha256 {SHA256}; expected {'0' * 64}"):
        acquire(wrong, "mine", project, places)
    assert raw(project) == ["mine/pets.tar"]
    assert (project.raw("mine") / "pets.tar").read_bytes() == BODY


def test_a_folder_of_images_is_copied(places: Places, project: Project):
    source = project.root / "pictures/cat"
    source.mkdir(parents=True)
    Image.new("RGB", (40, 40)).save(source / "a.PNG")
    (source / "notes.txt").write_text("no image")
    (project.raw("mine") / "old").mkdir(parents=True)
    assert acquire(Folder(kind="folder", path="pictures"), "mine", project, places) == {"*": "pictures"}
    assert raw(project) == ["mine/cat/a.PNG"]
    assert not (project.raw("mine") / "old").exists()


@pytest.mark.parametrize(("path", "message"), [("nowhere", "nowhere: no such folder"), ("empty", "empty: no image")])
def test_a_folder_without_images_is_refused(places: Places, project: Project, path: str, message: str):
    (project.root / "empty").mkdir()
    with pytest.raises(DataError, match=message):
        acquire(Folder(kind="folder", path=path), "mine", project, places)
    assert not project.raw("mine").exists()


@pytest.mark.parametrize("known", [SHA256, ""])
def test_a_checkpoint_comes_from_the_mirror_folder_or_from_drive(
    known: str, project: Project, monkeypatch: pytest.MonkeyPatch
):
    source = Checkpoint(kind="checkpoint", file="w.pth", sha256=known, drive_id="some-id")
    requested = []

    def download(id: str, output: str, quiet: bool) -> None:
        requested.append(id)
        Path(output).write_bytes(BODY)

    monkeypatch.setattr(gdown, "download", download)
    mirror = project.root / "mirror"
    places = Places(mirror, project.downloads, pause=0.0)
    assert acquire(source, "mine", project, places) == {"w.pth": "Google Drive some-id"}
    assert requested == ["some-id"]
    mirror.mkdir()
    (mirror / "w.pth").write_bytes(BODY)
    assert acquire(source, "mine", project, places) == {"w.pth": str(mirror / "w.pth")}
    assert requested == ["some-id"]


def test_a_checkpoint_that_no_place_has_says_where_to_put_it(project: Project):
    source = Checkpoint(kind="checkpoint", file="w.pth", sha256="", drive_id="")
    with pytest.raises(DataError, match=rf"Put the file at {project.downloads}/.*w\.pth"):
        acquire(source, "mine", project, Places(None, project.downloads))


def test_digits5k(places: Places, project: Project):
    acquire(Digits5k(kind="digits5k"), "mine", project, places)
    with np.load(project.raw("mine") / "digits5k.npz") as arrays:
        images, labels = arrays["images"], arrays["labels"]
    assert images.shape == (5000, 28, 28)
    assert np.bincount(labels).tolist() == [500] * 10
    if MIRROR:  # they are MNIST training images, with their labels
        mnist = Path(MIRROR) / "mnist"
        pixels = np.frombuffer(gzip.decompress((mnist / "train-images-idx3-ubyte.gz").read_bytes())[16:], np.uint8)
        official = gzip.decompress((mnist / "train-labels-idx1-ubyte.gz").read_bytes())[8:]
        known = {image.tobytes(): label for image, label in zip(pixels.reshape(-1, 784), official, strict=True)}
        assert [known.get(image.tobytes()) for image in images] == labels.tolist()


@pytest.mark.skipif(not MIRROR, reason="THIRTYTWO_MIRROR is not set")
@pytest.mark.parametrize("kind", ["mnist", "fashion_mnist"])
def test_real_archives_from_the_mirror(project: Project, kind: str):
    served = acquire(Known(kind=kind), "mine", project, Places(Path(MIRROR), project.downloads))
    assert set(served) == {file.name for file in KNOWN[kind]}
    assert all(place.startswith(MIRROR) for place in served.values())
    assert not project.downloads.exists()
