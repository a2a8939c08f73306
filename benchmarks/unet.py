"""Compare the training speed of our UNet on the CPU with diffusers' UNet2DModel of about the same size.

    python benchmarks/unet.py [threads] [repeats]

A second table compares float32 with bfloat16 for our networks, where the CPU multiplies bfloat16 in hardware.

Both work on 16x16 maps of 12 channels (32x32 RGB in 2x2 patches), float32, batch 64, fused Adam. The networks
alternate, and the fastest step of each is reported, because other work on the machine can only slow a step.
"""

import sys
import time
from collections.abc import Callable

import torch
from diffusers import UNet2DModel
from torch import Tensor, nn

from thirtytwo.nets.unet import UNet

BATCH = 64


def ours() -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    """Return our UNet with three levels of 32, 64 and 64 channels and attention at 8x8."""
    net = UNet(
        channels=12,
        resolution=16,
        patch=1,
        width=32,
        width_multipliers=[1, 2, 2],
        blocks=1,
        attention_resolutions=[8],
        heads=1,
        dropout=0.0,
        time_conditioning="scale_shift",
        classes=0,
    )
    return net, lambda x, t: net(x, t, None)


def diffusers() -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    """Return diffusers' UNet with the same levels, blocks and attention."""
    net = UNet2DModel(
        sample_size=16,
        in_channels=12,
        out_channels=12,
        layers_per_block=1,
        block_out_channels=(32, 64, 64),
        norm_num_groups=8,
        attention_head_dim=64,
        resnet_time_scale_shift="scale_shift",
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    )
    return net, lambda x, t: net(x, t).sample


def stepper(
    net: nn.Module, predict: Callable[[Tensor, Tensor], Tensor], shape: tuple[int, ...] = (BATCH, 12, 16, 16),
    bfloat16: bool = False,
) -> Callable[[], None]:  # fmt: skip
    """Return a function that runs one training step on fixed data."""
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-4, fused=True)
    x, target = torch.randn(2, *shape)
    t = torch.randint(0, 1000, (shape[0],))

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = (predict(x, t) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def main(threads: int, repeats: int) -> None:
    """Print the size and speed of each network."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    networks = {"thirtytwo": ours(), "diffusers": diffusers()}
    steps = {name: stepper(*network) for name, network in networks.items()}
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(repeats + 1):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - start)
    print(f"torch {torch.__version__}, {threads} threads, batch {BATCH}, fastest of {repeats} steps after a warm-up")
    for name, (net, _) in networks.items():
        parameters = sum(parameter.numel() for parameter in net.parameters())
        print(f"{name:10} {parameters:9,} parameters {BATCH / min(seconds[name][1:]):7.0f} images/s")
    if torch.cpu.get_capabilities().get("amx_bf16"):
        precisions(repeats)


def precisions(repeats: int) -> None:
    """Print a step's milliseconds of three UNets on RGB images in float32 and in bfloat16."""
    print("width, patch, batch: float32, bfloat16, ratio")
    for width, patch, batch in ((16, 2, 64), (32, 1, 64), (64, 1, 32)):
        net = UNet(
            channels=3, resolution=32, patch=patch, width=width, width_multipliers=[1, 2, 4], blocks=1,
            attention_resolutions=[], heads=1, dropout=0.0, time_conditioning="scale_shift", classes=0,
        ).to(memory_format=torch.channels_last)  # fmt: skip
        steps = [stepper(net, lambda x, t: net(x, t, None), (batch, 3, 32, 32), half) for half in (False, True)]  # noqa: B023
        seconds: list[list[float]] = [[], []]
        for _ in range(repeats + 1):
            for step, times in zip(steps, seconds, strict=True):
                start = time.perf_counter()
                step()
                times.append(time.perf_counter() - start)
        single, half = (1000 * min(times[1:]) for times in seconds)
        print(f"{width:5}, {patch:5}, {batch:5}: {single:5.0f} ms, {half:5.0f} ms, {single / half:.2f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in (sys.argv[1:] + ["2", "20"][len(sys.argv) - 1 :])))
