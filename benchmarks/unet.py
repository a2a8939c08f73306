"""Images a CPU-second of our UNet and of diffusers' UNet2DModel of about the same size, and what each option gains.

    python benchmarks/unet.py [--repeats 20]

Both work on 16x16 maps of 12 channels (32x32 RGB in 2x2 patches) in batches of 64: a training step is forward, backward
and Adam, a sampling step is one evaluation without gradients. One thread, in CPU-seconds. The rows run in turn, and the
fastest repeat of each counts, because other work on the machine can only slow a repeat. Compilation needs a C++ compiler.
The second table divides the default's time by operator, which bounds what a faster operator can gain.
"""

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from diffusers import UNet2DModel
from tabulate import tabulate
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from thirtytwo.nets.unet import UNet

BATCH = 64
OPERATORS = {  # names of ATen's kernels
    "convolutions": ("convolution",),
    "GroupNorm": ("group_norm",),
    "SiLU": ("silu",),
    "attention": ("scaled_dot_product",),
    "linear layers, also those of the time embedding": ("addmm", "aten::mm"),
}


class Variant(NamedTuple):
    """A network and the options that it runs with."""

    name: str
    net: nn.Module
    predict: Callable[[Tensor, Tensor], Tensor]
    fused: bool = True  # Adam in one kernel
    bfloat16: bool = False


def ours(channels_last: bool = True) -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    """Our UNet with three levels of 32, 64 and 64 channels and attention at 8x8."""
    net = UNet(
        channels=12, resolution=16, patch=1, width=32, width_multipliers=[1, 2, 2], blocks=1, attention_resolutions=[8],
        heads=1, dropout=0.0, time_conditioning="scale_shift", classes=0,
    )  # fmt: skip
    if not channels_last:
        net.to(memory_format=torch.contiguous_format)
        net.stem.register_forward_pre_hook(lambda _, inputs: (inputs[0].contiguous(),))
    return net, lambda x, t: net(x, t, None)


def diffusers(channels_last: bool = False) -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    """diffusers' UNet with the same levels, blocks and attention."""
    net = UNet2DModel(
        sample_size=16, in_channels=12, out_channels=12, layers_per_block=1, block_out_channels=(32, 64, 64),
        norm_num_groups=8, attention_head_dim=64, resnet_time_scale_shift="scale_shift",
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    if channels_last:
        net.to(memory_format=torch.channels_last)
    return net, lambda x, t: net(x, t).sample


def variants() -> list[Variant]:
    """The rows of the table: the options of ours one by one."""
    peer, peer_compiled, compiled = diffusers(), diffusers(), ours()
    peer_compiled[0].compile()
    compiled[0].compile()
    return [
        Variant("diffusers", *peer),
        Variant("diffusers, channels_last", *diffusers(channels_last=True)),
        Variant("diffusers, compiled", *peer_compiled),
        Variant("ours, channels first, Adam unfused", *ours(channels_last=False), fused=False),
        Variant("ours, channels_last, Adam unfused", *ours(), fused=False),
        Variant("ours, channels_last, fused Adam: the default", *ours()),
        Variant("ours, the default and compiled", *compiled),
        Variant("ours, the default with bfloat16", *ours(), bfloat16=True),
    ]


def trainer(variant: Variant) -> Callable[[], None]:
    """A function that takes one training step on fixed data."""
    optimiser = torch.optim.Adam(variant.net.parameters(), lr=1e-4, fused=variant.fused)
    x, target = torch.randn(2, BATCH, 12, 16, 16)
    t = torch.randint(0, 1000, (BATCH,))

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=variant.bfloat16):
            loss = (variant.predict(x, t) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def sampler(variant: Variant) -> Callable[[], None]:
    """A function that evaluates the network once without gradients."""
    x, t = torch.randn(BATCH, 12, 16, 16), torch.randint(0, 1000, (BATCH,))

    @torch.no_grad()
    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=variant.bfloat16):
            variant.predict(x, t)

    return step


def fastest(steps: list[Callable[[], None]], repeats: int) -> list[float]:
    """CPU-seconds of the fastest of `repeats` calls of each, in turn, after two calls that warm up."""
    seconds: list[list[float]] = [[] for _ in steps]
    for _ in range(repeats + 2):
        for step, times in zip(steps, seconds, strict=True):
            start = time.process_time()
            step()
            times.append(time.process_time() - start)
    return [min(times[2:]) for times in seconds]


def shares(step: Callable[[], None]) -> dict[str, float]:
    """Share of each kind of operator, and of all others, in the CPU time of ten calls."""
    step()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(10):
            step()
    times = {event.key: event.self_cpu_time_total for event in profiler.key_averages()}
    total = sum(times.values())
    named = {
        kind: sum(time for key, time in times.items() if any(part in key for part in parts)) / total
        for kind, parts in OPERATORS.items()
    }
    return named | {"all others": 1 - sum(named.values())}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = variants()
    training = fastest([trainer(row) for row in rows], args.repeats)
    sampling = fastest([sampler(row) for row in rows], args.repeats)
    table = [
        [
            row.name, f"{sum(parameter.numel() for parameter in row.net.parameters()):,}",
            f"{BATCH / train:.0f}", f"{training[0] / train:.2f}", f"{BATCH / draw:.0f}", f"{sampling[0] / draw:.2f}",
        ]
        for row, train, draw in zip(rows, training, sampling, strict=True)
    ]  # fmt: skip
    print(f"torch {torch.__version__}, one thread, batches of {BATCH}, fastest of {args.repeats}")
    head = ["", "parameters", "training, images a CPU-s", "of diffusers", "sampling, images a CPU-s", "of diffusers"]
    print(tabulate(table, head, tablefmt="github", disable_numparse=True))
    default = next(row for row in rows if row.name.endswith("the default"))
    of_training, of_sampling = shares(trainer(default)), shares(sampler(default))
    table = [[kind, f"{of_training[kind]:.1%}", f"{of_sampling[kind]:.1%}"] for kind in of_training]
    head = ["share of the default's time", "training", "sampling"]
    print("\n" + tabulate(table, head, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
