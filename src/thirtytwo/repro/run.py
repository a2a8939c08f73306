"""Reproduce the stale part of the graph: plan it, have Dask execute it, record it in dvc.lock."""

import math
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING, Any

from dvc.dvcfile import LOCK_FILE
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.rwlock import RWLockFileCorruptedError, RWLockFileFormatError

from thirtytwo.repro.live import View, view
from thirtytwo.repro.locks import release_ended
from thirtytwo.repro.pipeline import Entry, Plan, lock_entry, open_repo, place, plan, record, sources
from thirtytwo.repro.worker import MARK, Invocation, Outcome, Task, detach, execute, log_of, reproduce, stop
from thirtytwo.runtime import files
from thirtytwo.runtime.errors import CommandError
from thirtytwo.runtime.fork_server import fork_server
from thirtytwo.runtime.interrupt import alone
from thirtytwo.runtime.project import Project, remedy

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["repro"]

_RECORD_SHARE = 0.01  # of a core's time may go into writing dvc.lock on the way; the cache has what it lacks


def repro(
    root: Path, targets: Sequence[str], *, jobs: int, scheduler: str | None = None, devices: Sequence[str] = (),
    check: Callable[[Collection[str]], None] | None = None,
) -> int:  # fmt: skip
    """Bring the targets, or the whole graph, up to date and print the progress; a second call in the folder waits.

    Args:
        root: the project's folder, which becomes the working directory.
        jobs: number of stages that run at once on this machine.
        scheduler: address of a running Dask cluster, whose workers execute the stages instead.
        devices: values of CUDA_VISIBLE_DEVICES that local workers take turns in.
        check: called with the names of the stale stages before they start; raises what should keep them from it.

    Returns:
        The exit code: 1 if a stage failed, 130 or 143 after SIGINT or SIGTERM.

    Raises:
        CommandError: DVC refuses (invalid dvc.yaml, unknown target), or the scheduler does not answer.
    """
    os.chdir(root)
    try:
        lock = Project(root).lock_of_stage("thirtytwo-repro")
        with open_repo(root) as repo, alone(lock, "thirtytwo repro", patience=math.inf):
            release_ended(repo)
            todo = plan(repo, targets)
            if todo.first:  # writes the settings that decide what else is stale
                outcome = _first(repo, root, todo)
                if not outcome.good:
                    return _summary(root, {outcome.stage: outcome}, time.monotonic(), None)
                todo = plan(repo, targets)
            if not todo.stale:
                print("Data and pipelines are up to date.")
                return 0
            if check:
                check(todo.stale)
            return _Execution(repo, root, todo, scheduler, devices).run(min(jobs, len(todo.stale)))
    except DvcException as error:
        mend = f"; {remedy(root / LOCK_FILE)}" if LOCK_FILE in str(error) else ""
        if isinstance(error, (RWLockFileCorruptedError, RWLockFileFormatError)):
            mend = "; `thirtytwo doctor` removes it"
        raise CommandError(" ".join(str(error).split()) + mend) from None


def _first(repo: Repo, root: Path, todo: Plan) -> Outcome:
    assert todo.first
    print(f"{todo.first}: started", flush=True)
    outcome = reproduce(repo, todo.stages[todo.first], log_of(root, todo.first), lambda _: None)
    if outcome.entry:
        record(repo, {outcome.stage: outcome.entry}, todo.stages)
        print(f"{todo.first}: done in {outcome.seconds:.1f} s", flush=True)
    return outcome


