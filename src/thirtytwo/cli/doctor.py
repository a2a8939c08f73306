"""`thirtytwo doctor`: whether this machine and this project are ready to run, and what is missing or stale."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from thirtytwo.cli import checkpoints
from thirtytwo.cli.finding import Finding
from thirtytwo.cli.installation import machine, packages
from thirtytwo.cli.places import inception, sources, space
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.runtime.files import is_abandoned
from thirtytwo.runtime.project import Project, remedy
from thirtytwo.settings import configs
from thirtytwo.settings.data import SourceConfig
from thirtytwo.settings.report import ReportConfig
from thirtytwo.settings.resolve import resolve

__all__ = ["leftovers", "lock_of_dvc", "run", "stale"]

_LISTED = 8  # stale stages that are listed by name


def run(args: argparse.Namespace) -> int:
    """Print a line for each check; return 1 if something needed is missing.

    Raises:
        ProjectError: the working directory is in no project.
        ParamsError, CommandError: as `plan.run`.
    """
    project, missing = Project.containing(Path.cwd()), 0
    if args.plan is not None:
        from thirtytwo.cli import plan  # which imports all that the stages do

        return plan.run(project, args.plan, args.jobs)
    for finding in _findings(project, args.network, args.clean):
        remedy = f"  -> {finding.remedy}" if finding.remedy else ""
        print(f"{finding.state:8}{finding.what}{remedy}", flush=True)
        missing |= finding.state == "missing"
    return missing


def _findings(project: Project, network: bool, clean: float | None) -> Iterator[Finding]:
    yield from packages(project)
    with tempfile.TemporaryDirectory() as folder:
        resolved = Project(Path(folder))
        try:
            written = resolve(project.params, resolved)
        except ParamsError as error:
            yield Finding("missing", str(error), "correct params.yaml")
            return
        settings = configs.read(ReportConfig, "report", "report", resolved)
        names = [path.stem for path in written if path.parent.name == "download"]
        source_of = {name: configs.read(SourceConfig, "download", name, resolved).source for name in names}
    yield Finding("ok", f"params.yaml: {len(settings.runs)} runs, {len(settings.datasets)} data sets")
    yield from machine(settings.compute)
    yield from sources(project, source_of, network)
    protocols = [settings.protocol(dataset) for dataset in settings.datasets]
    for score in ("fid", "fid_legacy"):
        if any(getattr(protocol, score) for protocol in protocols):
            yield inception(score, project, network)
    yield space(project, source_of)
    yield from lock_of_dvc(project)
    yield stale(project)
    if clean is not None:
        yield from checkpoints.clean(project, clean)
    yield from checkpoints.findings(project)
    yield from leftovers(project)


def stale(project: Project) -> Finding:
    """The stages that `dvc status` lists."""
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        lines = done.stderr.splitlines()
        if named := [line for line in lines if "dvc.lock" in line]:
            return Finding("missing", " ".join(named[0].split()), remedy(project.root / "dvc.lock"))
        reason = ([line for line in lines if "ERROR" in line] or lines[-1:] or [""])[0]
        return Finding("missing", f"dvc status: {' '.join(reason.split())}", "run `dvc status`")
    stages = sorted(json.loads(done.stdout))
    if not stages:
        return Finding("ok", "every stage is up to date")
    more = f" and {len(stages) - _LISTED} more" if len(stages) > _LISTED else ""
    return Finding("note", f"stale stages: {len(stages)} ({', '.join(stages[:_LISTED])}{more})", "dvc repro")


def lock_of_dvc(project: Project) -> Iterator[Finding]:
    """Mend DVC's file of locks where it stops DVC: remove it if it is damaged, and from it what zombies hold."""
    if not project.lock_of_dvc.is_file():
        return
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.rwlock import RWLockFileCorruptedError, RWLockFileFormatError

    from thirtytwo.repro.locks import release_ended

    name = project.lock_of_dvc.relative_to(project.root).as_posix()
    try:
        with Repo(str(project.root)) as repo:
            ended = release_ended(repo)
    except (RWLockFileCorruptedError, RWLockFileFormatError):
        project.lock_of_dvc.unlink(missing_ok=True)
        yield Finding("ok", f"{name}: was damaged, which stops DVC; removed it")
    except DvcException:  # `stale` says what DVC refuses
        return
    else:
        for pid in ended:
            yield Finding("ok", f"{name}: process {pid} ended without releasing its locks; released them")


def leftovers(project: Project) -> Iterator[Finding]:
    """Files of interrupted work in the project: partial downloads, temporary files."""

    def short(path: Path) -> str:
        return path.relative_to(project.root).as_posix()

    for path in sorted(project.downloads.glob("*.part")):
        yield Finding("note", f"{short(path)}: a partial download", "`dvc repro` continues it")
    for path in sorted(filter(is_abandoned, project.temporary.glob(".*.tmp"))):
        yield Finding("note", f"{short(path)}: left by a process that was killed", "the next stage removes it")
    for path in sorted(path for folder in project.outputs for path in folder.rglob(".*.tmp")):
        yield Finding("note", f"{short(path)}: left by a process that was killed", "delete it")
