"""One stage in a worker process of Dask, reproduced by DVC."""

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import psutil
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.stage import PipelineStage

from thirtytwo.repro.locks import release_ended
from thirtytwo.repro.output import Progress, captured
from thirtytwo.repro.pipeline import Entry, lock_entry, open_repo, place, push, sources
from thirtytwo.runtime.errors import ProjectError
from thirtytwo.runtime.fork_server import ADDRESS
from thirtytwo.runtime.project import Project

__all__ = ["MARK", "Invocation", "Outcome", "Task", "detach", "execute", "log_of", "reproduce", "stop"]

MARK = Path(".dvc/tmp/thirtytwo-repro")
"""File with the invocation's token: a worker that sees it shares the project's folder."""

_BUSY_SECONDS = 30

_one_at_a_time = threading.Lock()  # the log takes the whole process's output
_stopped: dict[str, int] = {}  # token -> signal
_opened: dict[str, tuple[Repo, dict[str, PipelineStage]]] = {}  # token -> the project as this process knows it


@dataclass(frozen=True)
class Invocation:
    """The values that all tasks of one `thirtytwo repro` share.

    Attributes:
        token: names the invocation.
        root: the project's folder on the scheduling machine.
        params: content of params.yaml, which a worker in a separate checkout writes to its own.
        devices: values of CUDA_VISIBLE_DEVICES, assigned to local workers in turn; empty: unchanged.
        fork_server: address of the server whose forks run the stages; empty: they run in processes of their own.
    """

    token: str
    root: str
    params: bytes
    devices: tuple[str, ...] = ()
    fork_server: str = ""


@dataclass(frozen=True)
class Task:
    """One stage.

    Attributes:
        stage: its name.
        entries: dvc.lock entries of its upstream stages that were already up to date.
        sources: hashes of its dependencies that no stage produces; empty: skip the check.
    """

    stage: str
    entries: dict[str, Entry] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How a stage ended.

    Attributes:
        state: "unchanged": up to date; "cached": restored from the run cache; "stopped": by a signal; "skipped": an
            upstream stage did not succeed.
        seconds: duration.
        entry: its entry for dvc.lock if it succeeded.
        log: its output.
        reason: why it failed.
        placed: whether its outputs are in the project's folder and not only in the cache or the remote.
    """

    stage: str
    state: Literal["ran", "cached", "unchanged", "failed", "stopped", "skipped"]
    seconds: float = 0.0
    entry: Entry | None = None
    log: str = ""
    reason: str = ""
    placed: bool = True

    @property
    def good(self) -> bool:
        return self.entry is not None


def log_of(root: Path, stage: str) -> Path:
    """Return the file with the output of a stage's last execution."""
    return Project(root).output(stage.replace("/", "_"))


def reproduce(repo: Repo, stage: PipelineStage, log: Path, watch: Callable[[Progress | None], None]) -> Outcome:
    """Reproduce one stage with DVC: skip it, restore it from the run cache, or run its command and commit."""
    name, start, reason, changed = stage.addressing, time.monotonic(), "", None
    with captured(log, watch):
        try:
            changed = _reproduce(repo, stage)
        except DvcException as error:
            reason = " ".join(str(error).split())
    text, seconds = log.read_text(encoding="utf-8"), time.monotonic() - start
    if reason:
        return Outcome(name, "failed", seconds, log=text, reason=reason)
    cached = "is cached - skipping run" in text
    state: Literal["ran", "cached", "unchanged"] = "unchanged" if not changed else "cached" if cached else "ran"
    return Outcome(name, state, seconds, lock_entry(stage), text)


def _reproduce(repo: Repo, stage: PipelineStage) -> PipelineStage | None:
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            with repo.lock, repo.scm_context(quiet=True):
                return stage.reproduce()
        except LockError:  # a worker that was killed holds its files until its process has ended
            if time.monotonic() > deadline:
                raise
            release_ended(repo)
        time.sleep(0.5)


