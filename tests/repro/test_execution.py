"""How `thirtytwo repro` ends when something fails, without a cluster."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dvc.exceptions import DvcException
from dvc.repo import Repo
from rich.console import Console

from thirtytwo.repro import run
from thirtytwo.repro.live import View
from thirtytwo.repro.pipeline import Plan, open_repo, record, sources
from thirtytwo.repro.run import _client, _Execution, repro
from thirtytwo.repro.worker import MARK, Outcome
from thirtytwo.runtime.errors import CommandError

TWO = """
stages:
  resolve: {cmd: "echo begun >> runs.log && false", deps: [params.yaml], outs: [configs]}
  train: {cmd: cp configs models, deps: [configs, absent], outs: [models]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose first stage fails."""
    for name, content in (("params.yaml", "{}"), ("dvc.yaml", TWO)):
        (tmp_path / name).write_text(content, encoding="utf-8")
    Repo.init(str(tmp_path), no_scm=True).close()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def planned(upstream: dict[str, list[str]], folder: Path) -> Any:
    """The execution of stages that are all stale, by the names of those that they depend on."""
    stage: Any = None
    return _Execution(stage, folder, Plan(dict.fromkeys(upstream, stage), upstream, set(upstream), None), None, ())


@pytest.fixture
def execution(tmp_path: Path) -> Any:
    """Of the stage `train`, which depends on `resolve`."""
    return planned({"resolve": [], "train": ["resolve"]}, tmp_path)


def test_nothing_starts_after_the_first_stage_has_failed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_Execution, "run", lambda self, jobs: pytest.fail("more stages were started"))
    assert repro(folder, [], jobs=1) == 1
    assert "failed: resolve: " in capsys.readouterr().out
    assert (folder / "runs.log").read_text(encoding="utf-8") == "begun\n"
    assert not (folder / "dvc.lock").exists()


def test_what_is_done_is_recorded_and_the_mark_removed_whatever_happens(
    execution: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def client(jobs: int, scheduler: str | None) -> Iterator[None]:
        assert (tmp_path / MARK).exists()
        raise CommandError("does not answer")
        yield

    recorded: dict[str, Any] = {}
    monkeypatch.setattr(run, "record", lambda repo, entries, order: recorded.update(entries))
    monkeypatch.setattr(run, "_client", client)
    execution._outcomes["a"] = Outcome("a", "ran", entry={"cmd": "true"})
    execution._outcomes["b"] = Outcome("b", "failed")
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(CommandError):
        execution.run(1)
    assert recorded == {"a": {"cmd": "true"}}
    assert not (tmp_path / MARK).exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_signal_kills(execution: Any) -> None:
    sent: list[int] = []
    client = SimpleNamespace(run=lambda stop, token, number, on_error: sent.append(number))
    for _ in range(2):
        execution._stop(client, signal.SIGTERM, SimpleNamespace(say=print))
    assert sent == [signal.SIGTERM, signal.SIGKILL]
    assert execution._signal == signal.SIGTERM  # decides the exit code


def test_a_stage_without_a_result_failed(execution: Any) -> None:
    future = SimpleNamespace(status="error", exception=lambda: RuntimeError("no\nworker"))
    assert execution._collect("train", future) == Outcome("train", "failed", reason="no worker")


def test_a_stage_goes_to_a_free_worker_when_what_it_needs_has_ended(tmp_path: Path) -> None:
    execution = planned({"a": [], "b": [], "long": [], "after": ["long"]}, tmp_path)
    submitted: list[tuple[str, tuple[Outcome, ...]]] = []
    workers = {"tcp://one": 1, "tcp://two": 1}

    def submit(_: Any, invocation: Any, task: Any, *upstream: Outcome, **options: Any) -> Any:
        submitted.append((task.stage, upstream))
        return SimpleNamespace(add_done_callback=print)

    client, futures = SimpleNamespace(nthreads=lambda: workers, submit=submit), dict[str, Any]()
    execution._submit(client, futures)
    execution._submit(client, futures)
    assert submitted == [("long", ()), ("a", ())]  # "b" waits, since both workers are taken
    execution._outcomes["long"] = failed = Outcome("long", "failed")
    execution._submit(client, futures)
    assert submitted[2:] == [("b", ())]
    workers["tcp://three"] = 1
    execution._submit(client, futures)
    assert submitted[3:] == [("after", (failed,))]  # which skips it
    execution._submit(client, futures)
    assert len(submitted) == 4


def test_outputs_of_another_machine_that_the_cache_lacks_fail_the_stage(
    execution: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def place(*arguments: Any) -> None:
        raise DvcException("missing\nfiles")

    monkeypatch.setattr(run, "place", place)
    result = Outcome("train", "ran", entry={"cmd": "true"}, log="step 9", placed=False)
    outcome = execution._collect("train", SimpleNamespace(status="finished", result=lambda: result))
    assert (outcome.state, outcome.entry) == ("failed", None)
    assert outcome.reason == "its outputs are not in DVC's cache here (missing files)"
    assert (tmp_path / "logs/repro/train.log").read_text(encoding="utf-8") == "step 9"


class Answering:
    """A client of a cluster with a worker of one thread and one of two."""

    def __init__(self, address: str, **options: Any) -> None:
        if address == "tcp://nobody":
            raise OSError("timed out")

    def __enter__(self) -> "Answering":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def scheduler_info(self) -> Any:
        return {"workers": {"tcp://one": {"nthreads": 1}, "tcp://two": {"nthreads": 2}}}


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("tcp://nobody", r"^--scheduler: tcp://nobody does not answer \(timed out\); start it with"),
        ("tcp://x", r"^--scheduler: tcp://two: expected workers of one thread; start them with"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_named(address: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distributed.Client", Answering)
    with pytest.raises(CommandError, match=message), _client(1, address):
        pass


def test_the_gpus_of_this_machine_are_not_given_to_a_cluster(tmp_path: Path) -> None:
    repo: Any = None
    for scheduler, expected in ((None, ("0", "1")), ("tcp://x", ())):
        execution = _Execution(repo, tmp_path, Plan({}, {}, set(), None), scheduler, ["0", "1"])
        assert execution._invocation.devices == expected


def test_markup_in_a_line_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    view = View(1, Console(soft_wrap=True), None)
    view.say("[bold]a[/nothing]")
    assert capsys.readouterr().out == "[bold]a[/nothing]\n"


def test_a_run_of_failures_leaves_the_lock_file_alone(folder: Path) -> None:
    with open_repo(folder) as repo:
        record(repo, {}, ["resolve"])
    assert not (folder / "dvc.lock").exists()


def test_a_source_that_is_absent_has_no_hash(folder: Path) -> None:
    with open_repo(folder) as repo:
        stages = {stage.addressing: stage for stage in repo.index.stages}
        assert set(sources(repo, stages["train"])) == set()
        assert set(sources(repo, stages["resolve"])) == {"params.yaml"}


def test_a_lock_for_network_file_systems_stays(folder: Path) -> None:
    with open_repo(folder) as repo:
        quick = type(repo.lock)
    (folder / ".dvc/config").write_text("[core]\n    no_scm = True\n    hardlink_lock = True\n", encoding="utf-8")
    with open_repo(folder) as repo:
        assert type(repo.lock).__module__ == "dvc.lock"
        assert quick.__module__ == "thirtytwo.repro.pipeline"
