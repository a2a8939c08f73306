"""Sample one trained diffusion model with many samplers, step counts and values of eta, from the same noise."""

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from thirtytwo.data.batches import to_uint8
from thirtytwo.models.diffusion.model import Diffusion
from thirtytwo.sampling.diffusion.generate import generate
from thirtytwo.settings.diffusion import SamplerSettings
from thirtytwo.settings.sweep import SweepConfig

__all__ = ["draw", "points"]


def points(cfg: SweepConfig) -> Iterator[SamplerSettings]:
    """Yield every combination of sampler and step count, and for ddim also of eta."""
    for sampler, spacing in cfg.sweep.samplers.items():
        for eta in cfg.sweep.etas if sampler == "ddim" else [0.0]:
            for steps in cfg.sweep.steps:
                settings = {"sampler": sampler, "steps": steps, "eta": eta, "spacing": spacing}
                yield SamplerSettings.model_validate(settings | {"clip": cfg.clip, "guidance": cfg.guidance})


def draw(model: Diffusion, settings: SamplerSettings, seed: int, labels: Tensor | None, count: int) -> np.ndarray:
    """Draw the first `count` images of a run, [count, 32, 32, C] uint8."""
    images = generate(
        model.classifier_free_guidance(settings.guidance), model.schedule, settings, seed=seed, indices=range(count),
        labels=None if labels is None else labels[:count], shape=model.shape,
        device=next(model.modules.parameters()).device,
    )  # fmt: skip
    return to_uint8(images).numpy()
