"""Sample a GAN: images, latent-space interpolations, and discriminator scores."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from thirtytwo.core.seeds import derive_seed
from thirtytwo.data.batches import to_float, to_uint8
from thirtytwo.models.gan.model import GAN
from thirtytwo.sampling import noise
from thirtytwo.sampling.drawing import Draw, Job, Samples, Task, cycle_labels, snapshots
from thirtytwo.sampling.gan import latent_paths, two_sample
from thirtytwo.sampling.gan.metropolis_hastings import Chain, calibrate, chain
from thirtytwo.sampling.gan.two_sample import Labelled

__all__ = ["drawer", "sample"]

_LINES = 200
_FRACTIONS = torch.arange(-5, 15) / 9  # ten images from z1 to z2 and five beyond each end
_GRID_SIDE = 10
_ARCS, _EPSILON = 500, 1e-4  # arcs for the perceptual path length, and the step along each
_CALIBRATED = 1000  # held-out images on which the chain is calibrated, at most
_CHUNK = 500  # images per call of the network
_SEED = 101  # derives the seeds of this module


def drawer(model: GAN, task: Task) -> Draw:
    """Return a function that generates images from z ~ N(0, I), or from a Metropolis-Hastings chain of such z."""
    return _images(task, _chain(model, task))


def _images(task: Task, run: Chain) -> Draw:
    @torch.inference_mode()
    def draw(indices: Sequence[int], labels: Tensor | None) -> Tensor:
        def compute(streams: noise.NoiseStreams, labels: Tensor | None) -> Tensor:
            return run(streams, labels)[1]

        return noise.in_chunks(compute, task.cfg.seed, indices, labels, task.device)

    return draw


@torch.inference_mode()
def _with_latents(task: Task, run: Chain, count: int, labels: Tensor | None) -> tuple[Tensor, Tensor]:
    """The first `count` images [N, C, 32, 32] and their latents [N, D]."""
    channels = task.data.images.shape[3]

    def compute(streams: noise.NoiseStreams, labels: Tensor | None) -> Tensor:
        z, x = run(streams, labels)
        return torch.cat([x.flatten(1), z], dim=1)

    both = noise.in_chunks(compute, task.cfg.seed, range(count), labels, task.device)
    pixels = channels * 32 * 32
    return both[:, :pixels].unflatten(1, (channels, 32, 32)), both[:, pixels:]


def _chain(model: GAN, task: Task) -> Chain:
    """The chain of the run's settings, calibrated on held-out images and as many samples of a seed of their own."""
    proposals = task.cfg.sample.proposals
    if proposals == 1:
        return chain(model, 1, 0.0, task.device)
    held_out = _random_images(model, task, "test").at(slice(_CALIBRATED))
    seed = derive_seed(task.cfg.seed, _SEED, 3)
    with torch.inference_mode():
        z = noise.latents(seed, range(len(held_out)), model.latent_shape).to(task.device)
        labels = held_out.labels if model.conditional else None
        real = model.discriminate(held_out.images, labels).cpu().numpy()
        fake = model.discriminate(model.draw(z, labels), labels).cpu().numpy()
    return chain(model, proposals, calibrate(real, fake), task.device)


@torch.no_grad()
def sample(model: GAN, job: Job) -> Samples:
    """Draw images as `drawer` does and these probes:

    latents [N, D] of the images; batch_norm, the mode of BatchNorm; interpolation_grid [10, 10, 32, 32, C] over the
    first two coordinates in [-1, 1]; interpolation_lines [200, 20, 32, 32, C], z1 + i/9 (z2 - z1) for i = -5 ... 14;
    path_start and path_end [500, 32, 32, C] float, images at a distance path_epsilon along the arc; d_held_out and
    d_samples, D of held-out real images and of as many samples, d_gives_probability, whether D estimates a probability,
    and d_targets; c2st_held_out and c2st_samples, the probability of being real by the two-sample classifier, and
    c2st_steps; snapshots.
    """
    count = job.cfg.sampling.images
    labels = cycle_labels(model, count, len(job.data.classes))
    images, latents = _with_latents(job, _chain(model, job), count, labels)
    probes = {
        "latents": latents.numpy(),
        "batch_norm": np.array(_batch_norm(model)),
    }
    probes |= _interpolations(model, job) | _discriminator_scores(model, job)
    # a snapshot has no discriminator, so its images are the generator's plain samples
    plain = chain(model, 1, 0.0, job.device)
    probes |= snapshots(model, job, lambda: _images(job, plain), labels)
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


def _discriminator_scores(model: GAN, job: Job) -> dict[str, np.ndarray]:
    """Score held-out images and as many new samples, by the run's discriminator and by the two-sample classifier.

    A conditional model draws with the labels of the real images, so that labels alone do not tell the two apart.
    """
    seed, count = job.cfg.seed, job.cfg.sampling.images
    draw = drawer(model, job)
    held_out, train = (_random_images(model, job, split) for split in ("test", "train"))
    held_out = held_out.at(slice(count))

    def samples(like: Labelled, start: int) -> Labelled:
        images = draw(range(start, start + len(like)), like.labels.cpu() if model.conditional else None)
        return Labelled(to_float(to_uint8(images).to(job.device)), like.labels)

    drawn, pool = samples(held_out, count), samples(train, count + len(held_out))
    classes, steps = len(job.data.classes) if model.conditional else 1, job.cfg.sampling.c2st_steps
    networks = two_sample.train(train, pool, classes, steps=steps, seed=derive_seed(seed, _SEED, 2))

    def scores(x: Labelled) -> np.ndarray:
        chunks = zip(x.images.split(_CHUNK), x.labels.split(_CHUNK), strict=True)
        return torch.cat([model.score(*chunk).cpu() for chunk in chunks]).numpy()

    return {
        "d_gives_probability": np.array(model.gives_probability),
        "d_targets": np.array([model.settings.fake_target, model.settings.real_target]),
        "d_held_out": scores(held_out),
        "d_samples": scores(drawn),
        "c2st_held_out": two_sample.probabilities(networks, held_out),
        "c2st_samples": two_sample.probabilities(networks, drawn),
        "c2st_steps": np.array(steps),
    }


def _random_images(model: GAN, job: Task, split: str) -> Labelled:
    """Return all real images of a split in random order, on the device; labels are 0 if the model takes none."""
    data = job.data.only(split)
    order = np.random.default_rng(derive_seed(job.cfg.seed, _SEED, 1)).permutation(len(data.images))
    images, labels = (torch.from_numpy(part[order]).to(job.device) for part in (data.images, data.labels))
    return Labelled(to_float(images), labels if model.conditional else torch.zeros_like(labels))
