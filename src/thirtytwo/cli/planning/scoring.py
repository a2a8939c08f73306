"""The speed of the stage `evaluate`: extraction of features, and scores of synthetic ones."""

import math

import numpy as np
import torch

from thirtytwo.cli.planning.estimate import DataSet
from thirtytwo.cli.planning.needs import Needs
from thirtytwo.cli.planning.synthetic import now, synthetic_images
from thirtytwo.evaluate.real import Scored, Seen, measure_real
from thirtytwo.evaluate.scores import classifier_scores, second_scores
from thirtytwo.features.extraction import extract
from thirtytwo.nets.classifier import Classifier
from thirtytwo.nets.mixer import Mixer
from thirtytwo.runtime.project import Project
from thirtytwo.settings import configs
from thirtytwo.settings.evaluation import EvaluateConfig
from thirtytwo.settings.report import ReportConfig

__all__ = ["scoring"]

_EXTRACTED = 250  # images
_SCORED, _REFERENCE, _RESAMPLES, _CLASSES = 400, 1200, 20, 20  # at most, of the synthetic features


def scoring(needs: Needs, project: Project, device: torch.device) -> tuple[float, float]:
    """Seconds of the features of an image by both classifiers, and of the scores of one training's images."""
    cfg, data = configs.read(EvaluateConfig, "evaluate", needs.run, project), needs.data
    report = configs.read(ReportConfig, "report", "report", project)
    widths = report.classifiers[report.datasets[cfg.dataset].classifier]
    first = Classifier(data.channels, data.classes, widths.width)
    second = Mixer(data.channels, data.classes, widths.second.width)
    pixels = synthetic_images(data, _EXTRACTED).only("train").images
    extracted = 0.0
    for judge in (first, second):
        judge = judge.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        extract(pixels[:2], judge)
        begin = now(device)
        extract(pixels, judge)
        extracted += (now(device) - begin) / len(pixels)
    sizes = min(cfg.samples, _SCORED), min(data.images, _REFERENCE)
    once, twice = (
        _scores(sizes, 4 * widths.width, widths.second.width, data, n, device) for n in (_RESAMPLES, 2 * _RESAMPLES)
    )
    resample = max(0.0, twice - once) / _RESAMPLES
    pairs = cfg.samples * data.images / math.prod(sizes)  # distances between samples and real images
    rest = max(0.0, once - _RESAMPLES * resample)
    return extracted, pairs * rest + cfg.samples / sizes[0] * cfg.bootstrap_resamples * resample


def _scores(
    sizes: tuple[int, int], width: int, second_width: int, data: DataSet, resamples: int, device: torch.device
) -> float:
    """Seconds of scoring samples against real images, both of them synthetic features, by both classifiers."""
    rng, classes = np.random.default_rng(0), min(_CLASSES, max(2, data.classes))
    drawn, count = sizes

    def scored(rows: int, dimensions: int) -> Scored:
        probabilities = rng.dirichlet(np.ones(classes), rows).astype(np.float32)
        labels = np.arange(rows) % classes
        return Scored(rng.standard_normal((rows, dimensions), np.float32), probabilities, labels)

    split = (np.arange(count) * 5 // count == 4).astype(np.uint8)  # a fifth is held out
    seen, samples = ([scored(rows, dimensions) for dimensions in (width, second_width)] for rows in (count, drawn))
    names, places = tuple(map(str, range(classes))), np.arange(classes)
    real = measure_real(
        seen[0].features, seen[0].probabilities, seen[0].labels, split, reference_split="train", classes=names,
        class_places=places, features_sha256="", resampler="",
    )  # fmt: skip
    begin = now(device)
    classifier_scores(samples[0], real, mode_share=0.1, resamples=resamples, seed=0)
    second_scores(samples[1], Seen(seen[1], split, "train", ""), resamples=resamples, seed=0)
    return now(device) - begin
