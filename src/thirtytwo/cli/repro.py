"""`thirtytwo repro`: run the stale part of DVC's graph, several stages at once."""

import argparse
import os
from collections.abc import Collection
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from thirtytwo.cli.planning import capacity
from thirtytwo.repro.run import repro
from thirtytwo.runtime.project import Project
from thirtytwo.settings import configs
from thirtytwo.settings.strict import parse

__all__ = ["check_stages", "run"]


def run(args: argparse.Namespace) -> int:
    """Reproduce the targets; see `repro.run`.

    Raises:
        CommandError, ParamsError: DVC refuses, params.yaml is invalid, or a stage exceeds the memory or the disk.
    """
    project = Project.containing(Path.cwd())
    if args.log:
        os.environ["THIRTYTWO_LOG"] = args.log  # local workers inherit it
    values = configs.load_yaml(project.params)
    compute = parse(configs.Compute, values.get("compute"), "compute") if "compute" in values else None
    devices = capacity.devices(compute) if compute else []
    jobs = args.jobs or capacity.jobs(compute.threads if compute else 1, devices)
    # other machines than this one have other limits
    check = partial(_check_apart, project, compute) if compute and not args.scheduler else None
    return repro(project.root, args.targets, jobs=jobs, scheduler=args.scheduler, devices=devices, check=check)


def _check_apart(project: Project, compute: configs.Compute, stale: Collection[str]) -> None:
    """Check in a process of its own, so that torch's memory goes with it."""
    if any(name.startswith(("train@", "sample@")) for name in stale):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            pool.submit(check_stages, project, compute, stale).result()


def check_stages(project: Project, compute: configs.Compute, stale: Collection[str]) -> None:
    """Check by the settings alone that the stale stages of runs fit in memory and on the disk.

    Raises:
        CommandError, ParamsError: as `needs.check` and `needs.needs`.
    """
    from thirtytwo.cli.planning import needs  # imports torch

    stages = {"train": set[str](), "sample": set[str]()}
    for stage, _, run in (name.partition("@") for name in stale):
        if stage in stages:
            stages[stage].add(run)
    try:
        listed = needs.needs(project, project, sorted(stages["train"] | stages["sample"]))
    except RuntimeError as error:  # of a network that does not build without its tensors' values
        print(f"memory and disk are not checked: {' '.join(str(error).split())}")
        return
    trained = [n if n.run in stages["train"] else replace(n, work=replace(n.work, steps=0)) for n in listed]
    sets = {n.dataset: n.data for n in listed if f"prepare@{n.dataset}" in stale}
    needs.check(project, trained, sets.values(), compute, {})
