"""What is installed, against the ranges of pyproject.toml and the pins of requirements.txt; device and threads."""

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
from thirtytwo.settings.configs import Compute

__all__ = ["machine", "packages"]


def packages(root: Path) -> Iterator[Finding]:
    """Python and every package that pyproject.toml names."""
    with (root / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    allowed, found = SpecifierSet(project["requires-python"]), platform.python_version()
    if found not in allowed:
        yield Finding("missing", f"Python {found}; expected {allowed}", "make setup PYTHON=/path/to/another")
    good, other = [], []
    pins = _pins(root / "requirements.txt")
    for text in project["dependencies"]:
        wanted = Requirement(text)
        try:
            version = Version(metadata.version(wanted.name))
        except metadata.PackageNotFoundError:
            yield Finding("missing", f"package {wanted.name}: not installed", "pip install -r requirements.txt")
            continue
        if not wanted.specifier.contains(version, prereleases=True):
            what = f"package {wanted.name} {version}: expected {wanted.specifier}"
            yield Finding("missing", what, "pip install -r requirements.txt")
            continue
        good.append(wanted.name)
        if (pin := pins.get(canonicalize_name(wanted.name))) and pin != version.public:
            other.append(f"{wanted.name} {version}, not {pin}")
    yield Finding("ok", f"Python {found}, {len(good)} packages within pyproject.toml's ranges")
    if other:
        yield Finding(
            "note", f"other versions than in requirements.txt, so that last digits may differ: {', '.join(other)}",
            "pip install -r requirements.txt",
        )  # fmt: skip


def _pins(path: Path) -> dict[str, str]:
    """Exact versions by canonical name."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pairs = (line.partition("#")[0].partition(";")[0].strip(" \\").partition("==") for line in lines)
    return {canonicalize_name(name): version for name, equals, version in pairs if equals}


def machine(compute: Compute) -> Iterator[Finding]:
    """The device that stages would take, and their threads."""
    try:
        device = set_up(compute)
    except ParamsError as error:
        yield Finding("missing", str(error), "change it in params.yaml")
        return
    cores = os.cpu_count() or 1
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    yield Finding("ok", f"device {device.type} ({name}), {compute.threads} threads on {cores} cores")
    if compute.threads > cores:
        what = f"compute.threads: {compute.threads}, but there are {cores} cores"
        yield Finding("note", what, "lower it, unless results of a machine with more cores are to be repeated")
