"""Sample one trained flow with many samplers and step counts, from the same noise."""

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from thirtytwo.data.batches import to_uint8
from thirtytwo.models.flow.model import Flow
from thirtytwo.sampling.flow.generate import generate
from thirtytwo.settings.flow import FlowSamplerSettings
from thirtytwo.settings.sweep import SweepConfig

__all__ = ["draw", "points"]


def points(cfg: SweepConfig) -> Iterator[FlowSamplerSettings]:
    """Yield every combination of sampler and step count."""
    for sampler, spacing in cfg.sweep.samplers.items():
        for steps in cfg.sweep.steps:
            settings = {"sampler": sampler, "steps": steps, "spacing": spacing}
            yield FlowSamplerSettings.model_validate(settings | {"clip": cfg.clip, "guidance": cfg.guidance})


def draw(model: Flow, settings: FlowSamplerSettings, seed: int, labels: Tensor | None, count: int) -> np.ndarray:
    """Draw the first `count` images of a run, [count, 32, 32, C] uint8."""
    images = generate(
        model, settings, seed=seed, indices=range(count), labels=None if labels is None else labels[:count],
        device=next(model.modules.parameters()).device,
    )  # fmt: skip
    return to_uint8(images).numpy()
