"""floor: classifier features of all real images, the scores of real against real images, and what N does to them."""

import io
import json
import sys
from pathlib import Path

import numpy as np

from thirtytwo.core.device import set_up
from thirtytwo.data.batches import load
from thirtytwo.evaluate.classes import class_indices
from thirtytwo.evaluate.kid import mean_among
from thirtytwo.evaluate.ladder import ladder
from thirtytwo.evaluate.memorisation import copy_distance
from thirtytwo.evaluate.scores import Scored, classifier_floor
from thirtytwo.features.extraction import extract, file_sha256, load_classifier
from thirtytwo.runtime import files
from thirtytwo.runtime.errors import CheckpointError, EvaluationError, ParamsError
from thirtytwo.settings import configs
from thirtytwo.settings.evaluation import FloorConfig

ROOT = Path(__file__).resolve().parents[1]


def main(name: str) -> None:
    """Writes data/features/<set>.npz and .pt (the network that made them), metrics/floor/<set>.json, plots/floor/<set>.csv."""
    settings = configs.read(FloorConfig, "floor", name, ROOT)
    device = set_up(settings.compute)
    prepared = ROOT / "data" / "prepared" / f"{name}.npz"
    weights = ROOT / "data" / "classifiers" / f"{settings.classifier}.pt"
    data, sha256 = load(prepared), file_sha256(weights)
    resampler = json.loads(prepared.with_suffix(".json").read_text(encoding="utf-8"))["resample"]
    classifier, names = load_classifier(weights, device)
    places = class_indices(list(data.classes), names)
    features, probabilities = extract(data.images, classifier, name)
    images = Scored(features, probabilities, places[data.labels])
    train, held_out = (features[data.split == code] for code in (0, 1))
    buffer = io.BytesIO()
    np.savez(
        buffer, features=features, probabilities=probabilities, labels=images.labels, split=data.split,
        classes=np.array(names), class_places=places, factors=data.factors, factor_names=np.array(data.factor_names),
        features_sha256=sha256, resampler=resampler, copy_distance=copy_distance(train, held_out),
        kernel_mean=mean_among(features[data.split == {"train": 0, "test": 1}[settings.reference_split]]),
    )  # fmt: skip
    floor = classifier_floor(
        images, data.split, reference_split=settings.reference_split, samples=settings.samples,
        resamples=settings.bootstrap_resamples, seed=settings.seed,
    )  # fmt: skip
    floor |= {"reference_split": settings.reference_split, "resampler": resampler, "features_sha256": sha256}
    by_n = ladder(
        features, data.split, reference_split=settings.reference_split, samples=settings.samples,
        resamples=settings.bootstrap_resamples, seed=settings.seed,
    )  # fmt: skip
    files.write(ROOT / "data" / "features" / f"{name}.npz", buffer.getvalue())
    files.write(ROOT / "data" / "features" / f"{name}.pt", weights.read_bytes())
    files.write(ROOT / "plots" / "floor" / f"{name}.csv", by_n.to_csv(index=False).encode())
    files.write(ROOT / "metrics" / "floor" / f"{name}.json", f"{json.dumps(floor, indent=1)}\n".encode())
    print(f"{name}: floor of fd_classifier {floor['fd_classifier_floor']:.4g} at N={floor['n']}, {floor['split']}")
    if floor["n"] != settings.samples:
        print(f"note: N={floor['n']}, not evaluation.samples={settings.samples}: the data have too few real images")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (ParamsError, EvaluationError, CheckpointError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")
