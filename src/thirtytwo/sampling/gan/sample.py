"""Sampling a GAN: images, ways through the latent space, and what discriminators make of the images."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from thirtytwo.core.seeds import derive_seed
from thirtytwo.data.batches import to_float, to_uint8
from thirtytwo.models.gan.model import GAN, discriminator_loss
from thirtytwo.sampling import noise
from thirtytwo.sampling.drawing import Draw, Drawn, Job, Task, cycle_labels, first, snapshots
from thirtytwo.sampling.gan import latent_paths
from thirtytwo.settings.gan import GANSampling

__all__ = ["drawer", "sample"]

_PAIRS = 6  # of latents between which lines are drawn
_LINE = torch.arange(-5, 15) / 9  # i / K with K = 9: ten images from z1 to z2, five beyond each end
_GRID = 10
_ARCS, _EPSILON = 500, 1e-4  # pairs for the perceptual path length and their distance along the arc
_CHUNK = 500
_FRESH = 101  # what a seed is derived for


def drawer(model: GAN, task: Task) -> Draw:
    """Images of z ~ N(0, I)."""

    def draw(indices: Sequence[int], labels: Tensor | None) -> Tensor:
        return noise.draw(
            model.draw, model.latent_shape, seed=task.cfg.seed, indices=indices, labels=labels, device=task.device
        )

    return draw


@torch.no_grad()
def sample(model: GAN, job: Job) -> Drawn:
    """Images of z ~ N(0, I), and as probes:

    latents [N, D] of the images; batch_norm, the protocol of BatchNorm; interpolation_grid [10, 10, 32, 32, C] over
    the first two coordinates in [-1, 1]; interpolation_lines [6, 20, 32, 32, C], z1 + i/9 (z2 - z1) for i = -5 ... 14;
    path_start and path_end [500, 32, 32, C] float, images path_epsilon apart; d_held_out and d_samples, D of held-out
    real images and of as many samples, and fresh_held_out and fresh_samples, the same of a discriminator trained
    afresh; snapshots.
    """
    count, seed = job.cfg.sampling.images, job.cfg.seed
    labels = cycle_labels(model, count, len(job.data.classes))
    images = first(drawer(model, job), count, labels)
    probes = {
        "latents": noise.latents(seed, range(count), model.latent_shape).numpy(),
        "batch_norm": np.array(_batch_norm(model)),
    }
    probes |= _ways(model, job) | _discriminators(model, job, images, labels)
    probes |= snapshots(model, job, lambda: drawer(model, job), labels)
    return Drawn(images, labels, probes)


def _batch_norm(model: GAN) -> str:
    """How the generator's BatchNorm normalises; in training mode a sample would depend on its batch."""
    normalised = any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in model.modules["generator"].modules())
    return "eval mode, running statistics" if normalised else "none"


def _ways(model: GAN, job: Job) -> dict[str, np.ndarray]:
    """Pictures along lines and over a plane, and the ends of short arcs; a conditional model is asked for class 0."""

    def images(z: Tensor) -> Tensor:
        """z [..., D] to [..., C, 32, 32]."""
        flat = z.reshape(-1, z.shape[-1])
        drawn = torch.cat(
            [model.draw(part.to(job.device), _zeros(model, part, job)).cpu() for part in flat.split(_CHUNK)]
        )
        return drawn.unflatten(0, z.shape[:-1])

    def pixels(z: Tensor) -> np.ndarray:
        drawn = images(z)
        return to_uint8(drawn.flatten(0, -4)).unflatten(0, drawn.shape[:-3]).numpy()

    z1, z2 = noise.latents(job.cfg.seed, range(2 * _PAIRS), model.latent_shape).chunk(2)
    a, b = noise.latents(job.cfg.seed, range(2 * _ARCS), model.latent_shape).chunk(2)
    t = torch.from_numpy(np.random.default_rng(derive_seed(job.cfg.seed, _FRESH, 0)).random(_ARCS, np.float32))
    ends = [latent_paths.slerp(a.double(), b.double(), place.double()).float() for place in (t, t.double() + _EPSILON)]
    floats = [images(z).permute(0, 2, 3, 1).contiguous().numpy() for z in ends]
    return {
        "interpolation_grid": pixels(latent_paths.coordinate_grid(z1[0], _GRID)),
        "interpolation_lines": pixels(latent_paths.line(z1, z2, _LINE)),
        "path_start": floats[0],
        "path_end": floats[1],
        "path_epsilon": np.array(_EPSILON),
    }


