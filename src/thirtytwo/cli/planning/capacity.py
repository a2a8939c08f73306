"""What this machine has for the pipeline: memory, free disk, processes. Importing torch takes seconds, so nothing here does."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from distributed.system import memory_limit

from thirtytwo.cli.planning.estimate import size
from thirtytwo.settings.configs import Compute

__all__ = ["devices", "jobs", "memory", "memory_limit", "overfull"]


def devices(compute: Compute) -> list[str]:
    """Return a value of CUDA_VISIBLE_DEVICES for each GPU that the stages may use."""
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        return visible.split(",") if compute.device in ("auto", "cuda") else []
    return [str(number) for number, _ in enumerate(_gpus(compute))]


def _gpus(compute: Compute) -> list[int]:
    """The memory of each GPU in bytes; none where the settings exclude GPUs."""
    if compute.device not in ("auto", "cuda") or not (command := shutil.which("nvidia-smi")):
        return []
    query = [command, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    listed = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split()
    return [2**20 * int(number) for number in listed if number.isdecimal()]


def jobs(threads: int, gpus: Sequence[str]) -> int:
    """Return how many stages run at once by default: one for each GPU, or as many as the cores have threads for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return len(gpus) or max(1, cores // threads)


def memory(compute: Compute) -> tuple[float, str]:
    """Bytes that a training may take, and what has them: the smallest GPU, or else this machine or container."""
    if gpus := _gpus(compute):
        return min(gpus), "the GPU"
    return memory_limit(), "this machine"


def overfull(needed: Mapping[Path, float]) -> str | None:
    """A line that names the disk which lacks room for the bytes to be written below each folder; None if they fit."""
    by_disk: dict[int, tuple[Path, float]] = {}
    for folder, count in needed.items():
        there = next(path for path in (folder, *folder.parents) if path.exists())
        place, total = by_disk.get(there.stat().st_dev, (there, 0.0))
        by_disk[there.stat().st_dev] = place, total + count
    for place, total in by_disk.values():
        if total > (free := shutil.disk_usage(place).free):
            return f"{place}: about {size(total)} to be written, {size(free)} free"
    return None
