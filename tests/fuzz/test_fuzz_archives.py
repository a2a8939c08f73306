"""Random archives and random damage to archives: images come out, or one line names the archive; nothing is unpacked."""

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_files import encoded, ramp
from mutations import bounded_memory, damaged, everything_below, one_line
from thirtytwo.data.prepare.readers import idx, read
from thirtytwo.runtime.errors import DataError

MOST = 400 * 2**20  # bytes: one member of the largest size, and what a decompressor keeps
IMAGE = encoded(ramp(4, 4))
NAMES = st.one_of(
    st.sampled_from((
        "a/1.png", "b/2.png", "train/a/1.png", "test/a/1.png", "./a/1.png", "a//1.png", "1.png", "a/README", "a/", "../1.png",
        "a/../../1.png", "/etc/1.png", "C:\\1.png", "C:1.png", "\\\\host\\1.png", "//host/1.png", "a\\..\\1.png", "con/nul.png",
        "a/\0.png", "a/\udcff.png", "é/1.png", "a" * 300 + "/1.png", "", ".", "..", "a/" * 200 + "1.png", "~/1.png", "a/1.png ",
    )),
    st.text(min_size=1, max_size=8).map(lambda text: f"{text}/1.png"),
)  # fmt: skip
KINDS = (
    tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE,
    tarfile.FIFOTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.GNUTYPE_SPARSE,
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, b"?",
)  # fmt: skip
SIZES = st.one_of(st.none(), st.sampled_from((0, 1, 511, 512, 2**20, 2**31, 2**33 - 1, 2**40, -1)))
PACKED = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


@st.composite
def tars(draw: st.DrawFn) -> bytes:
    stream = io.BytesIO()
    form = draw(st.sampled_from((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)))
    with tarfile.open(fileobj=stream, mode="w", format=form, errors="surrogateescape") as archive:
        for name in draw(st.lists(NAMES, max_size=4)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = (
                draw(st.sampled_from(KINDS + KINDS[:1] * 10)),
                draw(st.sampled_from(("", "/etc/passwd"))),
            )
            content = draw(st.sampled_from((IMAGE, b"", b"x" * 600, b"11 path=../x\n", b"22 GNU.sparse.map=0,1\n")))
            info.size = draw(SIZES) if draw(st.integers(0, 9)) == 0 else len(content)  # type: ignore[assignment]
            info.size = len(content) if info.size is None else info.size
            if form == tarfile.PAX_FORMAT and draw(st.integers(0, 4)) == 0:
                key = st.sampled_from(
                    ("path", "size", "linkpath", "GNU.sparse.major", "GNU.sparse.realsize", "GNU.sparse.map")
                )
                info.pax_headers = draw(
                    st.dictionaries(key, st.sampled_from(("../x", "-1", str(10**15), "1", "x", "0,1,2")))
                )
            try:
                header = info.tobuf(form, "utf-8", "surrogateescape")
            except (ValueError, UnicodeError, struct.error):  # this format has no room for it
                continue
            stream.write(header + content + bytes(-len(content) % 512))
        archive.offset = stream.tell()
    return stream.getvalue()


@st.composite
def zips(draw: st.DrawFn) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in draw(st.lists(NAMES, max_size=4)):
            try:
                info = zipfile.ZipInfo(name)
                kind = draw(st.sampled_from((0, stat.S_IFREG, stat.S_IFREG, stat.S_IFLNK, stat.S_IFCHR, stat.S_IFDIR)))
                info.external_attr, info.compress_type = (kind | 0o644) << 16, draw(st.sampled_from((0, 8, 12, 14)))
                archive.writestr(info, draw(st.sampled_from((IMAGE, b"", b"x" * 5000))))
            except (ValueError, UnicodeError):  # a zip cannot have this name
                continue
    return stream.getvalue()


def lying_zip(method: int, size: int) -> bytes:
    """A zip whose only member says that it has 10 bytes, and has `size`."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("a/1.png", bytes(size))
    return stream.getvalue().replace(struct.pack("<I", size), struct.pack("<I", 10))


def tar_with_header_of(kind: bytes, size: int) -> bytes:
    """A tar.gz with `size` bytes of zeros in the name or the attributes of its member."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = kind, size
    member = tarfile.TarInfo("a/1.png")
    member.size = len(IMAGE)
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(size) + member.tobuf() + IMAGE + bytes(1024), 1)


ARCHIVES = st.one_of(
    st.tuples(st.sampled_from(sorted(PACKED)), tars()).map(lambda pair: PACKED[pair[0]](pair[1])),
    zips(),
)


def check(content: bytes, kind: str, name: str, folder: Path, most: int = MOST) -> None:
    path = folder / "raw" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    before = everything_below(folder)
    try:
        with bounded_memory(most):
            for item in read(kind, path.parent):
                assert isinstance(item.content, bytes)
                assert ".." not in item.file.split("/")
                item.label.encode("utf-8")
    except DataError as error:
        one_line(error, name)
    finally:
        path.unlink()
    assert everything_below(folder) == before - {f"raw/{name}"}


@given(content=st.one_of(ARCHIVES, ARCHIVES.flatmap(damaged), st.binary(max_size=600)))
def test_archives_of_images(content: bytes, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.getbasetemp() / "archives"
    folder.mkdir(exist_ok=True)
    for kind, name in (("archive", "pets.zip"), ("cub", "CUB_200_2011.tgz")):
        check(content, kind, name, folder)


@pytest.mark.parametrize(
    "make",
    [
        partial(lying_zip, zipfile.ZIP_DEFLATED),
        partial(tar_with_header_of, tarfile.GNUTYPE_LONGNAME),
        partial(tar_with_header_of, tarfile.XHDTYPE),
    ],
    ids=["deflated", "name", "attributes"],
)
def test_members_that_are_larger_than_they_say(make: Callable[[int], bytes], tmp_path: Path):
    check(make(2**26), "archive", "bomb", tmp_path, most=24 * 2**20)


IDX = struct.pack(">4sIII", bytes([0, 0, 8, 3]), 2, 28, 28) + bytes(range(256)) * 6 + bytes(32)


@given(content=st.one_of(damaged(IDX).map(gzip.compress), damaged(gzip.compress(IDX))))
def test_idx_files(content: bytes, tmp_path_factory: pytest.TempPathFactory):
    check_idx(content, tmp_path_factory.getbasetemp())


def test_an_idx_file_of_zeros(tmp_path: Path):
    check_idx(gzip.compress(bytes(2**28), 1), tmp_path)


def check_idx(content: bytes, folder: Path) -> None:
    path = folder / "images-idx3-ubyte.gz"
    path.write_bytes(content)
    result: Any = None
    try:
        with bounded_memory(MOST):
            result = idx(path, 3)
        assert result.ndim == 3
    except DataError as error:
        one_line(error, path.name)
