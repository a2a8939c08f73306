"""Draw images from a flow with the samplers of `solvers`."""

from collections.abc import Sequence

import torch
from torch import Tensor

from thirtytwo.models.flow.model import Flow
from thirtytwo.sampling.drawing import Watch
from thirtytwo.sampling.flow.solvers import SAMPLERS, Predict, times
from thirtytwo.sampling.noise import NoiseStreams, in_chunks, progress
from thirtytwo.settings.flow import FlowSamplerSettings

__all__ = ["generate", "predictor"]


def predictor(model: Flow, settings: FlowSamplerSettings, labels: Tensor | None) -> Predict:
    """Wrap the model for the samplers: one interval for all images, guidance and clipping applied."""
    guided = model.classifier_free_guidance(settings.guidance, labels)

    def predict(x: Tensor, r: float, t: float) -> Tensor:
        velocity = guided(x, *(torch.full((len(x),), time, device=x.device) for time in (r, t)))
        if not settings.clip:
            return velocity
        return (x - (x - t * velocity).clamp(-1, 1)) / t  # x_0 = x_t - t v, for which v is constant

    return predict


@torch.inference_mode()
def generate(
    model: Flow, settings: FlowSamplerSettings, *, seed: int, indices: Sequence[int], labels: Tensor | None,
    device: torch.device, watch: Watch = lambda x, t, velocity: None,
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
        watch: called with x_t [B, C, 32, 32], t and the velocity at each evaluation.

    Returns:
        [n, C, 32, 32] float32 on the CPU, nominally in [-1, 1].
    """
    s = settings
    bar = progress(s.sampler, s.steps, indices, device)

    def sample_chunk(streams: NoiseStreams, labels: Tensor | None) -> Tensor:
        predict = predictor(model, s, labels)

        def watched(x: Tensor, r: float, t: float) -> Tensor:
            velocity = predict(x, r, t)
            bar.update()
            watch(x, t, velocity)
            return velocity

        return SAMPLERS[s.sampler](watched, streams.normal(model.shape).to(device), times(s.steps, s.spacing))

    with bar:
        return in_chunks(sample_chunk, seed, indices, labels, device)
