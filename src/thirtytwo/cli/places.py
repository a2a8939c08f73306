"""Checks of raw data and published weights: what is here, what can be downloaded, and whether it fits on the disk."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from thirtytwo.cli.finding import Finding
from thirtytwo.data.sources.acquire import files_of
from thirtytwo.data.sources.catalogue import File
from thirtytwo.data.sources.fetch import Places, local
from thirtytwo.features.inception import FLAVOURS
from thirtytwo.runtime.download import status
from thirtytwo.runtime.files import sha256
from thirtytwo.runtime.project import Project
from thirtytwo.settings.data import Folder, Source

__all__ = ["inception", "sources", "space"]

_TIMEOUT = 10  # seconds for a server to respond
_COPIES = 3  # of a file: the download, data/raw and DVC's cache
_OTHER_OUTPUTS = 2**30  # bytes for all else that the pipeline writes


def sources(project: Project, settings: Mapping[str, Source], network: bool) -> Iterator[Finding]:
    """Check each source: in the project already, or the place that each of its files will come from.

    Args:
        settings: of each source, by its name.
        network: request the URLs of files that are not found locally.
    """
    places = Places.of(project)
    for name, source in settings.items():
        if _acquired(project, name):
            yield Finding("ok", f"source {name}: in {project.raw(name).relative_to(project.root)}")
        elif isinstance(source, Folder) and not (project.root / Path(source.path).expanduser()).is_dir():
            yield Finding("missing", f"source {name}: no folder {source.path}", f"change sources.{name}.path")
        else:
            files = files_of(source)
            for file in files:
                yield _file(f"source {name}: {file.name}", file, local(file, source.kind, places), network)
            if not files:
                yield Finding("ok", f"source {name}: needs no download")


def inception(score: str, project: Project, network: bool) -> Finding:
    """Check the weights of the network that `score`, "fid" or "fid_legacy", needs."""
    places, flavour = Places.of(project), FLAVOURS[score]
    paths = [folder / flavour.weights for folder in (places.mirror, places.downloads) if folder]
    return _file(
        f"weights for {score}: {flavour.weights}",
        File(flavour.weights, flavour.sha256, (flavour.url,)),
        paths,
        network,
    )


def space(project: Project, settings: Mapping[str, Source]) -> Finding:
    """Compare the free space on the project's disk with what the pipeline still has to write."""
    files = [file for name, source in settings.items() if not _acquired(project, name) for file in files_of(source)]
    needed, free = _OTHER_OUTPUTS + _COPIES * sum(file.size for file in files), shutil.disk_usage(project.root).free
    what = f"{free / 2**30:.1f} GiB free, about {needed / 2**30:.1f} GiB needed"
    return Finding("ok", what) if free >= needed else Finding("missing", what, "free some space, or `dvc gc -w`")


def _acquired(project: Project, source: str) -> bool:
    folder = project.raw(source)
    return folder.is_dir() and any(folder.iterdir())


def _file(what: str, file: File, paths: list[Path], network: bool) -> Finding:
    """Check one file: at one of `paths`, in a Debian package, or at one of its URLs."""
    for path in (path for path in paths if path.is_file()):
        if file.sha256 and (actual := sha256(path)) != file.sha256:
            return Finding("missing", f"{what}: {path} has sha256 {actual}; expected {file.sha256}", "delete it")
        return Finding("ok", f"{what}: {path}")
    if file.package and Path(file.package).is_file():
        return Finding("ok", f"{what}: package {file.package}")
    drive = [f"Google Drive {file.drive_id}"] if file.drive_id else []
    save = f"save it as {paths[0]}"
    if not file.urls and not drive:
        return Finding("missing", f"{what}: not found locally, and no download URL is known", save)
    if not network:
        listed = ", ".join([*file.urls, *drive])
        return Finding("note", f"{what}: not found locally; not checked: {listed}", f"check with --network, or {save}")
    statuses = {url: status(url, _TIMEOUT) for url in file.urls}
    if available := [url for url in file.urls if statuses[url] == "200"]:
        return Finding("ok", f"{what}: {available[0]}")
    failures = [f"{url}: {reason}" for url, reason in statuses.items()]
    if drive:
        listed = "; ".join([*failures, f"{drive[0]} cannot be checked without downloading"])
        return Finding("note", f"{what}: {listed}", save)
    return Finding("missing", f"{what}: {'; '.join(failures)}", save)
