"""Checks of the installation: Python and packages against pyproject.toml and requirements.txt, device and threads."""

import os
import platform
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import torch
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from thirtytwo.cli.finding import Finding
from thirtytwo.core.device import set_up
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.runtime.project import Project
from thirtytwo.settings.configs import Compute

__all__ = ["machine", "packages"]

_INSTALL = "pip install -r requirements.txt"


def packages(project: Project) -> Iterator[Finding]:
    """Check Python and every package that pyproject.toml names."""
    with (project.root / "pyproject.toml").open("rb") as file:
        settings = tomllib.load(file)["project"]
    allowed, python = SpecifierSet(settings["requires-python"]), platform.python_version()
    if python not in allowed:
        yield Finding("missing", f"Python {python}; expected {allowed}", "make setup PYTHON=/path/to/another")
    within_range, not_pinned = 0, []
    pins = _pins(project.root / "requirements.txt")
    for required in map(Requirement, settings["dependencies"]):
        if not _applies(required):
            continue
        try:
            version = Version(metadata.version(required.name))
        except metadata.PackageNotFoundError:
            yield Finding("missing", f"package {required.name}: not installed", _INSTALL)
            continue
        if not required.specifier.contains(version, prereleases=True):
            yield Finding("missing", f"package {required.name} {version}: expected {required.specifier}", _INSTALL)
            continue
        within_range += 1
        pin = pins.get(canonicalize_name(required.name), SpecifierSet())
        if not pin.contains(version, prereleases=True):
            not_pinned.append(f"{required.name} {version} (expected {pin})")
    yield Finding("ok", f"Python {python}, {within_range} packages within the ranges of pyproject.toml")
    if not_pinned:
        what = f"versions other than in requirements.txt, so last digits may differ: {', '.join(not_pinned)}"
        yield Finding("note", what, _INSTALL)


def _pins(path: Path) -> dict[str, SpecifierSet]:
    """Exact versions by canonical name, of the lines that apply to this platform."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    # the other lines are comments, options and hashes
    pinned = [Requirement(line.partition("#")[0].rstrip("\\ ")) for line in lines if line[:1].isalnum()]
    return {canonicalize_name(p.name): p.specifier for p in pinned if _applies(p)}


def _applies(requirement: Requirement) -> bool:
    return requirement.marker is None or requirement.marker.evaluate()


def machine(compute: Compute) -> Iterator[Finding]:
    """Check the device that stages will use, and their number of threads."""
    try:
        device = set_up(compute)
    except ParamsError as error:
        yield Finding("missing", str(error), "change it in params.yaml")
        return
    cores = os.cpu_count() or 1
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    yield Finding("ok", f"device {device.type} ({name}), {compute.threads} threads on {cores} cores")
    if compute.threads > cores:
        what = f"compute.threads: {compute.threads}, more than the {cores} cores"
        yield Finding("note", what, "lower it, unless you repeat results of a machine with more cores")
