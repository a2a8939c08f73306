"""Trainings and samplings whose results must not depend on the number of processes; run as a script by each of them.

RANK=r WORLD_SIZE=2 MASTER_ADDR=... MASTER_PORT=... python several_processes.py FOLDER
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffusion_settings import SETTINGS as DIFFUSION
from thirtytwo.core import processes
from thirtytwo.data.batches import ImageSet
from thirtytwo.features.extraction import extract
from thirtytwo.models.build import build
from thirtytwo.nets.classifier import Classifier
from thirtytwo.runtime.errors import Stopped
from thirtytwo.sampling import noise
from thirtytwo.settings.autoencoder import AutoencoderSettings
from thirtytwo.settings.diffusion import DiffusionSettings
from thirtytwo.settings.gan import GANSettings
from thirtytwo.settings.training import Model
from thirtytwo.training.loop import State, initialise, train

CPU = torch.device("cpu")
COMMON: dict[str, Any] = {
    "steps": 4, "epochs": 0, "batch_size": 8, "lr": 1e-3, "betas": [0.5, 0.9], "clip_norm": 1.0, "horizontal_flip": True,
    "ema_decay": 0.9, "validate_every": 2, "checkpoint_every": 10, "snapshot_every": 0,
}  # fmt: skip
GAN: dict[str, Any] = COMMON | {
    "latent_dim": 4, "width": 2, "activation": "leaky_relu", "batch_norm": True, "init_std": 0.1, "penalty": 10.0,
    "multipliers": [2, 2, 1], "real_target": 1.0, "fake_target": 0.0, "input_noise": 0.1, "conditional": True,
    "label_channels": 2, "generator_every": 1, "lr_decay": "none", "decay_steps": {"discriminator": 9, "generator": 9},
}  # fmt: skip
RUNS = {
    "gan": ("gan", "dcgan", GANSettings(**GAN, loss="non_saturating")),
    "wgan_gp": ("gan", "resnet_gan", GANSettings(**GAN, loss="wgan_gp")),
    "wgan_gp_batch_norm": ("gan", "dcgan", GANSettings(**GAN, loss="wgan_gp")),  # in the discriminator as well
    "vae": ("autoencoder", "conv_vae", AutoencoderSettings(
        **COMMON, variational=True, likelihood="sigma_vae", beta=1.0, beta_schedule="linear", latent_dim=4, width=2)),
    "ddpm": ("diffusion", "unet", DiffusionSettings(**(DIFFUSION | COMMON | {"conditional": True, "label_dropout": 0.3, "width": 8}))),
}  # fmt: skip


def data() -> ImageSet:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (510, 32, 32, 1), dtype=np.uint8)  # two batches of validation
    images[:, :16] //= 4
    split = np.repeat(np.array([1, 0], np.uint8), [502, 8])
    return ImageSet(images, rng.integers(0, 2, 510), split, ("a", "b"), np.zeros((510, 0), np.float32), ())


def run(name: str, folder: Path, stop_at: int | None = None) -> State:
    """Trains; only the last process is signalled at step `stop_at`."""
    family, net, settings = RUNS[name]
    calls = iter(range(1, 100))
    last = processes.rank() == processes.count() - 1
    return train(
        initialise(lambda: build(Model(family=family, net=net, settings=settings), 1, 2), seed=5), data(), settings,
        seed=5, device=CPU, precision="float32", folder=folder,
        exit_code=lambda: 143 if next(calls) == stop_at and last else 0,
    )  # fmt: skip


def stopped(name: str, folder: Path) -> None:
    try:
        run(name, folder, stop_at=2)
    except Stopped:
        return
    raise AssertionError("was not stopped")


def result(state: State) -> dict[str, Any]:
    return {"curve": state.curve, "validation": state.validation, "weights": state.ema.state_dict()}


def sampled() -> dict[str, torch.Tensor]:
    """Images of three chunks and one, features of three chunks, and negative zeros."""
    weights = torch.randn(4, 3 * 32 * 32, generator=torch.Generator().manual_seed(1))

    def draw(z: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        return (z @ weights).tanh().view(-1, 3, 32, 32)

    torch.manual_seed(1)
    pixels = np.random.default_rng(1).integers(0, 256, (600, 32, 32, 1), np.uint8)
    features, probabilities = extract(pixels, Classifier(1, 3, 2).eval())
    zeros = np.zeros((3, 2), np.float32)
    zeros[processes.rank() :: processes.count()] = -0.0
    arguments: dict[str, Any] = {"seed": 3, "labels": None, "device": CPU}
    return {
        "several": noise.draw(draw, (4,), indices=range(130), **arguments),
        "one": noise.draw(draw, (4,), indices=range(5), **arguments),
        "features": torch.from_numpy(features),
        "probabilities": torch.from_numpy(probabilities),
        "zeros": torch.from_numpy(processes.merge(zeros)),
    }


def everything(folder: Path) -> dict[str, Any]:
    """All results; in several processes, also of a training that one process began."""
    results = {name: result(run(name, folder / name)) for name in RUNS}
    stopped("vae", folder / "stopped")
    if processes.count() > 1:
        results["begun by one"] = result(run("vae", folder.parent / "1/stopped"))
    return results | {"sampled": sampled()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    processes.join()
    torch.save(everything(Path(sys.argv[1])), Path(sys.argv[1]) / f"{processes.rank()}.pt")