class _Execution:
    """One execution of a plan's stale stages."""

    def __init__(self, repo: Repo, root: Path, todo: Plan, scheduler: str | None, devices: Sequence[str]) -> None:
        self._repo, self._root, self._plan, self._scheduler = repo, root, todo, scheduler
        self._names, self._priority = [name for name in todo.stages if name in todo.stale], todo.priority()
        params = root / "params.yaml"
        content = params.read_bytes() if params.is_file() else b""
        given = () if scheduler else tuple(devices)  # a cluster gives its workers their own
        self._invocation = Invocation(uuid.uuid4().hex[:12], str(root), content, given)
        self._events: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._outcomes: dict[str, Outcome] = {}
        self._recorded: set[str] = set()
        self._next_record = time.monotonic() + 5
        self._signal = 0

    def run(self, jobs: int) -> int:
        start = time.monotonic()
        files.write(self._root / MARK, self._invocation.token.encode())
        try:
            with (
                _signals(self._events),
                self._server() as address,
                _client(jobs, self._scheduler) as client,
                view(len(self._names)) as screen,
            ):
                self._invocation = replace(self._invocation, fork_server=address)
                client.subscribe_topic(
                    f"repro-{self._invocation.token}", lambda event: self._put("news", event[1]["news"])
                )
                self._follow(client, screen)
        finally:
            self._record()
            (self._root / MARK).unlink(missing_ok=True)
        code = _summary(self._root, self._outcomes, start, jobs if self._scheduler is None else None)
        return 128 + self._signal if self._signal else code

    def _server(self) -> AbstractContextManager[str]:
        """A server for the stages of this machine; CUDA and macOS's frameworks do not promise to work after a fork."""
        apart = self._scheduler or self._invocation.devices or sys.platform != "linux"
        return nullcontext("") if apart else fork_server()

    def _put(self, kind: str, what: Any) -> None:
        self._events.put((kind, what))

    def _submit(self, client: "Client", futures: dict[str, "Future"]) -> None:
        """Give stages whose upstream has ended to the free workers, the longest chain first.

        Dask would choose a worker for each stage at once, also one that is busy for hours, and leave others idle.
        """
        stale = self._plan.stale
        waiting = (name for name in self._names if name not in futures)
        ready = [n for n in waiting if all(u in self._outcomes for u in self._plan.upstream[n] if u in stale)]
        free = len(client.nthreads()) - (len(futures) - len(self._outcomes)) if ready else 0
        for name in sorted(ready, key=self._priority.__getitem__, reverse=True)[: max(free, 0)]:
            upstream = self._plan.upstream[name]
            known = {n: lock_entry(self._plan.stages[n]) for n in upstream if n not in stale}
            expected = sources(self._repo, self._plan.stages[name]) if self._scheduler else {}
            futures[name] = client.submit(
                execute, self._invocation, Task(name, known, expected),
                *(self._outcomes[n] for n in upstream if n in stale),
                key=(name.partition("@")[0], self._invocation.token, name), pure=False,
            )  # fmt: skip
            futures[name].add_done_callback(partial(self._done, name))

    def _done(self, name: str, future: "Future") -> None:
        self._put("done", name)

    def _follow(self, client: "Client", screen: View) -> None:
        """Submit stages and handle events until every stage has ended."""
        futures: dict[str, Future] = {}
        look = 0.0  # for free workers: after each stage, and now and then, as those of a cluster come and go
        while len(self._outcomes) < len(self._names):
            if time.monotonic() >= look:
                self._submit(client, futures)
                look = time.monotonic() + 2
            try:
                kind, what = self._events.get(timeout=0.5)
            except Empty:
                continue
            if kind == "news":
                if what["stage"] not in self._outcomes:
                    screen.news(**what)
            elif kind == "signal":
                self._stop(client, what, screen)
            elif what not in self._outcomes:
                self._outcomes[what] = outcome = self._collect(what, futures[what])
                look = 0.0
                screen.finished(outcome, _shown(self._root, what))
                if time.monotonic() > self._next_record:
                    before = time.process_time()
                    self._record()
                    pause = (time.process_time() - before) / _RECORD_SHARE
                    self._next_record = time.monotonic() + min(300, max(5, pause))

    def _stop(self, client: "Client", number: int, screen: View) -> None:
        if self._signal:
            number = signal.SIGKILL
        else:
            self._signal = number
        screen.say(
            "stopping after the stages have saved their state; press Ctrl-C again to kill them"
            if number != signal.SIGKILL
            else "killing"
        )
        client.run(stop, self._invocation.token, number, on_error="ignore")

    def _collect(self, name: str, future: "Future") -> Outcome:
        """Return how a stage ended, after placing outputs from other machines in the project."""
        if future.status != "finished":
            return Outcome(name, "failed", reason=" ".join(str(future.exception()).split()))
        outcome: Outcome = future.result()
        if not outcome.placed:
            files.write(log_of(self._root, name), outcome.log.encode())
            if outcome.entry:
                try:
                    place(self._repo, self._plan.stages[name], outcome.entry)
                except DvcException as error:
                    reason = f"its outputs are not in DVC's cache here ({' '.join(str(error).split())})"
                    return replace(outcome, state="failed", reason=reason, entry=None)
        return outcome

    def _record(self) -> None:
        new: dict[str, Entry] = {
            name: outcome.entry for name, outcome in self._outcomes.items()
            if outcome.entry and name not in self._recorded
        }  # fmt: skip
        record(self._repo, new, self._plan.stages)
        self._recorded |= set(new)


