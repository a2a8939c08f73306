"""Device, threads and determinism of a stage."""

import os
import shutil
import sys
from typing import Protocol

import torch
from threadpoolctl import threadpool_limits

from thirtytwo.runtime.errors import ParamsError

__all__ = ["set_up"]


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

    Raises:
        ParamsError: the device is missing, the precision does not fit it, or the compiler for it is missing.
    """
    torch.set_num_threads(compute.threads)
    threadpool_limits(compute.threads)  # of numpy and scipy, whose sums also round by their number of threads
    torch.set_flush_denormal(True)
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    name = next(n for n in available if available[n]) if compute.device == "auto" else compute.device
    if not available[name]:
        usable = ", ".join(n for n in available if available[n])
        raise ParamsError(f"compute.device: '{name}' is not available on this machine; use auto or one of: {usable}")
    if compute.precision == "bfloat16" and name != "cuda":
        raise ParamsError(f"compute.precision: bfloat16 is for CUDA, this device is '{name}'; use float32")
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
    torch.backends.cudnn.benchmark = not compute.deterministic
    return torch.device(name)
