"""Features and class probabilities of images by the data set's classifiers."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from thirtytwo.core import processes
from thirtytwo.core.arrays import check_features, check_images
from thirtytwo.core.weights import load_weights
from thirtytwo.data.batches import to_float
from thirtytwo.nets.classifier import Classifier
from thirtytwo.runtime.errors import EvaluationError
from thirtytwo.runtime.project import remedy

__all__ = ["CHUNK", "extract", "extract_floats", "load_classifier"]

Net = TypeVar("Net", bound=nn.Module)

CHUNK = 250  # images at a time; a constant, because kernels may round differently for other shapes


class Judge(Protocol):
    """What extraction needs of a network: see `nets.classifier`."""

    channels: int
    head: nn.Linear

    def features(self, x: Tensor) -> Tensor: ...

    def parameters(self) -> Iterator[nn.Parameter]: ...


def load_classifier(network: Callable[[int, int, int], Net], path: Path, device: torch.device) -> tuple[Net, list[str]]:
    """The classifier in `path`, in eval mode, and the names of its classes.

    Args:
        network: class of the network, see `features.training.train`.

    Raises:
        CheckpointError: missing, truncated or not plain weights.
        EvaluationError: weights of another network.
    """
    state = load_weights(path, device)
    try:
        names = list(state["classes"])
        model = network(state["channels"], len(names), state["width"])
        model.load_state_dict(state["state_dict"])
    except (KeyError, TypeError, AttributeError, RuntimeError, ValueError):
        raise EvaluationError(f"{path}: not a classifier of this version; {remedy(path)}") from None
    model = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.eval(), names


def extract(images: np.ndarray, classifier: Judge, where: str = "images") -> tuple[np.ndarray, np.ndarray]:
    """Penultimate activations [N, D] float32 and class probabilities [N, K] float32 of [N, 32, 32, C] uint8.

    Raises:
        EvaluationError: images of another type, shape or number of channels, fewer than 2, or NaN activations.
    """
    check_images(images, where, classifier.channels)
    return _extract(images, classifier, where)


def extract_floats(images: np.ndarray, classifier: Classifier, where: str) -> np.ndarray:
    """Activations [N, D] float64 of images [N, 32, 32, C] float32 in [-1, 1].

    For differences of images that lie so close together that uint8, and sums in float32, would round them away.

    Raises:
        EvaluationError: images of another type or shape, or NaN activations.
    """
    if images.dtype != np.float32 or images.ndim != 4 or images.shape[1:] != (32, 32, classifier.channels):
        raise EvaluationError(
            f"{where}: expected float32 images [N, 32, 32, {classifier.channels}], got {images.dtype} {images.shape}"
        )
    return _extract(images, deepcopy(classifier).cpu().double(), where)[0]  # not all devices have float64


@torch.inference_mode()
def _extract(images: np.ndarray, classifier: Judge, where: str) -> tuple[np.ndarray, np.ndarray]:
    """The last chunk is padded with its last image, so that every forward pass has the same shape.

    Several processes compute different chunks, and each returns all features.
    """
    weight, parts = next(classifier.parameters()), []
    starts = processes.share(range(0, len(images), CHUNK))
    for start in tqdm(starts, desc="features", unit="chunk", delay=2, disable=not processes.first()):
        chunk = images[start : start + CHUNK]
        missing = CHUNK - len(chunk)
        if missing:
            chunk = np.concatenate([chunk, np.repeat(chunk[-1:], missing, axis=0)])
        batch = torch.from_numpy(chunk).to(weight.device)
        activations = classifier.features(
            to_float(batch) if chunk.dtype == np.uint8 else batch.permute(0, 3, 1, 2).to(weight)
        )
        parts.append((activations.cpu().numpy(), classifier.head(activations).softmax(dim=1).cpu().numpy()))
    features, probabilities = (
        np.concatenate(part)[: len(images)] for part in zip(*processes.gather(parts), strict=True)
    )
    check_features(features, where)
    return features, probabilities
