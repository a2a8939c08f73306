"""Trainings and samplings whose results must not depend on the number of processes; run as a script by each of them.

RANK=r WORLD_SIZE=2 MASTER_ADDR=... MASTER_PORT=... python process_jobs.py FOLDER BEGUN
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from diffusion_settings import SETTINGS as DIFFUSION
from thirtytwo.core import processes
from thirtytwo.data.batches import ImageSet, to_float
from thirtytwo.features.extraction import extract
from thirtytwo.models.build import build
from thirtytwo.nets.classifier import Classifier
from thirtytwo.runtime.errors import Stopped
from thirtytwo.sampling import noise
from thirtytwo.settings.autoencoder import AutoencoderSettings
from thirtytwo.settings.diffusion import DiffusionSettings
from thirtytwo.settings.gan import GANSettings
from thirtytwo.settings.training import Model
from thirtytwo.training import loop

CPU = torch.device("cpu")
COMMON: dict[str, Any] = {
    "steps": 3, "epochs": 0, "batch_size": 8, "lr": 1e-3, "betas": [0.5, 0.9], "clip_norm": 1.0, "horizontal_flip": True,
    "ema_decay": 0.9, "validate_every": 2, "checkpoint_every": 10, "snapshot_every": 0,
}  # fmt: skip
GAN: dict[str, Any] = COMMON | {
    "latent_dim": 4, "width": 2, "discriminator_width": 0, "activation": "leaky_relu", "batch_norm": True, "init_std": 0.1, "init_mean": 0.0, "penalty_every": 1, "penalty": 10.0,
    "multipliers": [2, 2, 1], "real_target": 1.0, "fake_target": 0.0, "input_noise": 0.1, "conditional": True,
    "label_channels": 2, "generator_every": 1, "lr_decay": "none", "decay_steps": {"discriminator": 9, "generator": 9},
}  # fmt: skip
RUNS = {
    "gan": ("gan", "dcgan", GANSettings(**GAN, loss="non_saturating")),
    "wgan_gp": ("gan", "upsampling_gan", GANSettings(**GAN, loss="wgan_gp")),
    "r3gan": ("gan", "dcgan", GANSettings(**GAN | {"batch_norm": False}, loss="relativistic")),
    "vae": ("autoencoder", "conv_vae", AutoencoderSettings(
        **COMMON, variational=True, likelihood="sigma_vae", beta=1.0, beta_schedule="linear", latent_dim=4, width=2)),
    "ddpm": ("diffusion", "unet", DiffusionSettings(
        **DIFFUSION | COMMON | {"conditional": True, "label_dropout": 0.3, "dropout": 0.2, "width": 8})),
}  # fmt: skip


def data() -> ImageSet:
    """Eight training images, and three batches of held-out ones."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (19, 32, 32, 1), dtype=np.uint8)
    images[:, :16] //= 4
    split = np.repeat(np.array([0, 1], np.uint8), [8, 11])
    return ImageSet(images, rng.integers(0, 2, 19), split, ("a", "b"), np.zeros((19, 0), np.float32), ())


@contextmanager
def in_float64() -> Iterator[None]:
    """Train in float64: Adam would enlarge the rounding of gradients that are 0."""
    torch.set_default_dtype(torch.float64)
    images = mock.patch.object(loop, "to_float", lambda pixels: to_float(pixels).double())
    with images, mock.patch.object(loop, "_VALIDATION_BATCH", 4):
        try:
            yield
        finally:
            torch.set_default_dtype(torch.float32)


def run(name: str, folder: Path, stop_at: int | None = None) -> dict[str, Any]:
    """Trains; only the last process is signalled, at step `stop_at`."""
    family, net, settings = RUNS[name]
    calls = iter(range(1, 100))
    last = processes.rank() == processes.count() - 1
    with in_float64():
        state = loop.train(
            loop.initialise(lambda: build(Model(family=family, net=net, settings=settings), 1, 2), seed=5), data(), settings,
            seed=5, device=CPU, precision="float32", folder=folder,
            exit_code=lambda: 143 if next(calls) == stop_at and last else 0,
        )  # fmt: skip
    return {"curve": state.curve, "validation": state.validation, "weights": state.ema.state_dict()}


def begin(folder: Path) -> None:
    """Trains a VAE for two of its three steps."""
    with suppress(Stopped):
        run("vae", folder, stop_at=2)


def sampled() -> dict[str, torch.Tensor]:
    """Images of three chunks and of one, features of three chunks."""
    weights = torch.randn(4, 3 * 32 * 32, generator=torch.Generator().manual_seed(1))

    def draw(z: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        return (z @ weights).tanh().view(-1, 3, 32, 32)

    torch.manual_seed(1)
    pixels = np.random.default_rng(1).integers(0, 256, (600, 32, 32, 1), np.uint8)
    features, probabilities = extract(pixels, Classifier(1, 3, 2).eval(), "noise")
    arguments: dict[str, Any] = {"seed": 3, "labels": None, "device": CPU}
    return {
        "several": noise.draw(draw, (4,), indices=range(130), **arguments),
        "one": noise.draw(draw, (4,), indices=range(5), **arguments),
        "features": torch.from_numpy(features),
        "probabilities": torch.from_numpy(probabilities),
    }


def everything(folder: Path) -> dict[str, Any]:
    """The results of all jobs."""
    return {name: run(name, folder / name) for name in RUNS} | {"sampled": sampled()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    processes.join()
    folder, begun = (Path(argument) for argument in sys.argv[1:])
    begin(folder / "begun")
    results = everything(folder) | {"resumed": run("vae", begun)}
    torch.save(results, folder / f"{processes.rank()}.pt")
