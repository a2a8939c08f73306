"""Device, threads and determinism of a stage."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from threadpoolctl import threadpool_limits

from thirtytwo.core import processes
from thirtytwo.runtime.errors import ParamsError

__all__ = ["set_up", "tf32"]


class Compute(Protocol):
    """The settings `compute:`, see `thirtytwo.settings.configs.Compute`."""

    @property
    def device(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def precision(self) -> str: ...
    @property
    def compile(self) -> bool: ...
    @property
    def deterministic(self) -> bool: ...


def set_up(compute: Compute) -> torch.device:
    """Apply `compute` to this process and return the device to work on.

    Afterwards float32 means float32 on every device, except inside `tf32`.

    Raises:
        ParamsError: the device is missing, the precision does not fit it, the compiler for it is missing, or `torchrun`
            started several processes of a stage that does not join them, or more than the machine has GPUs.
    """
    if processes.requested() != processes.count():
        raise ParamsError(
            f"torchrun: {processes.requested()} processes, but this stage runs in one; start it with python"
        )
    torch.set_num_threads(compute.threads)
    threadpool_limits(compute.threads)  # of numpy and scipy, whose sums also round by their number of threads
    torch.set_flush_denormal(True)
    # Pages of 2 MiB for large tensors, where Linux has them: fewer faults and lookups. torch reads this at its first tensor.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    name = next(n for n in available if available[n]) if compute.device == "auto" else compute.device
    if not available[name]:
        usable = ", ".join(n for n in available if available[n])
        raise ParamsError(f"compute.device: '{name}' is not available on this machine; use auto or one of: {usable}")
    if compute.precision != "float32" and name != "cuda" and not (compute.precision == "bfloat16" and _has_amx(name)):
        needed = "CUDA, or a CPU with AMX" if compute.precision == "bfloat16" else "CUDA"
        raise ParamsError(
            f"compute.precision: {compute.precision} needs {needed}, this device is '{name}'; use float32"
        )
    if compute.compile and name == "cpu":
        compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")  # torch's choice
        if shutil.which(compiler) is None:
            raise ParamsError(
                f"compute.compile: true needs a C++ compiler on a CPU, and '{compiler}' was not found; install it, name"
                " another in the environment variable CXX, or set compile: false"
            )
    if compute.deterministic:
        # cuBLAS repeats its results only with a fixed workspace, which it reads from the environment.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        if compute.compile:
            torch.use_deterministic_algorithms(True)  # tells the compiler as well, which takes 2 s to import
        else:
            torch.set_deterministic_debug_mode("error")
        # Otherwise torch fills each new tensor with NaN, to expose reads of memory that nothing has written.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a property
    torch.backends.cudnn.benchmark = not compute.deterministic
    _allow_tf32(False)
    return _own_gpu() if name == "cuda" and processes.count() > 1 else torch.device(name)


def _has_amx(name: str) -> bool:
    """Whether the device multiplies matrices of bfloat16 in hardware; a CPU without it is slower than with float32."""
    return name == "cpu" and bool(torch.cpu.get_capabilities().get("amx_bf16", False))


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Let CUDA's matrix products and convolutions of float32 use TF32 inside the block, with 10 bits of mantissa."""
    _allow_tf32(allowed)
    try:
        yield
    finally:
        _allow_tf32(False)


def _allow_tf32(allow: bool) -> None:
    # Torch allows it in convolutions by default. The newer attribute `fp32_precision` breaks torch.compile in torch 2.11.
    torch.backends.cuda.matmul.allow_tf32 = allow
    torch.backends.cudnn.allow_tf32 = allow


def _own_gpu() -> torch.device:
    """Return the GPU of this process."""
    number = processes.local_rank()
    if number >= torch.cuda.device_count():
        raise ParamsError(
            f"torchrun: process {number} of this machine has no GPU; use --nproc-per-node"
            f" {torch.cuda.device_count()} or compute.device: cpu"
        )
    torch.cuda.set_device(number)
    return torch.device("cuda", number)
