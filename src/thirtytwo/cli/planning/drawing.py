"""The speed of the stage `sample`: images, densities of codes, and the two-sample classifier."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thirtytwo.cli.planning.estimate import DataSet
from thirtytwo.cli.planning.needs import Needs
from thirtytwo.cli.planning.synthetic import an_image, now, synthetic_batch
from thirtytwo.runtime.project import Project
from thirtytwo.sampling.autoencoder import densities
from thirtytwo.sampling.cost import evaluations
from thirtytwo.sampling.drawing import guided_decoder
from thirtytwo.sampling.gan import two_sample
from thirtytwo.sampling.noise import CHUNK
from thirtytwo.settings.autoencoder import AutoencoderSampling
from thirtytwo.settings.diffusion import DiffusionSampling
from thirtytwo.settings.edm import EDMSampling
from thirtytwo.settings.families import read_sample
from thirtytwo.settings.flow import FlowSampling
from thirtytwo.settings.gan import GANSampling

__all__ = ["sampling"]

_FITTED, _CODES = 10_000, 800  # codes to which the stage fits densities at most, and the calibration
_TESTED = 3  # steps of each two-sample classifier


def sampling(model: Any, needs: Needs, project: Project, device: torch.device) -> tuple[float, float]:
    """Seconds of a drawn image, and of everything else in the stage `sample`."""
    cfg, data = read_sample(needs.run, project), needs.data
    s, chunk = cfg.sample, CHUNK[device.type]

    def labels(count: int) -> Tensor:
        return torch.arange(count, device=device) % data.classes

    def noise(count: int, shape: tuple[int, ...]) -> Tensor:
        return torch.randn((count, *shape), device=device)

    if isinstance(s, DiffusionSampling):
        predict = model.classifier_free_guidance(s.guidance)
        conditional = model.latent_space is not None and model.latent_space.autoencoder.conditional
        decode = guided_decoder(model.images, s.decoder_guidance, data.classes if conditional else 0)
        t = model.schedule.timesteps

        def predicted(count: int) -> None:
            predict(noise(count, model.shape), torch.full((count,), t, device=device), labels(count))

        once = an_image(predicted, chunk, device)
        decoded = an_image(lambda count: decode(noise(count, model.shape), labels(count)), chunk, device)
        bound = min(s.bound_images, data.test) * min(s.bound_timesteps, t - 1)
        return evaluations(s.sampler, s.steps) * once + decoded, bound * once
    if isinstance(s, FlowSampling):

        def velocity(count: int) -> None:
            t = torch.ones(count, device=device)
            model.classifier_free_guidance(s.guidance, labels(count))(noise(count, model.shape), t, t)

        return evaluations(s.sampler, s.steps) * an_image(velocity, chunk, device), 0.0
    if isinstance(s, EDMSampling):

        def denoised(count: int) -> None:
            sigma = torch.ones(count, device=device)
            model.classifier_free_guidance(s.guidance, labels(count))(noise(count, model.shape), sigma)

        return evaluations(s.sampler, s.steps) * an_image(denoised, chunk, device), 0.0
    if isinstance(s, AutoencoderSampling):
        classes = data.classes if model.conditional else 0
        decode = guided_decoder(model.draw, s.decoder_guidance, classes)
        drawn = an_image(lambda count: decode(noise(count, model.latent_shape), labels(count)), chunk, device)
        plain = an_image(lambda count: model.draw(noise(count, model.latent_shape), labels(count)), chunk, device)
        bound = min(s.bound_images, data.test) * s.bound_samples if model.settings.variational else 0
        return drawn, _fit(s, model, data, device) + (
            bound + 2 * data.test
        ) * plain  # encoding takes about as long as decoding
    drawn = an_image(lambda count: model.draw(noise(count, model.latent_shape), labels(count)), chunk, device)
    if isinstance(s, GANSampling):  # draws as many images as there are real ones, to tell them apart
        if s.proposals > 1:

            def judged(count: int) -> None:
                model.discriminate(model.draw(noise(count, model.latent_shape), labels(count)), labels(count))

            drawn = s.proposals * an_image(judged, chunk, device)
        return drawn, data.images * drawn + _two_sample(cfg.sampling.c2st_steps, data, device)
    return drawn, 0.0


def _fit(settings: AutoencoderSampling, model: Any, data: DataSet, device: torch.device) -> float:
    """Seconds of choosing and fitting the density of codes, from fewer codes and as many fewer components.

    The cost is in proportion to the number of codes and to that of components.
    """
    classes = data.classes if model.conditional else 1
    count = min(data.train, _FITTED)
    part = min(1.0, _CODES / count)
    rows = max(round(part * count), 10 * classes)
    codes = np.random.default_rng(0).standard_normal((rows, math.prod(model.latent_shape)), np.float32)
    groups = np.arange(rows) % classes
    components = max(1, min(round(part * settings.components), rows // (2 * classes)))
    begin = now(device)
    densities.choose(codes, groups, components, 0)
    return (now(device) - begin) / part**2


def _two_sample(steps: int, data: DataSet, device: torch.device) -> float:
    """Seconds of training the networks of the two-sample classifier."""
    batch = synthetic_batch(data, 64, device)
    images = two_sample.Labelled(batch.images, batch.labels)
    begin = now(device)
    two_sample.train(images, images, data.classes, steps=_TESTED, seed=0)
    return (now(device) - begin) / _TESTED * steps
