"""`thirtytwo repro`: run the stale part of DVC's graph, several stages at once."""

import argparse
import os
import shutil
import subprocess
from pathlib import Path

from thirtytwo.repro.run import repro
from thirtytwo.runtime.project import Project
from thirtytwo.settings import configs
from thirtytwo.settings.strict import parse

__all__ = ["run"]


def run(args: argparse.Namespace) -> int:
    """Reproduce the targets; see `repro.run`.

    Raises:
        CommandError, ParamsError: DVC refuses, or params.yaml is invalid.
    """
    project = Project.containing(Path.cwd())
    if args.log:
        os.environ["THIRTYTWO_LOG"] = args.log  # local workers inherit it
    values = configs.load_yaml(project.params)
    compute = parse(configs.Compute, values.get("compute"), "compute") if "compute" in values else None
    devices = _gpus() if compute and compute.device in ("auto", "cuda") else []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    jobs = args.jobs or len(devices) or max(1, cores // (compute.threads if compute else 1))
    return repro(project.root, args.targets, jobs=jobs, scheduler=args.scheduler, devices=devices)


def _gpus() -> list[str]:
    """Return a value of CUDA_VISIBLE_DEVICES for each GPU, without importing torch, which takes seconds."""
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return visible.split(",")
    if not (command := shutil.which("nvidia-smi")):
        return []
    listed = subprocess.run([command, "-L"], capture_output=True, text=True, check=False)
    return [str(number) for number, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU ")]