@contextmanager
def _signals(events: SimpleQueue[tuple[str, Any]]) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into events."""

    def note(number: int, frame: FrameType | None) -> None:
        events.put(("signal", number))

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _client(jobs: int, scheduler: str | None) -> Iterator["Client"]:
    """Connect to the cluster at the address, or to one on this machine with `jobs` worker processes."""
    import dask
    from distributed import Client, LocalCluster, WorkerPlugin

    class Detach(WorkerPlugin):
        def setup(self, worker: object) -> None:
            detach()

    if scheduler:
        try:
            client = Client(scheduler, timeout="15s", set_as_default=False)
        except (OSError, ValueError) as error:
            raise CommandError(
                f"--scheduler: {scheduler} does not answer ({error}); start it with `dask scheduler`"
            ) from None
        with client:
            if shared := [w for w, about in client.scheduler_info()["workers"].items() if about["nthreads"] != 1]:
                raise CommandError(
                    f"--scheduler: {', '.join(shared)}: expected workers of one thread; start them with"
                    " `dask worker --nthreads 1 --nworkers N`"
                )
            yield client
        return
    with (
        # Workers wait for their stages: Dask's profiler, which samples them every 10 ms, would see only that.
        dask.config.set(
            {
                "distributed.scheduler.worker-saturation": 1.0,
                "distributed.worker.profile.enabled": False,
                "distributed.admin.tick.interval": "1s",
            }
        ),
        LocalCluster(
            n_workers=jobs,
            threads_per_worker=1,
            memory_limit=0,
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
            protocol="tcp",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.register_plugin(Detach())
        yield client


def _shown(root: Path, stage: str) -> str:
    return str(log_of(root, stage).relative_to(root))


def _summary(root: Path, outcomes: Mapping[str, Outcome], start: float, jobs: int | None) -> int:
    """Print what ran and what failed; return 1 if a stage failed."""
    seconds = time.monotonic() - start
    states = [outcome.state for outcome in outcomes.values()]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states)))
    busy = sum(outcome.seconds for outcome in outcomes.values()) / max(seconds, 1e-9)
    if jobs:
        print(f"{counts} in {seconds:.0f} s, {busy:.1f} of {jobs} processes busy on average")
    failed = [outcome for outcome in outcomes.values() if outcome.state == "failed"]
    for outcome in failed:
        lines = [line for line in outcome.log.splitlines() if line.strip()]
        print(f"failed: {outcome.stage}: {lines[-1] if lines else outcome.reason} ({_shown(root, outcome.stage)})")
    if skipped := [outcome.stage for outcome in outcomes.values() if outcome.state == "skipped"]:
        print(f"skipped, because they depend on a failed stage: {', '.join(skipped)}")
    return 1 if failed else 0
