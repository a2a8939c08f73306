"""Feature spaces beside the data set's classifiers: Inception's in two flavours, and one of the user's own.

Features are kept in a folder under the sha256 of the images and of what computes the features.
"""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from thirtytwo.core import processes
from thirtytwo.core.arrays import check_features, check_images, read_arrays
from thirtytwo.features import inception
from thirtytwo.features.networks import load_network
from thirtytwo.runtime import files
from thirtytwo.runtime.errors import EvaluationError
from thirtytwo.runtime.project import Project
from thirtytwo.settings.evaluation import FeatureSpace

__all__ = ["Space", "cached", "network_features", "reference", "spaces"]

_CHUNK = 50  # images at a time; a constant, because kernels may round differently for other shapes
# Mean and standard deviation that networks expect of values in [0, 1]: those of ImageNet (torchvision) and of CLIP's data.
_EXPECTED = {
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "symmetric": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}


class Wanted(Protocol):
    """The settings that say which spaces to score in."""

    fid: bool
    fid_legacy: bool
    features: FeatureSpace | None


@dataclass(frozen=True)
class Space:
    """A feature space.

    Attributes:
        score: name of the Fréchet distance in it: "fid", "fid_legacy" or "fd_<name>".
        mode: how images are resized and normalised.
        weights_sha256: of the network's file.
        features: [N, D] float32 of images [N, 32, 32, C] uint8 and of their name in messages.
    """

    score: str
    mode: str
    weights_sha256: str
    features: Callable[[np.ndarray, str], np.ndarray]


@dataclass(frozen=True)
class _Status:
    """Content of data/fid_stats/<set>/<score>.json where the score is measured."""

    stats_name: str
    mode: str
    n: int
    sha256: str
    weights_sha256: str
    floors: dict[str, Any]
    kernel_mean: float
    kernel_mean_within: float


def spaces(settings: Wanted, project: Project, device: torch.device) -> list[Space]:
    """The spaces that the settings ask for.

    Raises:
        EvaluationError: a network's file is missing, or has another sha256 than expected.
    """
    scores = [score for score, wanted in (("fid", settings.fid), ("fid_legacy", settings.fid_legacy)) if wanted]
    found = [_inception(score, project, device) for score in scores]
    return found + ([_own(settings.features, project, device)] if settings.features else [])


def _inception(score: str, project: Project, device: torch.device) -> Space:
    weights = inception.find_weights(score, project.downloads)

    def compute(images: np.ndarray, where: str) -> np.ndarray:
        return inception.inception_features(score, images, inception.inception(score, weights, device), device, where)

    mode, sha256 = inception.FLAVOURS[score].mode, files.sha256(weights)
    return Space(score, mode, sha256, lambda images, where: cached(images, sha256, compute, project.inception, where))


def _own(space: FeatureSpace, project: Project, device: torch.device) -> Space:
    path = project.root / Path(space.file).expanduser()
    if not path.is_file():
        raise EvaluationError(f"evaluation.features.file: {path}: no such file; correct the path")
    if (actual := files.sha256(path)) != space.sha256:
        raise EvaluationError(
            f"{path}: sha256 is {actual}, expected {space.sha256}; correct evaluation.features.sha256 if the file is right"
        )
    mode = f"{space.resize}x{space.resize}, {space.normalise}"

    def compute(images: np.ndarray, where: str) -> np.ndarray:
        network = load_network(path, device)
        return network_features(images, network, space, device, where)

    key = f"{space.sha256} {mode}"
    return Space(
        f"fd_{space.name}",
        mode,
        space.sha256,
        lambda images, where: cached(images, key, compute, project.inception, where),
    )


@torch.inference_mode()
def network_features(
    images: np.ndarray, network: Callable[[Tensor], Any] | nn.Module, space: FeatureSpace, device: torch.device,
    where: str,
) -> np.ndarray:  # fmt: skip
    """Features [N, D] float32 of [N, 32, 32, C] uint8 by a user's network; one channel is repeated three times.

    Images are resized by PyTorch's bicubic filter with antialiasing and normalised as the settings say.

    Raises:
        EvaluationError: the network fails, or returns something other than one row of finite numbers an image.
    """
    check_images(images, where)
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in _EXPECTED[space.normalise])
    rows = []
    starts, title = processes.share(range(0, len(images), _CHUNK)), f"{space.name} features of {where}"
    for start in tqdm(starts, desc=title, unit="chunk", mininterval=1.0, disable=not processes.first()):
        chunk = torch.from_numpy(images[start : start + _CHUNK]).to(device).permute(0, 3, 1, 2).float() / 255
        count = len(chunk)
        chunk = F.pad(chunk, (0, 0, 0, 0, 0, 0, 0, _CHUNK - count)).expand(-1, 3, -1, -1)
        size = (space.resize, space.resize)
        resized = F.interpolate(chunk, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
        try:
            output = network((resized - mean) / std)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise EvaluationError(
                f"{space.file}: the network fails on images of {size[0]}x{size[1]} ({reason})"
            ) from None
        if not isinstance(output, Tensor) or output.ndim != 2 or len(output) != _CHUNK:
            shape = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise EvaluationError(f"{space.file}: the network returns {shape}; expected a tensor [{_CHUNK}, D]")
        rows.append(output[:count].float().cpu().numpy())
    joined = np.concatenate(processes.gather(rows))
    check_features(joined, where)
    return joined


def cached(
    images: np.ndarray, key: str, compute: Callable[[np.ndarray, str], np.ndarray], folder: Path, where: str
) -> np.ndarray:
    """`compute(images, where)`, kept in `folder` under the sha256 of the images and of `key`.

    An entry that is damaged is computed again.

    Raises:
        EvaluationError: images of another type or shape, or as `compute`.
    """
    check_images(images, where)
    digest = hashlib.sha256(images.tobytes() + str(images.shape).encode() + key.encode()).hexdigest()
    path = folder / f"{digest}.npy"
    checksum = path.with_suffix(".sha256")
    if path.is_file() and checksum.is_file():
        if files.sha256(path) == checksum.read_text():
            return np.load(path, allow_pickle=False)
        print(f"warning: {path}: damaged, computing it again")
    features = compute(images, where)
    if not processes.first():
        return features
    buffer = io.BytesIO()
    np.save(buffer, features)
    files.write(path, buffer.getvalue())
    files.write(checksum, hashlib.sha256(buffer.getvalue()).hexdigest().encode())
    return features


def reference(
    space: Space, project: Project, dataset: str, images: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    """What the scores in `space` against the reference `images` of a data set need.

    Returns:
        features of the reference; their mean and covariance from the stage fid_stats; the values of its <score>.json.

    Raises:
        FileError: what the stage fid_stats wrote is missing or damaged.
        EvaluationError: the statistics have another sha256 than in <score>.json.
    """
    folder = project.fid_stats(dataset)
    path, status = folder / f"{space.score}.npz", files.read_json(folder / f"{space.score}.json", _Status)
    if (actual := files.sha256(path)) != status.sha256:
        raise EvaluationError(f"{path}: sha256 is {actual}, expected {status.sha256}; run fid_stats again")
    ours = space.features(images, f"real images of {dataset}")
    dimensions = ours.shape[1]
    statistics = read_arrays(path, {"mu": f"float64 {dimensions}", "sigma": f"float64 {dimensions} {dimensions}"})
    return ours, statistics["mu"], statistics["sigma"], vars(status)
