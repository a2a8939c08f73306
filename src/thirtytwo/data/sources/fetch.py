"""A file by its sha256 from the first place that has it: mirror folder, earlier download, package, web, Drive."""

import gzip
import os
import shutil
import struct
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import gdown

from thirtytwo.data.sources.catalogue import File
from thirtytwo.data.sources.download import BrokenOffError, RefusedError, resume
from thirtytwo.runtime.errors import DataError
from thirtytwo.runtime.files import sha256

__all__ = ["Places", "fetch", "local"]

_ATTEMPTS = 3


@dataclass(frozen=True)
class Places:
    """Where files are looked for, and how patiently.

    Attributes:
        mirror: a folder of files that the user has, or None.
        downloads: keeps downloads, whole and in part, for the next time.
        system: root of the file system in which packages are installed.
        timeout: seconds to connect and without progress.
        pause: seconds before the second attempt at an address; doubled for the third.
    """

    mirror: Path | None
    downloads: Path
    system: Path = Path("/")
    timeout: float = 30.0
    pause: float = 1.0


def fetch(file: File, kind: str, target: Path, places: Places) -> str:
    """Puts `file` at `target` and returns which place served it; all places serve the same bytes.

    In order: <mirror>/<kind>/<name>, <mirror>/<name> (with its folder and without), the folder of downloads, the
    Debian package, the web addresses, Google Drive. Nothing reaches `target` before its sha256 has been verified.
    Raises:
        DataError: no place serves it: lists every one with the reason, and says where to put the file by hand.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    *mirrored, kept = local(file, kind, places)
    tried: list[str] = []
    for path in [*mirrored, kept]:
        if _copied(path, file, target, tried):
            return str(path) if path != kept else "earlier download"
    if file.package and _rebuilt(places.system / file.package.lstrip("/"), file, target, tried):
        return f"package {file.package}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    for url in file.urls:
        if _downloaded(url, file, kept, places, tried) and _copied(kept, file, target, tried):
            return url
    if file.drive_id and _from_drive(file, kept, tried) and _copied(kept, file, target, tried):
        return f"Google Drive {file.drive_id}"
    if places.mirror is None:
        tried.insert(0, "mirror folder: none (environment variable THIRTYTWO_MIRROR)")
    places_tried = "\n".join(f"  {line}" for line in tried)
    known = f"a file with sha256 {file.sha256}" if file.sha256 else "the file"
    raise DataError(
        f"{file.name}: no place serves it\n{places_tried}\nPut {known} at {kept}, "
        f"or at <folder>/{kind}/{file.name} with THIRTYTWO_MIRROR=<folder>, and run again."
    )


def local(file: File, kind: str, places: Places) -> list[Path]:
    """Where the file may lie already, in the order of `fetch`: in the mirror folder, if there is one; last, a download."""
    names = dict.fromkeys((f"{kind}/{file.name}", file.name, Path(file.name).name))
    mirrored = [places.mirror / name for name in names] if places.mirror else []
    return [*mirrored, places.downloads / f"{file.sha256[:12]}-{Path(file.name).name}"]


def _copied(path: Path, file: File, target: Path, tried: list[str]) -> bool:
    if not path.is_file():
        tried.append(f"{path}: no such file")
        return False
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(path, part)
    return _accepted(part, file, target, str(path), tried)


def _rebuilt(path: Path, file: File, target: Path, tried: list[str]) -> bool:
    """The official gzip file from Debian's copy of it, which lacks the name and the time in its header (RFC 1952)."""
    try:
        content = path.read_bytes()
        if content[:4] != b"\x1f\x8b\x08\x00":
            raise ValueError("not a gzip file without a name")
        gzip.decompress(content)
    except FileNotFoundError:
        tried.append(f"{path}: no such file (package dataset-fashion-mnist is not installed)")
        return False
    except (OSError, EOFError, zlib.error, ValueError) as error:
        tried.append(f"{path}: {error}")
        return False
    part = target.with_name(f".{target.name}.part")
    header = b"\x1f\x8b\x08\x08" + struct.pack("<I", file.gzip_time) + content[8:10]
    part.write_bytes(header + file.name.removesuffix(".gz").encode() + b"\0" + content[10:])
    return _accepted(part, file, target, str(path), tried)


def _downloaded(url: str, file: File, kept: Path, places: Places, tried: list[str]) -> bool:
    part = kept.with_name(f"{kept.name}.part")
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(places.pause * attempt)
        resumed = part.exists()
        try:
            resume(url, part, file.size, places.timeout)
        except RefusedError as error:
            tried.append(f"{url}: {error}")
            return False
        except BrokenOffError as error:
            tried.append(f"{url}: {error}")
            continue
        except OSError as error:
            raise DataError(f"{part}: cannot be written ({error}); make room, then run again") from None
        if _accepted(part, file, kept, url, tried):
            return True
        if not resumed:
            return False
    return False


def _from_drive(file: File, kept: Path, tried: list[str]) -> bool:
    part = kept.with_name(f"{kept.name}.drive")
    place = f"Google Drive {file.drive_id} (gdown)"
    try:
        gdown.download(id=file.drive_id, output=str(part), quiet=False)
    except Exception as error:  # gdown passes on whatever its transport raises
        tried.append(f"{place}: {' '.join(str(error).split())}")
        return False
    if not part.is_file():
        tried.append(f"{place}: no file")
        return False
    return _accepted(part, file, kept, place, tried)


def _accepted(part: Path, file: File, final: Path, place: str, tried: list[str]) -> bool:
    """Moves `part` to `final` if it has the right sha256, or none is known, and removes it otherwise."""
    if (found := sha256(part)) != (file.sha256 or found):
        tried.append(f"{place}: sha256 {found}; expected {file.sha256}")
        part.unlink()
        return False
    os.replace(part, final)
    return True
