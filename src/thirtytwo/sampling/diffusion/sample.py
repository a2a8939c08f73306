"""Sampling a diffusion model, and its bound on the likelihood of held-out images."""

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
from thirtytwo.sampling.drawing import Decode, Draw, Drawn, Job, Task, cycle_labels, first, guided_decoder, snapshots
from thirtytwo.settings.diffusion import DiffusionSampling

__all__ = ["drawer", "sample"]

_FRAME_IMAGES = 10
_CHUNK = 100  # held-out images in one call of the network
_BOUND = 201  # what a seed is derived for


def drawer(model: Diffusion, task: Task) -> Draw:
    """Images by the sampler that the settings name.

    Raises:
        ParamsError: guidance of a model that has not learnt to do without labels; clipping of codes; guidance of a
            decoder that is not there or takes no labels.
    """
    s = _settings(task)
    if s.guidance and not model.settings.label_dropout:
        raise ParamsError(
            f"sample.guidance: {s.guidance}, but the model was trained with label_dropout 0.0; set conditional: true"
            " and label_dropout: 0.1, or guidance: 0.0"
        )
    if model.first is not None and s.clip:
        raise ParamsError("sample.clip: codes of an autoencoder have no range; set clip: false")

    decode = _decoder(model, task)

    def draw(indices: Sequence[int], labels: Tensor | None) -> Tensor:
        return _images(
            model, _generate(model, task, indices, labels, model.guided_denoiser(s.guidance)), labels, decode
        )

    return draw


def sample(model: Diffusion, job: Job) -> Drawn:
    """Images, and as probes:

    trajectory_frames and trajectory_estimates [F, 10, 32, 32, C], x_t and x0_hat of the first images, and
    trajectory_timesteps [F]; bound_bits [N, 3], see `bound.bound`; snapshots.

    Raises:
        ParamsError: as `drawer`; a bound on the likelihood of codes.
    """
    if model.first is not None and _settings(job).bound_images:
        raise ParamsError(
            "sample.bound_images: codes of an autoencoder have no likelihood in pixels; set bound_images: 0"
        )
    labels = cycle_labels(model, job.cfg.sampling.images, len(job.data.classes))
    images = first(drawer(model, job), job.cfg.sampling.images, labels)
    probes = _frames(model, job, labels) | _bound(model, job)
    return Drawn(images, labels, probes | snapshots(model, job, lambda: drawer(model, job), labels))


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
    conditional = model.first is not None and model.first.autoencoder.conditional
    return guided_decoder(model.images, _settings(task).decoder_guidance, len(task.data.classes) if conditional else 0)


def _images(model: Diffusion, x0: Tensor, labels: Tensor | None, decode: Decode) -> Tensor:
    """Images of x_0 [N, *shape] with labels [N] or None, on the CPU; decoded where x_0 are codes.

    The last chunk is padded, so that an image does not depend on how many are asked for: networks round differently
    in batches of other sizes.
    """
    if model.first is None:
        return x0
    device, decoded = model.first.mean.device, []
    for start in range(0, len(x0), _CHUNK):
        places = torch.arange(start, start + _CHUNK).clamp(max=len(x0) - 1)
        own = None if labels is None else labels[places].to(device)
        decoded.append(decode(x0[places].to(device), own).cpu())
    return torch.cat(decoded)[: len(x0)]


def _frames(model: Diffusion, job: Job, labels: Tensor | None) -> dict[str, np.ndarray]:
    """The way of the first images, even in the sampler's steps; the last frame is the image."""
    s = _settings(job)
    if not s.frames:
        return {}
    seen: dict[int, tuple[Tensor, Tensor]] = {}
    denoise, count = model.guided_denoiser(s.guidance), min(_FRAME_IMAGES, job.cfg.sampling.images)

    def watched(x: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        x0 = denoise(x, t, labels)
        seen.setdefault(int(t[0]), (x[:count].cpu(), x0[:count].cpu()))
        return x0

    own, decode = None if labels is None else labels[:count], _decoder(model, job)
    images = _generate(model, job, range(count), own, watched)
    seen[0] = images, images
    steps = sorted(seen, reverse=True)
    chosen = [steps[i] for i in np.unique(np.linspace(0, len(steps) - 1, s.frames).round().astype(int))]
    x, x0 = (
        np.stack([to_uint8(_images(model, seen[t][part], own, decode)).numpy() for t in chosen]) for part in (0, 1)
    )
    return {"trajectory_frames": x, "trajectory_estimates": x0, "trajectory_timesteps": np.array(chosen)}


def _bound(model: Diffusion, job: Job) -> dict[str, np.ndarray]:
    """The bound's terms for a fixed choice of held-out images, in bits per dimension; without guidance."""
    s, test, seed = _settings(job), job.data.only("test"), job.cfg.seed
    count = min(s.bound_images, len(test.images))
    if not count:
        return {}
    order = np.random.default_rng(derive_seed(seed, _BOUND)).permutation(len(test.images))[:count]
    parts = min(s.bound_timesteps, model.schedule.timesteps - 1)
    bits = []
    for start in tqdm(range(0, count, _CHUNK), desc="bits per dimension", unit="batch", mininterval=1.0):
        chosen = order[start : start + _CHUNK]
        x0 = to_float(torch.from_numpy(test.images[chosen]).to(job.device))
        y = torch.from_numpy(test.labels[chosen]).to(job.device)
        rng = torch.Generator().manual_seed(derive_seed(seed, _BOUND, start))
        bits.append(bound.bound(model.denoise, model.schedule, x0, y, parts=parts, clip=s.clip, rng=rng))
    return {"bound_bits": torch.cat(bits).numpy()}
