"""Sample a GAN: images, latent-space interpolations, and discriminator scores."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from thirtytwo.core.seeds import derive_seed
from thirtytwo.data.batches import to_float, to_uint8
from thirtytwo.models.gan.model import GAN, discriminator_loss
from thirtytwo.sampling import noise
from thirtytwo.sampling.drawing import Draw, Job, Samples, Task, cycle_labels, first, snapshots
from thirtytwo.sampling.gan import latent_paths
from thirtytwo.settings.gan import GANSampling

__all__ = ["drawer", "sample"]

_LINES = 6
_FRACTIONS = torch.arange(-5, 15) / 9  # ten images from z1 to z2 and five beyond each end
_GRID_SIDE = 10
_ARCS, _EPSILON = 500, 1e-4  # arcs for the perceptual path length, and the step along each
_CHUNK = 500  # images per call of the network
_SEED = 101  # derives the seeds of this module


def drawer(model: GAN, task: Task) -> Draw:
    """Return a function that generates images from z ~ N(0, I)."""

    def draw(indices: Sequence[int], labels: Tensor | None) -> Tensor:
        return noise.draw(
            model.draw, model.latent_shape, seed=task.cfg.seed, indices=indices, labels=labels, device=task.device
        )

    return draw


@torch.no_grad()
def sample(model: GAN, job: Job) -> Samples:
    """Draw images of z ~ N(0, I) and these probes:

    latents [N, D] of the images; batch_norm, the mode of BatchNorm; interpolation_grid [10, 10, 32, 32, C] over the
    first two coordinates in [-1, 1]; interpolation_lines [6, 20, 32, 32, C], z1 + i/9 (z2 - z1) for i = -5 ... 14;
    path_start and path_end [500, 32, 32, C] float, images at a distance path_epsilon along the arc; d_held_out and
    d_samples, D of held-out real images and of the same number of samples, and d_gives_probability, whether D estimates
    a probability; fresh_held_out and fresh_samples, the same for a newly trained discriminator; snapshots.
    """
    count, seed = job.cfg.sampling.images, job.cfg.seed
    labels = cycle_labels(model, count, len(job.data.classes))
    images = first(drawer(model, job), count, labels)
    probes = {
        "latents": noise.latents(seed, range(count), model.latent_shape).numpy(),
        "batch_norm": np.array(_batch_norm(model)),
    }
    probes |= _interpolations(model, job) | _discriminator_scores(model, job, images, labels)
    probes |= snapshots(model, job, lambda: drawer(model, job), labels)
    return Samples(images, labels, probes)


def _batch_norm(model: GAN) -> str:
    """Describe the mode of the generator's BatchNorm; in training mode a sample would depend on its batch."""
    normalised = any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in model.modules["generator"].modules())
    return "eval mode, running statistics" if normalised else "none"


def _interpolations(model: GAN, job: Job) -> dict[str, np.ndarray]:
    """Draw images along lines, over a plane, and at both ends of short arcs; a conditional model gets label 0."""

    def generate(z: Tensor) -> Tensor:
        """Generate images [..., C, 32, 32] from z [..., D]."""
        flat = z.reshape(-1, z.shape[-1])
        images = [model.draw(chunk.to(job.device), _label_0(model, chunk, job)).cpu() for chunk in flat.split(_CHUNK)]
        return torch.cat(images).unflatten(0, z.shape[:-1])

    def pixels(z: Tensor) -> np.ndarray:
        images = generate(z)
        return to_uint8(images.flatten(0, -4)).unflatten(0, images.shape[:-3]).numpy()

    z1, z2 = noise.latents(job.cfg.seed, range(2 * _LINES), model.latent_shape).chunk(2)
    a, b = noise.latents(job.cfg.seed, range(2 * _ARCS), model.latent_shape).chunk(2)
    t = torch.from_numpy(np.random.default_rng(derive_seed(job.cfg.seed, _SEED, 0)).random(_ARCS, np.float32))
    arc_ends = [latent_paths.slerp(a.double(), b.double(), f.double()).float() for f in (t, t.double() + _EPSILON)]
    start, end = (generate(z).permute(0, 2, 3, 1).contiguous().numpy() for z in arc_ends)
    return {
        "interpolation_grid": pixels(latent_paths.coordinate_grid(z1[0], _GRID_SIDE)),
        "interpolation_lines": pixels(latent_paths.line(z1, z2, _FRACTIONS)),
        "path_start": start,
        "path_end": end,
        "path_epsilon": np.array(_EPSILON),
    }


