"""Where files come from: each place that can serve a file, and what happens when one cannot."""

import gzip
import hashlib
import struct
from dataclasses import replace
from pathlib import Path

import gdown
import pytest
import requests

from file_server import BODY, SHA256, Server
from thirtytwo.data.sources.catalogue import KNOWN, File
from thirtytwo.data.sources.fetch import Places, fetch
from thirtytwo.runtime.errors import DataError
from thirtytwo.runtime.project import Project

WRONG = hashlib.sha256(BODY[::-1]).hexdigest()


def files_in(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("fault", "reason"), [("404", "status 404"), ("short", "100000"), ("wrong", f"sha256 {WRONG}; expected {SHA256}")]
)
def test_a_fault_leads_to_the_next_url_and_is_reported_when_all_fail(
    server: Server, places: Places, tmp_path: Path, fault: str, reason: str
):
    target = tmp_path / "out/file.bin"
    with pytest.raises(DataError) as caught:
        fetch(File("file.bin", SHA256, server.urls(fault), len(BODY)), "kind", target, places)
    for part in (server.urls(fault)[0], reason, "THIRTYTWO_MIRROR", f"{places.downloads}/{SHA256[:12]}-file.bin"):
        assert part in str(caught.value)
    assert files_in(tmp_path / "out") == []
    assert (
        fetch(File("file.bin", SHA256, server.urls(fault, "good"), len(BODY)), "kind", target, places)
        == (server.urls("good")[0])
    )
    assert target.read_bytes() == BODY
    assert files_in(tmp_path) == [f"data/downloads/{SHA256[:12]}-file.bin", "out/file.bin"]


@pytest.mark.parametrize(
    ("part", "ranges"),
    [
        (BODY[:200_000], ["bytes=200000-"]),
        (b"x" * 1000, ["bytes=1000-", None]),  # of another file: the sha256 is wrong, so start again without it
    ],
)
def test_the_part_of_an_earlier_download_is_continued_if_it_fits(
    server: Server, places: Places, tmp_path: Path, part: bytes, ranges: list[str | None]
):
    places.downloads.mkdir(parents=True)
    (places.downloads / f"{SHA256[:12]}-file.bin.part").write_bytes(part)
    fetch(File("file.bin", SHA256, server.urls("good"), len(BODY)), "kind", tmp_path / "file.bin", places)
    assert [value for _, value in server.requests] == ranges
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_an_earlier_download_and_the_mirror_folder_need_no_network(server: Server, places: Places, tmp_path: Path):
    file = File("file.bin", SHA256, server.urls("good"), len(BODY))
    fetch(file, "kind", tmp_path / "one/file.bin", places)
    server.requests.clear()
    assert fetch(file, "kind", tmp_path / "two/file.bin", places) == "earlier download"
    for place in ("kind/file.bin", "file.bin"):
        mirror = tmp_path / place.replace("/", "-")
        (mirror / place).parent.mkdir(parents=True)
        (mirror / place).write_bytes(BODY)
        mirrored = Places(mirror, tmp_path / "empty", tmp_path)
        assert fetch(file, "kind", tmp_path / "three/file.bin", mirrored) == str(mirror / place)
    assert server.requests == []


def test_a_wrong_file_in_the_mirror_folder_is_skipped_and_reported(places: Places, tmp_path: Path):
    (tmp_path / "mirror/kind").mkdir(parents=True)
    (tmp_path / "mirror/kind/file.bin").write_bytes(BODY[::-1])
    (tmp_path / "mirror/file.bin").write_bytes(BODY)
    mirrored = replace(places, mirror=tmp_path / "mirror")
    file = File("file.bin", SHA256, (), len(BODY))
    assert fetch(file, "kind", tmp_path / "out", mirrored) == str(tmp_path / "mirror/file.bin")
    (tmp_path / "mirror/file.bin").unlink()
    with pytest.raises(DataError, match=rf"kind/file\.bin: sha256 {WRONG}; expected {SHA256}"):
        fetch(file, "kind", tmp_path / "out2", mirrored)


