"""`thirtytwo doctor`: whether this machine and this project can do what is asked of them."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from thirtytwo.cli import checkpoints, project
from thirtytwo.cli.finding import Finding
from thirtytwo.cli.installation import machine, packages
from thirtytwo.cli.places import inception, sources, space
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.runtime.files import sha256
from thirtytwo.runtime.project import Project
from thirtytwo.settings import configs
from thirtytwo.settings.data import SourceConfig
from thirtytwo.settings.report import ReportConfig
from thirtytwo.settings.resolve import resolve

__all__ = ["run"]

_NAMED = 8  # stages that are named


def run(args: argparse.Namespace) -> int:
    """Prints what is found; 1 where something needed is missing."""
    root, worst = project.root(), 0
    for finding in _findings(root, args.network, args.clean):
        print(f"{finding.state:8}{finding.what}{f'  -> {finding.do}' if finding.do else ''}", flush=True)
        worst = max(worst, int(finding.state == "missing"))
    return worst


def _findings(root: Path, network: bool, clean: float | None) -> Iterator[Finding]:
    yield from packages(root)
    with tempfile.TemporaryDirectory() as folder:
        try:
            written = resolve(root / "params.yaml", Project(Path(folder)))
        except ParamsError as error:
            yield Finding("missing", str(error), "mend params.yaml")
            return
        trained = {path.stem: sha256(path) for path in written if path.parent.name == "train"}
        settings = configs.read(ReportConfig, "report", "report", Project(Path(folder)))
        names = [path.stem for path in written if path.parent.name == "download"]
        found = {name: configs.read(SourceConfig, "download", name, Project(Path(folder))).source for name in names}
    yield Finding("ok", f"params.yaml: {len(settings.runs)} runs on {len(settings.datasets)} data sets")
    yield from machine(settings.compute)
    yield from sources(root, found, network)
    if settings.evaluation.fid:
        yield inception(root, network)
    yield space(root, found)
    yield stale(root)
    if clean is not None:
        yield from checkpoints.clean(Project(root), trained, clean)
    yield from checkpoints.findings(Project(root), trained)
    yield from leftovers(root)


def stale(root: Path) -> Finding:
    """What `dvc status` finds."""
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        reason = [line for line in done.stderr.splitlines() if "ERROR" in line] or done.stderr.splitlines()[-1:] or [""]
        return Finding("missing", f"dvc status: {' '.join(reason[0].split())}", "see `dvc status`")
    stages = sorted(json.loads(done.stdout))
    if not stages:
        return Finding("ok", "every stage is up to date")
    more = f" and {len(stages) - _NAMED} more" if len(stages) > _NAMED else ""
    return Finding("note", f"{len(stages)} stages are stale: {', '.join(stages[:_NAMED])}{more}", "dvc repro")


def leftovers(root: Path) -> Iterator[Finding]:
    """What interrupted work has left behind in the project's folder."""
    for path in sorted((root / "data/downloads").glob("*.part")):
        yield Finding("note", f"{path.relative_to(root)}: a download that broke off", "the next one goes on from there")
    made = (path for name in ("data", "metrics", "plots") for path in (root / name).rglob(".*.tmp"))
    for path in sorted(made):
        yield Finding("note", f"{path.relative_to(root)}: left by a process that was killed", "delete it")
