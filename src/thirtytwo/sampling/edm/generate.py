"""Draw images from an EDM with the samplers of `solvers`."""

from collections.abc import Sequence

import torch
from torch import Tensor

from thirtytwo.models.edm.model import EDM
from thirtytwo.sampling.drawing import Watch
from thirtytwo.sampling.edm.solvers import SAMPLERS, SIGMA_MIN, Predict, sigmas
from thirtytwo.sampling.noise import NoiseStreams, in_chunks, progress
from thirtytwo.settings.edm import EDMSamplerSettings

__all__ = ["generate", "levels", "predictor"]


def levels(settings: EDMSamplerSettings) -> list[float]:
    """Return the noise levels of a sampler, down to `intermediate` for consistency."""
    lowest = settings.intermediate if settings.sampler == "consistency" else SIGMA_MIN
    return sigmas(settings.steps, settings.spacing, lowest)


def predictor(model: EDM, settings: EDMSamplerSettings, labels: Tensor | None) -> Predict:
    """Wrap the model for the samplers: one noise level for all images, guidance and clipping applied."""
    guided = model.classifier_free_guidance(settings.guidance, labels)

    def predict(x: Tensor, sigma: float) -> Tensor:
        x0 = guided(x, torch.full((len(x),), sigma, device=x.device))
        return x0.clamp(-1, 1) if settings.clip else x0

    return predict


@torch.inference_mode()
def generate(
    model: EDM, settings: EDMSamplerSettings, *, seed: int, indices: Sequence[int], labels: Tensor | None,
    device: torch.device, watch: Watch = lambda x, sigma, x0: None,
) -> Tensor:  # fmt: skip
    """Draw the images of a run with the given indices.

    An image depends only on seed, index, label and the settings, see `noise.in_chunks`.

    Args:
        model: with the network in eval mode.
        settings: sampler, steps, spacing, clipping and guidance.
        seed: seed of the run.
        indices: n image indices.
        labels: [n] int64 labels of those images, or None.
        device: device of the network.
        watch: called with x [B, C, 32, 32], sigma and the predicted image at each evaluation.

    Returns:
        [n, C, 32, 32] float32 on the CPU, nominally in [-1, 1].
    """
    s, steps = settings, levels(settings)
    bar = progress(s.sampler, s.steps, indices, device)

    def sample_chunk(streams: NoiseStreams, labels: Tensor | None) -> Tensor:
        predict = predictor(model, s, labels)

        def watched(x: Tensor, sigma: float) -> Tensor:
            x0 = predict(x, sigma)
            bar.update()
            watch(x, sigma, x0)
            return x0

        def noise() -> Tensor:
            return streams.normal(model.shape).to(device)

        return SAMPLERS[s.sampler](watched, steps[0] * noise(), steps, noise)

    with bar:
        return in_chunks(sample_chunk, seed, indices, labels, device)
