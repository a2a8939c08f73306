"""A file by its sha256 from the first place that has it: mirror folder, earlier download, package, web, Google Drive."""

import gzip
import os
import shutil
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import gdown

from thirtytwo.data.sources.catalogue import File
from thirtytwo.runtime.addresses import DownloadError, gdown_stays_public
from thirtytwo.runtime.download import download
from thirtytwo.runtime.errors import DataError
from thirtytwo.runtime.files import sha256
from thirtytwo.runtime.project import Project

__all__ = ["Places", "fetch", "local"]


@dataclass(frozen=True)
class Places:
    """Where to look for files, and how patiently.

    Attributes:
        mirror: the user's folder of files, or None.
        downloads: folder that keeps complete and partial downloads.
        system: root of the file system in which Debian packages are installed.
        timeout: seconds to connect, and without progress.
        pause: seconds, from which the growing waits between repeated requests are computed.
    """

    mirror: Path | None
    downloads: Path
    system: Path = Path("/")
    timeout: float = 30.0
    pause: float = 1.0

    @classmethod
    def of(cls, project: Project) -> "Places":
        """Those of a project, with the mirror folder that the environment variable THIRTYTWO_MIRROR names."""
        mirror = os.environ.get("THIRTYTWO_MIRROR")
        return cls(Path(mirror).expanduser() if mirror else None, project.downloads)


def fetch(file: File, kind: str, target: Path, places: Places) -> str:
    """Put `file` at `target` and return the place that served it; the bytes are the same from every place.

    In order: <mirror>/<kind>/<name>, <mirror>/<name> (with its folder and without), the folder of downloads, the
    Debian package, the URLs, Google Drive. Nothing reaches `target` before its sha256 has been verified.

    Raises:
        DataError: no place serves the file; the message lists every place with the reason, and where to put the file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    *mirrored, cached = local(file, kind, places)
    failures: list[str] = []
    for path in [*mirrored, cached]:
        if _copy(path, file, target, failures):
            return str(path) if path != cached else "earlier download"
    if file.package and _rebuild(places.system / file.package.lstrip("/"), file, target, failures):
        return f"package {file.package}"
    cached.parent.mkdir(parents=True, exist_ok=True)
    for url in file.urls:
        if _download(url, file, cached, places, failures) and _copy(cached, file, target, failures):
            return url
    if file.drive_id and _download_from_drive(file, cached, failures) and _copy(cached, file, target, failures):
        return f"Google Drive {file.drive_id}"
    if places.mirror is None:
        failures.insert(0, "mirror folder: not set (environment variable THIRTYTWO_MIRROR)")
    listed = "\n".join(f"  {line}" for line in failures)
    wanted = f"a file with sha256 {file.sha256}" if file.sha256 else "the file"
    raise DataError(
        f"{file.name}: not available from any place\n{listed}\nPut {wanted} at {cached}, "
        f"or at <folder>/{kind}/{file.name} with THIRTYTWO_MIRROR=<folder>, and run again."
    )


def local(file: File, kind: str, places: Places) -> list[Path]:
    """Paths at which `fetch` looks first: those in the mirror folder, if one is set, then that of a download."""
    names = dict.fromkeys((f"{kind}/{file.name}", file.name, Path(file.name).name))
    mirrored = [places.mirror / name for name in names] if places.mirror else []
    return [*mirrored, places.downloads / f"{file.sha256[:12]}-{Path(file.name).name}"]


# Each of these returns whether it worked; a reason why not is appended to `failures`.


def _copy(path: Path, file: File, target: Path, failures: list[str]) -> bool:
    if not path.is_file():
        failures.append(f"{path}: no such file")
        return False
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(path, part)
    return _accept(part, file, target, str(path), failures)


def _rebuild(path: Path, file: File, target: Path, failures: list[str]) -> bool:
    """The official gzip file from Debian's copy of it, which lacks the name and time in its header (RFC 1952)."""
    try:
        content = path.read_bytes()
        if content[:4] != b"\x1f\x8b\x08\x00":
            raise ValueError("expected a gzip file whose header has no file name")
        gzip.decompress(content)
    except FileNotFoundError:
        failures.append(f"{path}: no such file (package dataset-fashion-mnist is not installed)")
        return False
    except (OSError, EOFError, zlib.error, ValueError) as error:
        failures.append(f"{path}: {error}")
        return False
    part = target.with_name(f".{target.name}.part")
    header = b"\x1f\x8b\x08\x08" + struct.pack("<I", file.gzip_time) + content[8:10]
    part.write_bytes(header + file.name.removesuffix(".gz").encode() + b"\0" + content[10:])
    return _accept(part, file, target, str(path), failures)


def _download(url: str, file: File, cached: Path, places: Places, failures: list[str]) -> bool:
    part = cached.with_name(f"{cached.name}.part")
    for _ in range(2 if part.exists() else 1):  # a wrong sha256 may be due to the part: then start again without it
        try:
            download(url, part, file.size, places.timeout, places.pause)
        except DownloadError as error:
            failures.append(f"{url}: {error}")
            return False
        except OSError as error:
            raise DataError(f"{part}: cannot be written ({error}); free some space, then run again") from None
        if _accept(part, file, cached, url, failures):
            return True
    return False


def _download_from_drive(file: File, cached: Path, failures: list[str]) -> bool:
    part = cached.with_name(f"{cached.name}.drive")
    place = f"Google Drive {file.drive_id} (gdown)"
    try:
        with gdown_stays_public():
            gdown.download(id=file.drive_id, output=str(part), quiet=False)
    except Exception as error:  # gdown passes on whatever its transport raises
        failures.append(f"{place}: {' '.join(str(error).split())}")
        return False
    if not part.is_file():
        failures.append(f"{place}: no file")
        return False
    return _accept(part, file, cached, place, failures)


def _accept(part: Path, file: File, final: Path, place: str, failures: list[str]) -> bool:
    """Move `part` to `final` if its sha256 is right, or unknown; delete it otherwise."""
    actual = sha256(part)
    if file.sha256 and actual != file.sha256:
        failures.append(f"{place}: sha256 {actual}; expected {file.sha256}")
        part.unlink()
        return False
    os.replace(part, final)
    return True
