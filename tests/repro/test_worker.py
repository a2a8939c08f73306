"""What a worker refuses, how it waits for files and how it stops, without a cluster."""

import os
import signal
from collections.abc import Callable
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from dvc.exceptions import DvcException
from dvc.lock import LockError

from thirtytwo.repro import worker
from thirtytwo.repro.worker import MARK, Invocation, Outcome, Task, detach, execute
from thirtytwo.runtime.errors import ProjectError

DONE = Outcome("train@a", "ran", entry={"cmd": "true"})


class BusyStage:
    """A stage whose files another process holds for the first few tries."""

    def __init__(self, busy: int) -> None:
        self.tries, self._busy = 0, busy

    def reproduce(self) -> "BusyStage":
        self.tries += 1
        if self.tries <= self._busy:
            raise LockError("is busy")
        return self


REPO: Any = SimpleNamespace(lock=nullcontext(), scm_context=lambda quiet: nullcontext())


def test_files_of_a_killed_worker_are_waited_for_and_released(monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[Any] = []
    monkeypatch.setattr(worker, "release_ended", released.append)
    monkeypatch.setattr(worker.time, "sleep", lambda seconds: None)
    stage: Any = BusyStage(2)
    assert worker._reproduce(REPO, stage) is stage
    assert released == [REPO, REPO]
    monkeypatch.setattr(worker, "_BUSY_SECONDS", -1)
    stage = BusyStage(2)
    with pytest.raises(LockError):
        worker._reproduce(REPO, stage)
    assert stage.tries == 1


@pytest.fixture
def run_in_worker(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Calls `execute` with `action` for what a stage does."""
    monkeypatch.setattr(
        "distributed.get_worker", lambda: SimpleNamespace(name="1", log_event=lambda topic, message: None)
    )
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(worker, "_stopped", {})

    def run(action: Callable[[], Outcome], *upstream: Outcome) -> Outcome:
        monkeypatch.setattr(worker, "_reproduce_here", lambda *arguments: action())
        return execute(Invocation("mine", "/project", b"", ("4", "5")), Task("sample@a"), *upstream)

    return run


def never() -> Outcome:
    raise AssertionError("the stage was started")


def test_a_stage_starts_only_after_good_ones_and_before_the_stop(run_in_worker: Callable[..., Outcome]) -> None:
    assert run_in_worker(lambda: DONE, DONE).state == "ran"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5"
    assert run_in_worker(never, DONE, Outcome("train@b", "failed")).state == "skipped"
    worker.stop("another", signal.SIGINT)
    assert run_in_worker(lambda: DONE, DONE).state == "ran"
    worker.stop("mine", signal.SIGINT)
    assert run_in_worker(never, DONE).state == "stopped"


@pytest.mark.parametrize("error", [DvcException("no\nremote"), ProjectError("no\nremote")])
def test_an_error_names_the_machine_in_one_line(error: Exception, run_in_worker: Callable[..., Outcome]) -> None:
    def fail() -> Outcome:
        raise error

    outcome = run_in_worker(fail)
    assert (outcome.state, outcome.reason.endswith(": no remote")) == ("failed", True)


def test_a_stage_that_fails_after_the_signal_is_stopped(run_in_worker: Callable[..., Outcome]) -> None:
    def fail() -> Outcome:
        worker.stop("mine", signal.SIGINT)
        return Outcome("sample@a", "failed", 1.0, log="step 3")

    assert run_in_worker(fail) == Outcome("sample@a", "stopped", 1.0, log="step 3")


def test_only_the_project_of_the_invocation_is_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, checkout, elsewhere = (tmp_path / name for name in ("root", "checkout", "elsewhere"))
    for folder in (root, checkout, elsewhere):
        (folder / MARK.parent).mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml"):
        (checkout / name).touch()
    invocation = Invocation("mine", str(root), b"")
    monkeypatch.chdir(elsewhere)
    for token in (None, "an earlier one"):
        if token:
            (root / MARK).write_text(token, encoding="utf-8")
        with pytest.raises(ProjectError, match=f"{elsewhere}: no checkout .* and {root} is not shared"):
            worker._project(invocation)
    (root / MARK).write_text("mine", encoding="utf-8")
    assert worker._project(invocation) == (root, True)
    monkeypatch.chdir(checkout)
    assert worker._project(invocation) == (checkout, False)


def test_a_checkout_of_another_commit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage: Any = None
    here = {"a.py": "1", "b.py": "2"}
    monkeypatch.setattr(worker, "sources", lambda repo, stage: here)
    worker._check_sources(tmp_path, REPO, stage, dict(here))
    with pytest.raises(ProjectError, match=f"{tmp_path}: b.py, c.py differ .* use the same commit"):
        worker._check_sources(tmp_path, REPO, stage, {"c.py": "3", "b.py": "0", "a.py": "1"})
    monkeypatch.setattr(worker, "_project", lambda invocation: (tmp_path, True))
    monkeypatch.setattr(worker, "_open", lambda *arguments: (REPO, {}))
    with pytest.raises(ProjectError, match=r"dvc\.yaml has no stage 'sample@a'; bring"):
        worker._reproduce_here(Invocation("mine", "", b""), Task("sample@a"), (), lambda seen: None)


def test_each_child_gets_each_signal_once_also_beside_one_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []

    def end(number: int) -> None:
        raise psutil.NoSuchProcess(1)

    children = [SimpleNamespace(pid=1, send_signal=end), SimpleNamespace(pid=2, send_signal=sent.append)]
    monkeypatch.setattr(worker.psutil, "Process", lambda: SimpleNamespace(children=lambda recursive: children))
    monkeypatch.setattr(worker, "_stopped", {})
    signalled: set[tuple[int, int]] = set()
    worker._signal_children("mine", signalled)
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGKILL):
        worker.stop("mine", number)
        worker._signal_children("mine", signalled)
    assert sent == [signal.SIGINT, signal.SIGKILL]


def leave(session: bool) -> None:
    if session:
        os.setsid()
    detach()
    assert os.getpgrp() == os.getpid()


@pytest.mark.parametrize("session", [False, True])
def test_a_worker_leaves_the_group_of_the_terminal(session: bool) -> None:
    process = get_context("fork").Process(target=leave, args=(session,))
    process.start()
    process.join()
    assert process.exitcode == 0
