"""Where raw data and published weights can be had from."""

import os
import shutil
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from pathlib import Path

from cleanfid.downloads_helper import inception_url

from thirtytwo.cli.finding import Finding
from thirtytwo.data.sources.acquire import files_of
from thirtytwo.data.sources.catalogue import File
from thirtytwo.data.sources.fetch import Places, local
from thirtytwo.features.inception import WEIGHTS_NAME, WEIGHTS_SHA256
from thirtytwo.runtime.files import sha256
from thirtytwo.settings.data import Folder, Source

__all__ = ["inception", "sources", "space"]

_TIMEOUT = 10  # seconds for an address to answer
_COPIES = 3  # of a downloaded file: as it came, in data/raw, in DVC's cache
_REST = 2**30  # bytes for all else that a pipeline writes


def places(root: Path) -> Places:
    """Those of the stage `download`."""
    mirror = os.environ.get("THIRTYTWO_MIRROR")
    return Places(Path(mirror).expanduser() if mirror else None, root / "data/downloads")


def sources(root: Path, found: Mapping[str, Source], network: bool) -> Iterator[Finding]:
    """Each source: here already, or the place that each of its files would come from."""
    for name, source in found.items():
        if _here(root, name):
            yield Finding("ok", f"source {name}: in data/raw/{name}")
        elif isinstance(source, Folder) and not (root / Path(source.path).expanduser()).is_dir():
            yield Finding("missing", f"source {name}: no folder {source.path}", f"sources.{name}.path: name another")
        else:
            for file in files_of(source):
                yield _file(f"source {name}: {file.name}", file, local(file, source.kind, places(root)), network)
            if not files_of(source):
                yield Finding("ok", f"source {name}: can be had here, without a network")


def inception(root: Path, network: bool) -> Finding:
    """The weights that FID is measured with."""
    file, at = File(WEIGHTS_NAME, WEIGHTS_SHA256, (inception_url,)), places(root)
    own = [folder / WEIGHTS_NAME for folder in (at.mirror, at.downloads) if folder]
    return _file(f"weights of FID: {WEIGHTS_NAME}", file, own, network)


def space(root: Path, found: Mapping[str, Source]) -> Finding:
    """Free bytes on the project's disk against what is still to come."""
    needed = _REST + _COPIES * sum(f.size for n, s in found.items() if not _here(root, n) for f in files_of(s))
    free = shutil.disk_usage(root).free
    what = f"{free / 2**30:.1f} GiB free, about {needed / 2**30:.1f} GiB needed"
    return Finding("ok", what) if free >= needed else Finding("missing", what, "make room, or `dvc gc -w`")


def _here(root: Path, name: str) -> bool:
    folder = root / "data/raw" / name
    return folder.is_dir() and any(folder.iterdir())


def _file(what: str, file: File, paths: list[Path], network: bool) -> Finding:
    for path in (path for path in paths if path.is_file()):
        if file.sha256 and (own := sha256(path)) != file.sha256:
            return Finding("missing", f"{what}: {path} has sha256 {own}; expected {file.sha256}", "remove it")
        return Finding("ok", f"{what}: {path}")
    if file.package and Path(file.package).is_file():
        return Finding("ok", f"{what}: package {file.package}")
    drive = f"Google Drive {file.drive_id}" if file.drive_id else ""
    put = f"put it at {paths[0]}"
    if not network:
        addresses = ", ".join([*file.urls, *([drive] if drive else [])])
        if not addresses:
            return Finding("missing", f"{what}: nowhere, and it has no address", put)
        return Finding("note", f"{what}: not here; from the network, not asked: {addresses}", f"--network, or {put}")
    answers = [(url, _answer(url)) for url in file.urls]
    if served := [url for url, answer in answers if answer == "200"]:
        return Finding("ok", f"{what}: {served[0]}")
    told = "; ".join(f"{url}: {answer}" for url, answer in answers)
    if drive:
        return Finding("note", f"{what}: {told + '; ' if told else ''}{drive} cannot be asked without downloading", put)
    return Finding("missing", f"{what}: {told or 'nowhere, and it has no address'}", put)


def _answer(url: str) -> str:
    """The status of the address, or why there is none."""
    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "thirtytwo"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            return str(response.status)
    except (OSError, HTTPException, ValueError) as error:
        return " ".join(str(error).split())
