"""A pretended accelerator without float64, as Apple's is: its tensors compute on the CPU, but say that they are elsewhere."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_map

DEVICE = torch.device("meta")  # one that every build of torch knows, and that autocast and fused Adam do not


class OnDevice(Tensor):
    """A tensor on the device; `held` has its values."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "OnDevice":
        tensor = Tensor._make_wrapper_subclass(
            cls, held.shape, held.stride(), held.storage_offset(), dtype=held.dtype, device=DEVICE
        )
        tensor.held = held
        return tensor

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(function, args, kwargs or {})


class Pretended(TorchDispatchMode):
    """Makes tensors on the device for those who ask for them."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(function, args, kwargs or {})


def compute(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run one operation on the values, and refuse float64 where the result lies on the device.

    Raises:
        TypeError: as MPS does.
    """
    inputs = [part for part in torch.utils._pytree.tree_leaves((args, kwargs)) if isinstance(part, OnDevice)]
    requested = kwargs.get("device")
    on_device = bool(inputs) if requested is None else torch.device(requested) == DEVICE

    def values(part: Any) -> Any:
        return part.held if isinstance(part, OnDevice) else part

    def placed(part: Any) -> Any:
        if not isinstance(part, Tensor) or not on_device:
            return part
        if part.dtype == torch.float64:
            raise TypeError(f"{function}: the device has no float64")
        return OnDevice(part)

    plain = tree_map(values, kwargs) | ({} if requested is None else {"device": torch.device("cpu")})
    result = tree_map(placed, function(*tree_map(values, args), **plain))
    return return_and_correct_aliasing(function, args, kwargs, result) if on_device and inputs else result


class Generator(torch.Generator):
    """One for the device draws on the CPU."""

    def __new__(cls, device: Any = "cpu") -> "Generator":
        return super().__new__(cls)


@contextmanager
def pretended() -> Iterator[torch.device]:
    """The device, inside the block."""
    torch.__future__.set_swap_module_params_on_conversion(True)  # `Module.to` keeps the class OnDevice
    replaced = {
        "torch.Generator": Generator,
        "torch.autocast": lambda *arguments, **options: nullcontext(),
        "torch.optim.optimizer._get_fused_kernels_supported_devices": lambda: ["cpu", "meta"],
        "thirtytwo.sampling.noise.CHUNK": {"meta": 7},
    }
    try:
        with ExitStack() as stack:
            for name, value in replaced.items():
                stack.enter_context(mock.patch(name, value))
            yield stack.enter_context(Pretended()) and DEVICE
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)