def execute(invocation: Invocation, task: Task, *upstream: Outcome) -> Outcome:
    """Reproduce one stage in this worker's project; the function that Dask runs."""
    from distributed import get_worker  # the scheduling process imports this module too, before it needs Dask

    worker, token = get_worker(), invocation.token

    def tell(**news: object) -> None:
        worker.log_event(f"repro-{token}", {"news": {"stage": task.stage, **news}})  # to which Dask adds more

    def watch(seen: Progress | None) -> None:
        if seen:
            tell(progress=asdict(seen))
        _signal_children(token, signalled)

    signalled: set[tuple[int, int]] = set()
    with _one_at_a_time:
        if token in _stopped:
            return Outcome(task.stage, "stopped")
        if not all(outcome.good for outcome in upstream):
            return Outcome(task.stage, "skipped")
        if invocation.devices:
            os.environ["CUDA_VISIBLE_DEVICES"] = invocation.devices[int(worker.name) % len(invocation.devices)]
        # Dask starts its workers with this, for glibc to return freed memory at once. A training would fetch it again in
        # every step: that of `vae` then takes 45 % more CPU time.
        os.environ.pop("MALLOC_TRIM_THRESHOLD_", None)
        if invocation.fork_server:
            os.environ[ADDRESS] = invocation.fork_server
        tell(started=True)
        try:
            outcome = _reproduce_here(invocation, task, upstream, watch)
        except (DvcException, ProjectError) as error:
            outcome = Outcome(task.stage, "failed", reason=f"{socket.gethostname()}: {' '.join(str(error).split())}")
    if token in _stopped and not outcome.good:
        return Outcome(task.stage, "stopped", outcome.seconds, log=outcome.log)
    return outcome


def _reproduce_here(
    invocation: Invocation, task: Task, upstream: tuple[Outcome, ...], watch: Callable[[Progress | None], None]
) -> Outcome:
    root, shared = _project(invocation)
    repo, stages = _open(invocation, root, shared)
    if not (stage := stages.get(task.stage)):
        raise ProjectError(f"{root}: dvc.yaml has no stage '{task.stage}'; bring this checkout to the same commit")
    if not shared:
        _check_sources(root, repo, stage, task.sources)
        entries = task.entries | {outcome.stage: outcome.entry for outcome in upstream if outcome.entry}
        for name, entry in entries.items():
            place(repo, stages[name], entry)
    outcome = reproduce(repo, stage, log_of(root, task.stage), watch)
    if shared or not outcome.entry:
        return Outcome(**vars(outcome) | {"placed": shared})
    push(repo, stage, outcome.entry)
    return Outcome(**vars(outcome) | {"placed": False})


def _project(invocation: Invocation) -> tuple[Path, bool]:
    """Return this worker's project folder, and whether it is the folder of the invocation."""
    try:
        root = Project.containing(Path.cwd()).root
    except ProjectError:
        root = Path(invocation.root)
        if not _shares(root, invocation.token):
            raise ProjectError(
                f"{Path.cwd()}: no checkout of the project, and {root} is not shared with this machine; start the worker"
                " in a checkout"
            ) from None
    return root, _shares(root, invocation.token)


def _shares(root: Path, token: str) -> bool:
    mark = root / MARK
    return mark.is_file() and mark.read_text(encoding="utf-8") == token


def _open(invocation: Invocation, root: Path, shared: bool) -> tuple[Repo, dict[str, PipelineStage]]:
    if invocation.token not in _opened:
        os.chdir(root)
        if not shared:
            Project(root).params.write_bytes(invocation.params)
        repo = open_repo(root)
        _opened.clear()
        _opened[invocation.token] = repo, {s.addressing: s for s in repo.index.stages if isinstance(s, PipelineStage)}
    return _opened[invocation.token]


def _check_sources(root: Path, repo: Repo, stage: PipelineStage, expected: dict[str, str]) -> None:
    here = sources(repo, stage)
    other = sorted(path for path, digest in expected.items() if here.get(path) != digest)
    if other:
        raise ProjectError(f"{root}: {', '.join(other)} differ from the scheduling machine's; use the same commit")


def stop(token: str, number: int) -> None:
    """Send a signal to the stage that runs in this worker, and start no other stage of this invocation."""
    _stopped[token] = number


def _signal_children(token: str, signalled: set[tuple[int, int]]) -> None:
    if number := _stopped.get(token):
        for child in psutil.Process().children(recursive=True):
            if (child.pid, number) not in signalled:
                signalled.add((child.pid, number))
                try:
                    child.send_signal(number)
                except psutil.NoSuchProcess:
                    continue


def detach() -> None:
    """Remove this worker from the terminal's process group, so that Ctrl-C reaches only the scheduling process."""
    if os.getpgrp() != os.getpid():
        os.setpgrp()