def test_debians_copy_becomes_the_official_file_to_the_last_bit(places: Places, tmp_path: Path):
    name, time_stamp = "labels-idx1-ubyte.gz", 0x59A7E9DE
    plain = gzip.compress(BODY, mtime=7)
    official = b"\x1f\x8b\x08\x08" + struct.pack("<I", time_stamp) + plain[8:10] + b"labels-idx1-ubyte\0" + plain[10:]
    path = places.system / "usr/share" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(plain)
    sha256 = hashlib.sha256(official).hexdigest()
    file = File(name, sha256, (), len(official), "", f"/usr/share/{name}", time_stamp)
    assert fetch(file, "fashion_mnist", tmp_path / "out.gz", places) == f"package /usr/share/{name}"
    assert (tmp_path / "out.gz").read_bytes() == official
    path.write_bytes(plain[:-100])
    with pytest.raises(DataError, match=rf"{name}: Compressed file ended"):
        fetch(file, "fashion_mnist", tmp_path / "out2.gz", places)


def test_google_drive_is_the_last_place(
    server: Server, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(id: str, output: str, quiet: bool) -> None:
        raise RuntimeError("Too many users have viewed\nor downloaded this file recently")

    def serve(id: str, output: str, quiet: bool) -> None:
        assert id == "some-id"
        Path(output).write_bytes(BODY)

    file = File("file.bin", SHA256, server.urls("404"), len(BODY), "some-id")
    monkeypatch.setattr(gdown, "download", refuse)
    with pytest.raises(DataError, match=r"some-id .*: Too many users have viewed or downloaded"):
        fetch(file, "kind", tmp_path / "out", places)
    monkeypatch.setattr(gdown, "download", serve)
    assert fetch(file, "kind", tmp_path / "out", places) == "Google Drive some-id"
    assert (tmp_path / "out").read_bytes() == BODY


def test_google_drive_leads_to_no_private_address(
    server: Server, places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def follow(id: str, output: str, quiet: bool) -> None:
        Path(output).write_bytes(requests.get(server.urls("good")[0], timeout=10).content)

    monkeypatch.setattr(gdown, "download", follow)
    with pytest.raises(DataError, match=r"some-id .*: redirected to 127\.0\.0\.1, which is not a public address"):
        fetch(File("file.bin", SHA256, (), len(BODY), "some-id"), "kind", tmp_path / "out", places)
    assert server.requests == []
    assert requests.get(server.urls("good")[0], timeout=10).content == BODY  # sessions outside are as before


def test_a_full_disk_is_an_error_of_the_disk_not_of_the_server(server: Server, places: Places, tmp_path: Path):
    (places.downloads / f"{SHA256[:12]}-file.bin.part").mkdir(parents=True)  # cannot be written
    with pytest.raises(DataError, match=r"file\.bin\.part: cannot be written"):
        fetch(File("file.bin", SHA256, server.urls("good"), 0), "kind", tmp_path / "out", places)


@pytest.mark.parametrize(("value", "mirror"), [(None, None), ("", None), ("/some/folder", Path("/some/folder"))])
def test_the_environment_names_the_mirror_folder(
    value: str | None, mirror: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("THIRTYTWO_MIRROR", raising=False)
    if value is not None:
        monkeypatch.setenv("THIRTYTWO_MIRROR", value)
    assert Places.of(Project(tmp_path)) == Places(mirror, tmp_path / "data/downloads")


def test_the_catalogue_is_well_formed():
    files = [file for files in KNOWN.values() for file in files]
    for file in files:
        assert len(bytes.fromhex(file.sha256)) == 32
        assert file.size > 0
        assert file.urls
        assert all(url.startswith("http") and url.endswith(file.name) for url in file.urls)
    assert len({file.sha256 for file in files}) == len(files) == 10
