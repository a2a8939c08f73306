"""Members of an archive as bytes in memory: nothing is extracted to disk, and every member is checked."""

import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from thirtytwo.runtime.errors import DataError
from thirtytwo.runtime.sealed import read_member

__all__ = ["Limits", "members"]

_HEADER = 2**20  # bytes of a member's name or attributes
_BEHIND = 16 * 2**20  # bytes of padding behind the last member
_FORMATS = "a complete tar, tar.gz, tar.bz2, tar.xz or zip without a password"


@dataclass(frozen=True)
class Limits:
    """What an archive may hold at most. CUB-200-2011 has 24 000 members and 1.2 GB."""

    members: int = 500_000
    member_bytes: int = 256 * 2**20
    total_bytes: int = 16 * 2**30


class _Member(NamedTuple):
    name: str
    kind: str  # file, folder, link or device
    size: int
    read: Callable[[], bytes]


def members(path: Path, wanted: Callable[[str], bool], limits: Limits | None = None) -> Iterator[tuple[str, bytes]]:
    """Name and content of each regular file in a tar (plain, gz, bz2, xz) or zip archive for which `wanted(name)`.

    Every member is checked, wanted or not. Names have "/" between folders and no leading "./".

    Raises:
        DataError: a member has an absolute path, "..", a repeated name or more bytes than `limits` allow, or is a link
            or a device; or the archive cannot be read. The message names the archive and the member.
    """
    limits, names, count, total = limits or Limits(), set(), 0, 0
    try:
        for member in (_zip if zipfile.is_zipfile(path) else _tar)(path):
            count, total = count + 1, total + member.size
            _check(path, member)
            _check_size(path, member, count, total, limits)
            if member.kind == "folder":
                continue
            name = str(PurePosixPath(member.name))
            if name in names:
                raise DataError(f"{path}: two members are named '{name}'; expected different names")
            names.add(name)
            if wanted(name):
                yield name, member.read()
    except DataError:
        raise
    except (
        tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError,
        LookupError, OverflowError, struct.error,
    ) as error:  # fmt: skip
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: cannot be read ({reason}); expected {_FORMATS}") from None


class _Header(tarfile.TarInfo):
    """A header that is whole: tarfile takes a damaged one for the end of the archive, and reads a name of any length."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        try:
            info = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # a block of zeros: the end
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"damaged or cut short: {error}") from None
        if info.type not in tarfile.REGULAR_TYPES and info.size > _HEADER:
            raise tarfile.ReadError(f"the name or the attributes of a member have {info.size} bytes")
        return info


def _tar(path: Path) -> Iterator[_Member]:
    with tarfile.open(path, tarinfo=_Header) as archive:
        for info in archive:
            kind = "file" if info.isreg() else "folder" if info.isdir() else "device" if info.isdev() else "link"
            yield _Member(info.name, kind, info.size, partial(_read, archive, info))
        if archive.fileobj and len(archive.fileobj.read(_BEHIND)) == _BEHIND:  # to the end, where the checksum is
            raise tarfile.ReadError("data behind its end")


def _read(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(info)
    return stream.read() if stream else b""


def _zip(path: Path) -> Iterator[_Member]:
    kinds = {0: "file", stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            kind = (
                "folder" if info.filename.endswith("/") else kinds.get(stat.S_IFMT(info.external_attr >> 16), "device")
            )
            yield _Member(info.filename, kind, info.file_size, partial(read_member, archive, info))


def _check(path: Path, member: _Member) -> None:
    # tarfile's data filter is for extraction to disk, and Python 3.11.2 (Debian 12) does not have it
    name = PureWindowsPath(member.name)  # knows "\" and drives as well as "/"
    if name.drive or name.root or ".." in name.parts:
        raise DataError(f"{path}: member '{member.name}' points outside the archive; expected a relative path")
    if member.kind in ("link", "device"):
        raise DataError(f"{path}: member '{member.name}' is a {member.kind}; expected files and folders only")


def _check_size(path: Path, member: _Member, count: int, total: int, limits: Limits) -> None:
    if count > limits.members:
        raise DataError(f"{path}: more than {limits.members} members; refused as a decompression bomb")
    if member.size > limits.member_bytes:
        raise DataError(
            f"{path}: member '{member.name}' has {member.size} bytes, over the limit of {limits.member_bytes}; "
            "refused as a decompression bomb"
        )
    if total > limits.total_bytes:
        raise DataError(
            f"{path}: unpacks to more than {limits.total_bytes} bytes (at '{member.name}'); "
            "refused as a decompression bomb"
        )