def _label_0(model: GAN, z: Tensor, job: Job) -> Tensor | None:
    """Return label 0 for each z, or None if the model takes no labels."""
    return torch.zeros(len(z), dtype=torch.int64, device=job.device) if model.conditional else None


def _discriminator_scores(model: GAN, job: Job, images: Tensor, labels: Tensor | None) -> dict[str, np.ndarray]:
    """Score held-out images and the same number of samples with the run's discriminator and with a new one."""
    test = job.data.only("test")
    n = min(len(test.images), len(images))
    subset = np.random.default_rng(derive_seed(job.cfg.seed, _SEED, 1)).permutation(len(test.images))[:n]
    real, real_labels = to_float(torch.from_numpy(test.images[subset])), torch.from_numpy(test.labels[subset])
    fake_labels = torch.zeros(n, dtype=torch.int64) if labels is None else labels[:n]

    def scores(gan: GAN, x: Tensor, y: Tensor) -> np.ndarray:
        chunks = zip(x.split(_CHUNK), y.split(_CHUNK), strict=True)
        return torch.cat([gan.score(a.to(job.device), b.to(job.device)).cpu() for a, b in chunks]).numpy()

    fresh = _fresh_discriminator(model, job)
    return {
        "d_gives_probability": np.array(model.gives_probability),
        "d_targets": np.array([model.settings.fake_target, model.settings.real_target]),
        "d_held_out": scores(model, real, real_labels),
        "d_samples": scores(model, images[:n], fake_labels),
        "fresh_held_out": _probability(fresh, scores(fresh, real, real_labels)),
        "fresh_samples": _probability(fresh, scores(fresh, images[:n], fake_labels)),
    }


def _probability(model: GAN, scores: np.ndarray) -> np.ndarray:
    """Convert scores of the new discriminator, trained with cross-entropy whatever the run's loss, to probabilities."""
    return scores if model.settings.loss in ("minimax", "non_saturating") else 1 / (1 + np.exp(-scores.astype(float)))


@torch.enable_grad()
def _fresh_discriminator(model: GAN, job: Job) -> GAN:
    """Train a new discriminator by cross-entropy to tell training images from samples of the trained generator.

    For a fixed generator it approaches D* = p / (p + q) (Goodfellow et al. 2014, proposition 1), which is
    1/2 everywhere if the generator matches the data distribution.
    """
    assert isinstance(job.cfg.sample, GANSampling)
    seed, train, settings = job.cfg.seed, job.data.only("train"), model.settings
    fresh = job.fresh(derive_seed(seed, _SEED, 2))
    assert isinstance(fresh, GAN)
    network = fresh.modules["discriminator"].train()
    adam = torch.optim.Adam(network.parameters(), lr=settings.lr, betas=(settings.betas[0], settings.betas[1]))
    for step in tqdm(range(job.cfg.sample.fresh_steps), desc="fresh discriminator", unit="step", mininterval=1.0):
        rng = np.random.default_rng(derive_seed(seed, _SEED, 3, step))
        batch = rng.integers(len(train.images), size=settings.batch_size)
        z = torch.from_numpy(rng.standard_normal((settings.batch_size, *model.latent_shape), np.float32))
        labels = torch.from_numpy(train.labels[batch]).to(job.device)
        x_real = to_float(torch.from_numpy(train.images[batch]).to(job.device))
        with torch.no_grad():
            x_fake = model.draw(z.to(job.device), labels)
        real, fake = fresh.discriminate(x_real, labels), fresh.discriminate(x_fake, labels)
        loss = discriminator_loss("non_saturating", real, fake)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
    network.eval()
    return fresh
