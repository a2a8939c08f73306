"""Archives: what is read, and what is refused with the archive and the member named."""

import gzip
import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from thirtytwo.data.prepare.archives import Limits, members
from thirtytwo.runtime.errors import DataError

FILES = {"a/one.jpg": b"1" * 1000, "b/two.jpg": b"22", "README": b"text"}


def make_tar(path: Path, files: dict[str, bytes], extra: list[tarfile.TarInfo] | None = None) -> Path:
    mode = {".gz": "w:gz", ".xz": "w:xz", ".bz2": "w:bz2"}.get(path.suffix, "w")
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in extra or []:
            archive.addfile(info, io.BytesIO(bytes(info.size)))
    return path


def make_zip(path: Path, files: dict[str, bytes], mode: int = stat.S_IFREG | 0o644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


def images(path: Path, limits: Limits | None = None) -> dict[str, bytes]:
    return dict(members(path, lambda name: name.endswith(".jpg"), limits))


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "a.tar.xz", "a.tar.bz2", "a.zip"])
def test_reads_what_is_wanted(tmp_path, name):
    path = (make_zip if name.endswith("zip") else make_tar)(tmp_path / name, FILES)
    assert images(path) == {"a/one.jpg": b"1" * 1000, "b/two.jpg": b"22"}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "name", ["../out.jpg", "a/../../out.jpg", "/etc/out.jpg", "a\\..\\out.jpg", "C:/out.jpg", "C:out.jpg"]
)
@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_refuses_paths_that_leave_the_archive(tmp_path, make, name):
    path = make(tmp_path / "evil", {"a/ok.jpg": b"ok", name: b"evil"})
    with pytest.raises(DataError, match="outside the archive") as caught:
        images(path)
    assert str(path) in str(caught.value)
    assert name.replace("\\", "/").split("/")[-1] in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (tarfile.SYMTYPE, "link"),
        (tarfile.LNKTYPE, "link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.BLKTYPE, "device"),
        (tarfile.FIFOTYPE, "device"),
    ],
)
def test_refuses_links_and_devices_in_tar(tmp_path, kind, word):
    path = make_tar(tmp_path / "evil.tar", FILES, [special("a/evil.jpg", kind, "/etc/passwd")])
    with pytest.raises(DataError, match=rf"evil\.tar: member 'a/evil\.jpg' is a {word}"):
        images(path)


@pytest.mark.parametrize(("mode", "word"), [(stat.S_IFLNK, "link"), (stat.S_IFCHR, "device"), (stat.S_IFIFO, "device")])
def test_refuses_links_and_devices_in_zip(tmp_path, mode, word):
    path = make_zip(tmp_path / "evil.zip", {"a/evil.jpg": b"/etc/passwd"}, mode | 0o777)
    with pytest.raises(DataError, match=rf"evil\.zip: member 'a/evil\.jpg' is a {word}"):
        images(path)


@pytest.mark.parametrize("make", [make_tar, make_zip])
@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(members=2), "more than 2 members"),
        (Limits(member_bytes=999), r"'a/one\.jpg' has 1000 bytes, over the limit of 999"),
        (Limits(total_bytes=1001), "more than 1001 bytes"),
    ],
)
def test_bombs_stop_at_the_limits(tmp_path, make, limits, message):
    path = make(tmp_path / "bomb", FILES)
    with pytest.raises(DataError, match=message):
        images(path, limits)


def test_a_bomb_of_zeros_is_not_unpacked(tmp_path):
    # the header announces 1 TB: refused by its size, before any content is read
    info = tarfile.TarInfo("a/huge.jpg")
    info.size = 10**12
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(512)))
    with pytest.raises(DataError, match=r"bomb\.tar\.gz: .*'a/huge\.jpg' has 1000000000000 bytes"):
        images(path)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tar.xz", "a.zip"])
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_truncated_archive_is_refused(tmp_path, name, share):
    many = {f"a/{k}.jpg": bytes([k]) * 700 + str(k).encode() * 50 for k in range(50)}
    path = (make_zip if name.endswith("zip") else make_tar)(tmp_path / name, many)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError, match=rf"{name}: cannot be read"):
        images(path)


def test_refuses_what_is_not_an_archive_and_repeated_names(tmp_path):
    path = tmp_path / "page.tar.gz"
    path.write_bytes(b"<html>not found</html>" * 100)
    with pytest.raises(DataError, match=r"page\.tar\.gz: cannot be read"):
        images(path)
    path = make_tar(tmp_path / "twice.tar", {"a/one.jpg": b"1", "./a/one.jpg": b"2"})
    with pytest.raises(DataError, match=r"twice\.tar: .*'a/one\.jpg'"):
        images(path)


@pytest.mark.parametrize("cut", ["header", "between", "end"])
def test_a_tar_that_ends_early_is_refused(tmp_path, cut):
    """Python's tarfile takes each of these for the end of the archive, and images would be missing without a word."""
    path = make_tar(tmp_path / "a.tar", FILES)
    content = bytearray(path.read_bytes())
    second = 512 + 1024  # behind the first member's header and its 1000 bytes
    if cut == "header":
        content[second + 150] ^= 1  # its checksum
    path.write_bytes(
        content[:second] if cut == "between" else content[: second + 512 + 512 + 512 + 512] if cut == "end" else content
    )
    with pytest.raises(DataError, match=r"a\.tar: cannot be read \(damaged or cut short"):
        images(path)


def test_the_checksum_behind_the_last_member_is_read(tmp_path):
    path = make_tar(tmp_path / "a.tar.gz", FILES)
    content = path.read_bytes()
    path.write_bytes(
        content[:-8] + bytes([content[-8] ^ 1]) + content[-7:]
    )  # RFC 1952: CRC-32 of the content, its length
    with pytest.raises(DataError, match=r"a\.tar\.gz: cannot be read \(CRC"):
        images(path)


def test_much_data_behind_the_end_is_refused(tmp_path):
    path = make_tar(tmp_path / "a.tar", FILES)
    path.write_bytes(path.read_bytes() + bytes(17 * 2**20))
    with pytest.raises(DataError, match=r"data behind its end"):
        images(path)


def test_a_name_of_megabytes_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for name in ("a/ok.jpg", "x" * 2**21):
            archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(DataError, match="the name or the attributes of a member have 2097153 bytes"):
        images(path)
