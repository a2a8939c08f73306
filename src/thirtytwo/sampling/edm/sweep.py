"""Sample one trained EDM with many samplers and step counts, from the same noise."""

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from thirtytwo.data.batches import to_uint8
from thirtytwo.models.edm.model import EDM
from thirtytwo.sampling.edm.generate import generate
from thirtytwo.settings.edm import EDMSamplerSettings
from thirtytwo.settings.sweep import SweepConfig

__all__ = ["draw", "points"]


def points(cfg: SweepConfig) -> Iterator[EDMSamplerSettings]:
    """Yield every combination of sampler and step count."""
    shared = {"clip": cfg.clip, "guidance": cfg.guidance, "intermediate": cfg.intermediate}
    for sampler, spacing in cfg.sweep.samplers.items():
        for steps in cfg.sweep.steps:
            yield EDMSamplerSettings.model_validate({"sampler": sampler, "steps": steps, "spacing": spacing} | shared)


def draw(model: EDM, settings: EDMSamplerSettings, seed: int, labels: Tensor | None, count: int) -> np.ndarray:
    """Draw the first `count` images of a run, [count, 32, 32, C] uint8."""
    images = generate(
        model, settings, seed=seed, indices=range(count), labels=None if labels is None else labels[:count],
        device=next(model.modules.parameters()).device,
    )  # fmt: skip
    return to_uint8(images).numpy()