def _zeros(model: GAN, z: Tensor, job: Job) -> Tensor | None:
    return torch.zeros(len(z), dtype=torch.int64, device=job.device) if model.conditional else None


def _discriminators(model: GAN, job: Job, images: Tensor, labels: Tensor | None) -> dict[str, np.ndarray]:
    """What the run's own discriminator and a fresh one say of held-out images and of as many samples."""
    test = job.data.only("test")
    n = min(len(test.images), len(images))
    order = np.random.default_rng(derive_seed(job.cfg.seed, _FRESH, 1)).permutation(len(test.images))[:n]
    real, real_labels = to_float(torch.from_numpy(test.images[order])), torch.from_numpy(test.labels[order])
    fake_labels = torch.zeros(n, dtype=torch.int64) if labels is None else labels[:n]

    def judged(judge: GAN, x: Tensor, y: Tensor) -> np.ndarray:
        parts = zip(x.split(_CHUNK), y.split(_CHUNK), strict=True)
        return torch.cat([judge.judge(a.to(job.device), b.to(job.device)).cpu() for a, b in parts]).numpy()

    fresh = _fresh_discriminator(model, job)
    return {
        "d_gives_probability": np.array(model.gives_probability),
        "d_targets": np.array([model.settings.fake_target, model.settings.real_target]),
        "d_held_out": judged(model, real, real_labels),
        "d_samples": judged(model, images[:n], fake_labels),
        "fresh_held_out": _probability(fresh, judged(fresh, real, real_labels)),
        "fresh_samples": _probability(fresh, judged(fresh, images[:n], fake_labels)),
    }


def _probability(model: GAN, outputs: np.ndarray) -> np.ndarray:
    """The fresh discriminator is trained by cross-entropy, whatever the run's loss."""
    return outputs if model.settings.loss in ("minimax", "non_saturating") else 1 / (1 + np.exp(-outputs.astype(float)))


@torch.enable_grad()
def _fresh_discriminator(model: GAN, job: Job) -> GAN:
    """A new discriminator, trained by cross-entropy to tell training images from samples of the finished generator.

    With the generator standing still it tends to D* = p / (p + q) (Goodfellow et al. 2014, proposition 1), which is
    1/2 everywhere if the generator has reached the data's distribution.
    """
    assert isinstance(job.cfg.sample, GANSampling)
    seed, train, settings = job.cfg.seed, job.data.only("train"), model.settings
    fresh = job.fresh(derive_seed(seed, _FRESH, 2))
    assert isinstance(fresh, GAN)
    network = fresh.modules["discriminator"].train()
    adam = torch.optim.Adam(network.parameters(), lr=settings.lr, betas=(settings.betas[0], settings.betas[1]))
    for step in tqdm(range(job.cfg.sample.fresh_steps), desc="fresh discriminator", unit="step", mininterval=1.0):
        rng = np.random.default_rng(derive_seed(seed, _FRESH, 3, step))
        chosen = rng.integers(len(train.images), size=settings.batch_size)
        z = torch.from_numpy(rng.standard_normal((settings.batch_size, *model.latent_shape), np.float32))
        labels = torch.from_numpy(train.labels[chosen]).to(job.device)
        x_real = to_float(torch.from_numpy(train.images[chosen]).to(job.device))
        with torch.no_grad():
            x_fake = model.draw(z.to(job.device), labels)
        real, fake = fresh.discriminate(x_real, labels), fresh.discriminate(x_fake, labels)
        loss = discriminator_loss("non_saturating", real, fake)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
    network.eval()
    return fresh
