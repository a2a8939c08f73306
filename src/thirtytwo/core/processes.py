"""Several processes that work on one run, as `torchrun` starts them: who this one is, and what they exchange.

Every function works in a single process as well, where it changes nothing. Exchanges between CPUs go through gloo,
between GPUs through NCCL. Each process must call the same exchanges in the same order.
"""

import atexit
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

__all__ = [
    "average", "count", "first", "join", "largest", "leave", "local_rank", "merge", "rank", "requested", "share", "shared",
    "total",
]  # fmt: skip


def requested() -> int:
    """How many processes `torchrun` has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """The number of this process among those of its machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def join() -> None:
    """Meet the other processes that `torchrun` has started, if any."""
    if requested() > 1 and not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        atexit.register(leave)


def leave() -> None:
    """End what `join` began."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """The number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def first() -> bool:
    """Whether this process is the one that writes files and shows progress."""
    return rank() == 0


def share(items: Sequence[int]) -> Sequence[int]:
    """This process's part of `items`, whose parts are disjoint and together complete."""
    return items[rank() :: count()]


def largest(value: int) -> int:
    """The largest `value` of all processes."""
    if count() == 1:
        return value
    number = torch.tensor(value)
    dist.all_reduce(number, dist.ReduceOp.MAX)
    return int(number)


def average(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its mean over the processes, to the same bits in all of them; floats of one device."""
    if count() == 1 or not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    parts = flat.div_(count()).split([tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view(tensor.shape))


def total(values: Tensor) -> Tensor:
    """The sum over the processes; gradients of any order flow through it."""
    return values if count() == 1 else _Total.apply(values)  # type: ignore[no-untyped-call]


class _Total(torch.autograd.Function):
    """A sum that reaches the loss of each process: its gradient is the sum of the gradients in all of them."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        summed = values.clone()
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Total.apply(gradients[0].contiguous())  # type: ignore[no-untyped-call]


def merge(array: np.ndarray) -> np.ndarray:
    """Put together an array of which each process has filled other rows, the rest being 0; exact to the last bit."""
    if count() == 1:
        return array
    size = {4: torch.int32, 8: torch.int64}[array.dtype.itemsize]
    bits = torch.from_numpy(array).view(size)  # adding 0.0 to -0.0 would lose its sign
    dist.all_reduce(bits)
    return array


def shared(value: Any) -> Any:
    """The `value` of the first process, in all of them."""
    if count() == 1:
        return value
    holder = [value if first() else None]
    dist.broadcast_object_list(holder, src=0, device=torch.device("cpu"))
    return holder[0]
