"""Sample a diffusion model and bound its likelihood of held-out images."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from thirtytwo.core.seeds import derive_seed
from thirtytwo.data.batches import to_float, to_uint8
from thirtytwo.models.diffusion import bound
from thirtytwo.models.diffusion.model import Diffusion
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.sampling.diffusion import generate
from thirtytwo.sampling.drawing import Decode, Draw, Job, Samples, Task, cycle_labels, first, guided_decoder, snapshots
from thirtytwo.settings.diffusion import DiffusionSampling

__all__ = ["drawer", "sample"]

_TRAJECTORY_IMAGES = 10
_CHUNK = 100  # images per call of the network
_BOUND_SEED = 201  # derives the seeds of the likelihood bound


def drawer(model: Diffusion, task: Task) -> Draw:
    """Return a function that draws images with the sampler of the settings.

    Raises:
        ParamsError: guidance of a model trained without label dropout; clipping of codes; guidance of a decoder that
            does not exist or takes no labels.
    """
    s = _settings(task)
    if s.guidance and not model.settings.label_dropout:
        raise ParamsError(
            f"sample.guidance: {s.guidance}, but the model was trained with label_dropout 0.0; set conditional: true"
            " and label_dropout: 0.1, or guidance: 0.0"
        )
    if model.latent_space is not None and s.clip:
        raise ParamsError("sample.clip: true, but codes of an autoencoder are unbounded; set clip: false")

    decode = _decoder(model, task)

    def draw(indices: Sequence[int], labels: Tensor | None) -> Tensor:
        x0 = _generate(model, task, indices, labels, model.classifier_free_guidance(s.guidance))
        return _to_images(model, x0, labels, decode)

    return draw


def sample(model: Diffusion, job: Job) -> Samples:
    """Draw the images of a run and these probes:

    trajectory_frames and trajectory_estimates [F, 10, 32, 32, C], x_t and x0_hat of the first images, and
    trajectory_timesteps [F]; bound_bits [N, 3], see `bound.bound`; snapshots.

    Raises:
        ParamsError: as for `drawer`; or a likelihood bound is requested of a model of codes.
    """
    if model.latent_space is not None and (count := _settings(job).bound_images):
        raise ParamsError(
            f"sample.bound_images: {count}, but a model of codes has no likelihood in pixels; set bound_images: 0"
        )
    labels = cycle_labels(model, job.cfg.sampling.images, len(job.data.classes))
    images = first(drawer(model, job), job.cfg.sampling.images, labels)
    probes = _trajectory(model, job, labels) | _likelihood_bound(model, job)
    return Samples(images, labels, probes | snapshots(model, job, lambda: drawer(model, job), labels))


def _settings(task: Task) -> DiffusionSampling:
    assert isinstance(task.cfg.sample, DiffusionSampling)
    return task.cfg.sample


def _generate(
    model: Diffusion, task: Task, indices: Sequence[int], labels: Tensor | None, denoise: generate.Denoise
) -> Tensor:
    return generate.generate(
        denoise, model.schedule, _settings(task), seed=task.cfg.seed, indices=indices, labels=labels,
        shape=model.shape, device=task.device,
    )  # fmt: skip


def _decoder(model: Diffusion, task: Task) -> Decode:
    conditional = model.latent_space is not None and model.latent_space.autoencoder.conditional
    return guided_decoder(model.images, _settings(task).decoder_guidance, len(task.data.classes) if conditional else 0)


def _to_images(model: Diffusion, x0: Tensor, labels: Tensor | None, decode: Decode) -> Tensor:
    """Return the images of x_0 [N, *shape] with labels [N] or None, on the CPU: x_0 itself, or decoded codes.

    The last chunk is padded, because networks round differently for other batch sizes and an image must not depend on
    the number of images.
    """
    if model.latent_space is None:
        return x0
    device, images = model.latent_space.mean.device, []
    for start in range(0, len(x0), _CHUNK):
        rows = torch.arange(start, start + _CHUNK).clamp(max=len(x0) - 1)
        chunk_labels = None if labels is None else labels[rows].to(device)
        images.append(decode(x0[rows].to(device), chunk_labels).cpu())
    return torch.cat(images)[: len(x0)]


def _trajectory(model: Diffusion, job: Job, labels: Tensor | None) -> dict[str, np.ndarray]:
    """Record the sampling trajectories of the first images, evenly spaced in steps; the last frame is the image."""
    s = _settings(job)
    if not s.frames:
        return {}
    recorded: dict[int, tuple[Tensor, Tensor]] = {}
    denoise, count = model.classifier_free_guidance(s.guidance), min(_TRAJECTORY_IMAGES, job.cfg.sampling.images)

    def denoise_and_record(x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        x0 = denoise(x, t, labels)
        recorded.setdefault(int(t[0]), (x[:count].cpu(), x0[:count].cpu()))
        return x0

    labels, decode = None if labels is None else labels[:count], _decoder(model, job)
    final = _generate(model, job, range(count), labels, denoise_and_record)
    recorded[0] = final, final
    timesteps = sorted(recorded, reverse=True)
    timesteps = [timesteps[i] for i in np.unique(np.linspace(0, len(timesteps) - 1, s.frames).round().astype(int))]

    def frames(part: int) -> np.ndarray:
        x = torch.cat([recorded[t][part] for t in timesteps])  # together, because decoding pads its last chunk
        images = _to_images(model, x, None if labels is None else labels.repeat(len(timesteps)), decode)
        return to_uint8(images).unflatten(0, (len(timesteps), count)).numpy()

    return {
        "trajectory_frames": frames(0),
        "trajectory_estimates": frames(1),
        "trajectory_timesteps": np.array(timesteps),
    }


def _likelihood_bound(model: Diffusion, job: Job) -> dict[str, np.ndarray]:
    """Compute the terms of the bound, in bits per dimension, for a random subset of held-out images; no guidance."""
    s, test, seed = _settings(job), job.data.only("test"), job.cfg.seed
    count = min(s.bound_images, len(test.images))
    if not count:
        return {}
    subset = np.random.default_rng(derive_seed(seed, _BOUND_SEED)).permutation(len(test.images))[:count]
    intervals = min(s.bound_timesteps, model.schedule.timesteps - 1)
    bits = []
    for start in tqdm(range(0, count, _CHUNK), desc="bits per dimension", unit="batch", mininterval=1.0):
        chunk = subset[start : start + _CHUNK]
        x0 = to_float(torch.from_numpy(test.images[chunk]).to(job.device))
        y = torch.from_numpy(test.labels[chunk]).to(job.device)
        rng = torch.Generator().manual_seed(derive_seed(seed, _BOUND_SEED, start))
        bits.append(bound.bound(model.denoise, model.schedule, x0, y, intervals=intervals, clip=s.clip, rng=rng))
    return {"bound_bits": torch.cat(bits).numpy()}
