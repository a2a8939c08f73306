"""The graph of dvc.yaml: what is stale, in which order stages run, and their entries in dvc.lock."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
from dvc.dvcfile import LOCK_FILE
from dvc.lock import Lock, LockError
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.stage import PipelineStage
from dvc.stage.serialize import to_single_stage_lockfile
from dvc.utils.serialize import modify_yaml

__all__ = ["Entry", "Plan", "lock_entry", "open_repo", "place", "plan", "push", "record", "sources"]

Entry = dict[str, Any]
"""A stage's entry in dvc.lock: its command and the hashes of its dependencies and outputs."""


class _QuickLock(Lock):
    """DVC's lock on the repository, retried every 20 ms until it is free; DVC retries every 500 ms, for 3 s."""

    def lock(self) -> None:
        while True:
            try:
                return self._do_lock()
            except LockError:
                time.sleep(0.02)


def open_repo(root: Path) -> Repo:
    """Open DVC's repository in `root`, which must be the working directory so that stages have plain names."""
    repo = Repo(str(root), _wait_for_lock=True)
    if type(repo.lock) is Lock:  # not where core.hardlink_lock is set, for network file systems
        repo.lock = _QuickLock(repo.lock.lockfile)
    return repo


@dataclass(frozen=True)
class Plan:
    """The part of the graph that the targets need.

    Attributes:
        stages: DVC's stages by name, each after those it depends on, otherwise in the order of dvc.yaml.
        upstream: names of the stages that a stage depends on directly.
        stale: names of the stages that changed, or that depend on one that did.
        first: name of a stale stage that all others depend on, or None.
    """

    stages: dict[str, PipelineStage]
    upstream: dict[str, list[str]]
    stale: set[str]
    first: str | None

    def priority(self) -> dict[str, int]:
        """Return, for each stage, the number of stages on the longest path to the end: long chains start first."""
        longest = dict.fromkeys(self.stages, 1)
        for name in reversed(self.stages):
            for dependency in self.upstream[name]:
                longest[dependency] = max(longest[dependency], longest[name] + 1)
        return longest


def plan(repo: Repo, targets: Iterable[str]) -> Plan:
    """Return the stages that `dvc repro TARGETS` covers and which of them are stale; without targets all of dvc.yaml.

    Raises:
        DvcException: dvc.yaml is invalid, or a target does not exist.
    """
    with lock_repo(repo):
        graph = get_active_graph(repo.index.graph)
        requested = list(_requested(repo, graph.nodes, targets))
        place_in_file = {stage: place for place, stage in enumerate(repo.index.stages)}
        needed = nx.reverse_view(graph.subgraph(plan_repro(graph, requested)))
        sorted_stages = nx.lexicographical_topological_sort(needed, key=place_in_file.__getitem__)
        order = [stage for stage in sorted_stages if isinstance(stage, PipelineStage)]
        stale: set[str] = set()
        upstream: dict[str, list[str]] = {}
        for stage in order:
            names = [s.addressing for s in graph.successors(stage) if isinstance(s, PipelineStage)]
            upstream[stage.addressing] = names
            if not stale.isdisjoint(names) or stage.status():
                stale.add(stage.addressing)
        others = {stage: set(order) - {stage} for stage in order if stage.addressing in stale}
        first = next((s.addressing for s, rest in others.items() if rest and rest <= nx.ancestors(graph, s)), None)
    return Plan({stage.addressing: stage for stage in order}, upstream, stale, first)


def _requested(repo: Repo, known: Iterable[Any], targets: Iterable[str]) -> Iterator[Any]:
    """The stages that the targets name; all without targets. DVC would read dvc.yaml and dvc.lock once more for them."""
    names = {stage.addressing: stage for stage in known}
    if not (targets := list(targets)):
        yield from names.values()
    for target in targets:
        group = [stage for name, stage in names.items() if name == target or name.startswith(f"{target}@")]
        yield from group or collect_stages(repo, [target])


def lock_entry(stage: PipelineStage) -> Entry:
    """Return the dvc.lock entry of a stage that was reproduced or is up to date."""
    return dict(to_single_stage_lockfile(stage))


def record(repo: Repo, entries: Mapping[str, Entry], order: Iterable[str]) -> None:
    """Write entries to dvc.lock; new ones follow the existing ones, in `order`."""
    if not entries:
        return
    with repo.lock, repo.scm_context(quiet=True) as context, modify_yaml(LOCK_FILE) as content:
        content.setdefault("schema", "2.0")
        stages = content.setdefault("stages", {})
        stages.update(entries)
        for name in [name for name in order if name in entries]:
            stages[name] = stages.pop(name)
        context.track_file(LOCK_FILE)


def sources(repo: Repo, stage: PipelineStage) -> dict[str, str]:
    """Return the hashes, by path, of a stage's dependencies that no stage produces."""
    made = {out.fs_path for out in repo.index.outs}
    paths = [dep for dep in stage.deps if not any(dep.fs.isin_or_eq(dep.fs_path, path) for path in made)]
    return {dep.def_path: dep.get_hash().value for dep in paths if dep.exists}


def place(repo: Repo, stage: PipelineStage, entry: Entry) -> None:
    """Check out the outputs of an entry from DVC's cache, or from its remote if the cache lacks them.

    Raises:
        DvcException: neither has them.
    """
    with repo.lock:
        made = repo.stage_cache._create_stage(entry, wdir=stage.wdir)
        if not made.outs_cached() and repo.config["core"].get("remote"):
            for objects in made.get_used_objs().values():
                repo.cloud.pull(objects)
        made.checkout()


def push(repo: Repo, stage: PipelineStage, entry: Entry) -> None:
    """Upload the outputs of an entry to DVC's default remote, if the project has one."""
    if repo.config["core"].get("remote"):
        made = repo.stage_cache._create_stage(entry, wdir=stage.wdir)
        for objects in made.get_used_objs().values():
            repo.cloud.push(objects)
