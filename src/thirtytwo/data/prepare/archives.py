"""Members of an archive as a stream of bytes: nothing is written to disk, nothing is trusted."""

import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from thirtytwo.runtime.errors import DataError

__all__ = ["Limits", "members"]


@dataclass(frozen=True)
class Limits:
    """What an archive may hold; beyond it, it is taken for a bomb. CUB-200-2011 has 24 000 members and 1.2 GB."""

    members: int = 500_000
    member_bytes: int = 256 * 2**20
    total_bytes: int = 16 * 2**30


_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_MAX_HEADER = 2**20  # bytes of an extended header, which tarfile reads into memory whatever its size


class _StrictTarInfo(tarfile.TarInfo):
    """Raises on a broken header in mid-archive, which tarfile takes for the end, and on a vast extended header."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_StrictTarInfo":
        info = super().frombuf(buf, encoding, errors)
        if info.type in _HEADERS and info.size > _MAX_HEADER:
            raise tarfile.ReadError(f"an extended header of {info.size} bytes, over the limit of {_MAX_HEADER}")
        return info

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "_StrictTarInfo":
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the block of zeros that ends an archive
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"truncated or damaged ({error})") from None


def members(path: Path, wanted: Callable[[str], bool], limits: Limits | None = None) -> Iterator[tuple[str, bytes]]:
    """Name and content of each regular file in a tar, tar.gz, tar.bz2, tar.xz or zip for which `wanted(name)`.

    Every member is checked, wanted or not. Names are relative, with "/" between folders and no leading "./".

    Raises:
        DataError: names the archive, and the member that has an absolute path, "..", a link, a device, a name that
            came before, or more bytes than `limits`; or says that the archive is truncated or no archive.
    """
    entries = _zip_entries if zipfile.is_zipfile(path) else _tar_entries
    caps, count, total, seen = limits or Limits(), 0, 0, set()
    try:
        for name, kind, size, read in entries(path):
            count, total = count + 1, total + size
            _check(path, name, kind, size, count, total, caps)
            if kind == "folder":
                continue
            clean = str(PurePosixPath(name))
            if clean in seen:
                raise DataError(f"{path}: member '{name}' comes twice; expected each once")
            seen.add(clean)
            if wanted(clean):
                yield clean, read()
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        raise DataError(
            f"{path}: cannot be unpacked, {_words(error)}; expected a whole tar, tar.gz, tar.xz or zip"
        ) from None
    except RuntimeError as error:  # what zipfile raises for an encrypted member
        raise DataError(f"{path}: cannot be unpacked, {_words(error)}") from None


_Entry = tuple[str, str, int, Callable[[], bytes]]


def _tar_entries(path: Path) -> Iterator[_Entry]:
    with tarfile.open(path, "r:*", tarinfo=_StrictTarInfo) as archive:
        for info in archive:
            yield info.name, _tar_kind(info), info.size, lambda info=info: archive.extractfile(info).read()  # type: ignore
            archive.members.clear()  # type: ignore[attr-defined]  # tarfile remembers each member for ever


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.isreg() or info.isdir():
        return "file" if info.isreg() else "folder"
    return "link" if info.islnk() or info.issym() else "device"


def _zip_entries(path: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            kind = "folder" if info.is_dir() else "link" if stat.S_ISLNK(mode) else "file"
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
                kind = "device"
            yield info.filename, kind, info.file_size, lambda info=info: archive.read(info)  # type: ignore


def _check(path: Path, name: str, kind: str, size: int, count: int, total: int, caps: Limits) -> None:
    if name.startswith("/") or "\\" in name or ":" in name.split("/")[0] or ".." in name.split("/"):
        raise DataError(f"{path}: member '{name}' points outside the archive; refused")
    if kind in ("link", "device"):
        raise DataError(f"{path}: member '{name}' is a {kind}; expected files and folders only")
    if count > caps.members:
        raise DataError(f"{path}: more than {caps.members} members; taken for a bomb")
    if size > caps.member_bytes:
        raise DataError(
            f"{path}: member '{name}' has {size} bytes, over the limit of {caps.member_bytes}; taken for a bomb"
        )
    if total > caps.total_bytes:
        raise DataError(f"{path}: unpacks to more than {caps.total_bytes} bytes (at '{name}'); taken for a bomb")


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
