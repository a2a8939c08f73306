"""Features and class probabilities of images by the data set's classifier."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from thirtytwo.checkpoint import load_weights
from thirtytwo.data.batches import to_float
from thirtytwo.evaluate.checks import EvaluationError, check_features, check_images
from thirtytwo.nets.classifier import Classifier

__all__ = ["CHUNK", "extract", "file_sha256", "load_classifier"]

CHUNK = 250  # images at a time; a constant, because kernels may round differently for other shapes


def load_classifier(path: Path, device: torch.device) -> Classifier:
    """The classifier in `path`, in eval mode.

    Raises:
        CheckpointError: missing, truncated or not plain weights.
        EvaluationError: weights of something else.
    """
    state = load_weights(path, device)
    try:
        model = Classifier(state["channels"], state["classes"], state["width"])
        model.load_state_dict(state["state_dict"])
    except (KeyError, TypeError, RuntimeError):
        raise EvaluationError(
            f"{path}: not a classifier of this version; train it again (`dvc repro classifier`)"
        ) from None
    return model.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


@torch.inference_mode()
def extract(images: np.ndarray, classifier: Classifier, where: str = "images") -> tuple[np.ndarray, np.ndarray]:
    """Penultimate activations [N, D] float32 and class probabilities [N, K] float32 of [N, 32, 32, C] uint8.

    The last chunk is padded with its last image, so that every forward pass has the same shape.

    Raises:
        EvaluationError: images of another type, shape or number of channels, fewer than 2, or NaN activations.
    """
    check_images(images, where, classifier.channels)
    device = next(classifier.parameters()).device
    features, probabilities = [], []
    for start in tqdm(range(0, len(images), CHUNK), desc="features", unit="chunk", delay=2):
        chunk = images[start : start + CHUNK]
        missing = CHUNK - len(chunk)
        if missing:
            chunk = np.concatenate([chunk, np.repeat(chunk[-1:], missing, axis=0)])
        activations = classifier.features(to_float(torch.from_numpy(chunk).to(device)))
        features.append(activations.cpu().numpy())
        probabilities.append(classifier.head(activations).softmax(dim=1).cpu().numpy())
    joined = np.concatenate(features)[: len(images)]
    check_features(joined, where)
    return joined, np.concatenate(probabilities)[: len(images)]


def file_sha256(path: Path) -> str:
    """Hexadecimal sha256 of the file's bytes.

    Raises:
        EvaluationError: there is no such file.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise EvaluationError(f"{path}: no such file; run the stage that makes it (`dvc repro`)") from None
