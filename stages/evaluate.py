"""evaluate: scores of a run's samples, each with its N, split, features and floor; class histogram of the samples."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from thirtytwo import config
from thirtytwo.checkpoint import CheckpointError, write_atomically
from thirtytwo.device import set_up
from thirtytwo.evaluate import fid
from thirtytwo.evaluate.checks import EvaluationError, read_arrays
from thirtytwo.evaluate.classifier_metrics import class_counts
from thirtytwo.evaluate.features import extract, file_sha256, load_classifier
from thirtytwo.evaluate.scores import Scored, Scores, classifier_scores, join_floor

ROOT = Path(__file__).resolve().parents[1]
REAL = ("features", "probabilities", "labels", "classes", "split", "features_sha256", "resampler")


def main(name: str) -> None:
    """Writes metrics/<run>.json and plots/classes/<run>.csv."""
    settings = config.read("evaluate", name, ROOT)
    device = set_up(settings.compute)
    path = ROOT / "data" / "samples" / f"{name}.npz"
    images, labels = read_arrays(path, ("images", "labels"))
    if len(images) < settings.samples:
        raise EvaluationError(
            f"{path}: {len(images)} images, evaluation.samples asks for {settings.samples}; raise sampling.images"
        )
    images, labels = images[: settings.samples], labels[: settings.samples]
    scores, counts = by_classifier(images, labels, settings, device, path)
    if settings.fid:
        scores |= by_inception(images, settings, device, path)
    histogram = counts.assign(share=(counts["count"] / counts["count"].sum()).round(6))
    write_atomically(ROOT / "metrics" / f"{name}.json", f"{json.dumps(scores, indent=1)}\n".encode())
    write_atomically(ROOT / "plots" / "classes" / f"{name}.csv", histogram.to_csv(index=False).encode())
    print(
        f"{name}: fd_classifier {scores['fd_classifier']:.4g} at N={scores['n']} "
        f"(floor {scores['fd_classifier_floor']:.4g} at N={scores['fd_classifier_floor_n']}), "
        f"{scores['modes_covered']} of {scores['classes']} classes"
    )


def by_classifier(
    images: np.ndarray, labels: np.ndarray, settings: config.EvaluateConfig, device: torch.device, path: Path
) -> tuple[Scores, pd.DataFrame]:
    """Scores from the data set's classifier, beside their floor, and the class histogram of the samples."""
    weights = ROOT / "data" / "classifiers" / f"{settings.dataset}.pt"
    cached = ROOT / "data" / "features" / f"{settings.dataset}.npz"
    *real, classes, split, sha256, resampler = read_arrays(cached, REAL)
    if (found := file_sha256(weights)) != str(sha256):
        raise EvaluationError(
            f"{cached}: features of another classifier ({sha256}) than {weights} ({found}); run floor"
        )
    keep = split == {"train": 0, "test": 1}[settings.reference_split]
    samples = Scored(*extract(images, load_classifier(weights, device), str(path)), labels)
    scores = classifier_scores(
        samples,
        Scored(*(array[keep] for array in real)),
        mode_share=settings.mode_share,
        resamples=settings.bootstrap_resamples,
        seed=settings.seed,
    )
    scores |= {"reference_split": settings.reference_split, "resampler": str(resampler), "features_sha256": str(sha256)}
    floor = json.loads((ROOT / "metrics" / "floor" / f"{settings.dataset}.json").read_text(encoding="utf-8"))
    counts = class_counts(samples.probabilities.argmax(axis=1), len(classes))
    return join_floor(scores, floor, "fd_classifier"), pd.DataFrame({"class": classes, "count": counts})


def by_inception(images: np.ndarray, settings: config.EvaluateConfig, device: torch.device, path: Path) -> Scores:
    """FID by clean-fid's network against the statistics that fid_stats made, beside its floor."""
    folder = ROOT / "data" / "fid_stats" / settings.dataset
    status = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    weights = fid.find_weights(ROOT / "data" / "downloads")
    features = fid.cached_features(images, weights, device, ROOT / "data" / "inception", str(path))
    return fid.scores(features, folder / "statistics.npz", status)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (config.ParamsError, EvaluationError, CheckpointError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")
