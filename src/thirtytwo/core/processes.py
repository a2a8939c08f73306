"""Several processes that work on one run, started by `torchrun`: the rank of this one, and what they exchange.

In a single process every exchange returns its argument. CPUs exchange through gloo, GPUs through NCCL. All processes
must call the same exchanges in the same order.
"""

import atexit
import os
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = [
    "average", "broadcast", "count", "first", "gather", "join", "largest", "local_rank", "rank", "requested", "share",
    "total",
]  # fmt: skip


def requested() -> int:
    """Return how many processes `torchrun` has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """Return the number of this process on its machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def join() -> None:
    """Connect to the other processes that `torchrun` has started, if any."""
    if requested() > 1 and not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
        atexit.register(dist.destroy_process_group)


def rank() -> int:
    """Return the number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """Return the number of connected processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def first() -> bool:
    """Whether this process is the one that writes files and shows progress."""
    return rank() == 0


def share(items: Sequence[int]) -> Sequence[int]:
    """Return the items that this process works on; each item belongs to exactly one process."""
    return items[rank() :: count()]


def largest(value: int) -> int:
    """Return the largest `value` of all processes."""
    number = torch.tensor(value)
    if count() > 1:
        dist.all_reduce(number, dist.ReduceOp.MAX)
    return int(number)


def average(tensors: Sequence[Tensor]) -> None:
    """Replace each floating-point tensor by its mean over the processes, equal to the last bit in all of them."""
    if count() == 1 or not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    means = flat.div_(count()).split([tensor.numel() for tensor in tensors])
    for tensor, mean in zip(tensors, means, strict=True):
        tensor.copy_(mean.view(tensor.shape))


def total(values: Tensor) -> Tensor:
    """Return the sum over the processes, differentiable any number of times."""
    return values if count() == 1 else _Total.apply(values)


class _Total(torch.autograd.Function):
    """A sum that enters the loss of every process: its gradient is the sum of the gradients in all of them."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        summed = values.clone()
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Total.apply(gradients[0].contiguous())


def gather(results: list[Any]) -> list[Any]:
    """Return the results for all items in their order, of which each process passes those of its `share`."""
    if count() == 1:
        return results
    everyone: list[Any] = [None] * count()
    dist.all_gather_object(everyone, results)
    return [everyone[i % count()][i // count()] for i in range(sum(map(len, everyone)))]


def broadcast(value: Any) -> Any:
    """Return the first process's `value`."""
    if count() == 1:
        return value
    holder = [value if first() else None]
    dist.broadcast_object_list(holder, src=0, device=torch.device("cpu"))
    return holder[0]
