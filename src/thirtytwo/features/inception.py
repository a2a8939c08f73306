"""Inception features exactly as clean-fid computes them, with verified weights, a cache and custom statistics.

clean-fid (Parmar et al. 2022) provides the resize and the network's wrapper. This module adds what it lacks: its
weights are checked against their sha256, images are uint8 arrays in the order of the data set, and reference
statistics are written where `fid.compute_fid(..., dataset_name=NAME, mode="clean", dataset_split="custom")` finds them.
"""

import hashlib
import io
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import cleanfid
import numpy as np
import torch
from cleanfid.downloads_helper import inception_url
from cleanfid.inception_torchscript import InceptionV3W
from cleanfid.resize import build_resizer
from torch import nn
from tqdm import tqdm

from thirtytwo.core import processes
from thirtytwo.core.arrays import check_features, check_images, read_arrays
from thirtytwo.runtime import files
from thirtytwo.runtime.errors import EvaluationError
from thirtytwo.runtime.project import Project

__all__ = [
    "WEIGHTS_NAME", "WEIGHTS_SHA256", "cached_features", "find_weights", "inception", "inception_features",
    "install_statistics", "reference", "statistics_name",
]  # fmt: skip

WEIGHTS_NAME = "inception-2015-12-05.pt"
# Of NVIDIA's file at clean-fid's address; k-diffusion's evaluation has the same sum.
WEIGHTS_SHA256 = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"
_CHUNK = 50  # images at a time; a constant, because kernels may round differently for other shapes


@dataclass(frozen=True)
class _Status:
    """Content of data/fid_stats/<set>/status.json where FID is measured."""

    stats_name: str
    n: int
    sha256: str
    weights_sha256: str
    floors: dict[str, Any]
    kernel_mean: float
    kernel_mean_within: float


def find_weights(downloads: Path, sha256: str = WEIGHTS_SHA256, url: str = inception_url) -> Path:
    """The verified weights in the mirror folder (THIRTYTWO_MIRROR), else in `downloads`, else downloaded there.

    Raises:
        EvaluationError: they are not found and cannot be downloaded, or a file of that name has another sha256.
    """
    mirror = os.environ.get("THIRTYTWO_MIRROR")
    for folder in ([Path(mirror)] if mirror else []) + [downloads]:
        path = folder / WEIGHTS_NAME
        if path.is_file():
            if (actual := files.sha256(path)) != sha256:
                raise EvaluationError(f"{path}: sha256 is {actual}, expected {sha256}; delete it or replace it")
            return path
    path = downloads / WEIGHTS_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(path), hash_prefix=sha256)
    except (URLError, OSError, RuntimeError) as error:
        reason = str(getattr(error, "reason", error)).splitlines()[0]
        raise EvaluationError(
            f"{WEIGHTS_NAME} (sha256 {sha256}) cannot be downloaded from {url} ({reason}); "
            f"save it as {path}, or set evaluation.fid: false"
        ) from None
    return path


def inception(weights: Path, device: torch.device) -> nn.Module:
    """clean-fid's network with the weights in `weights`, a file named as NVIDIA named it."""
    return InceptionV3W(str(weights.parent), download=False).to(device).eval()


@torch.inference_mode()
def inception_features(images: np.ndarray, network: nn.Module, device: torch.device, where: str) -> np.ndarray:
    """Inception features [N, 2048] float32 of [N, 32, 32, C] uint8; one channel is repeated three times.

    Each image is resized to 299x299 in float32 by clean-fid's function, which is Pillow's bicubic filter.

    Raises:
        EvaluationError: images of another type or shape, or fewer than 2.
    """
    check_images(images, where)
    resize, features = build_resizer("clean"), []
    starts, title = processes.share(range(0, len(images), _CHUNK)), f"Inception features of {where}"
    for start in tqdm(starts, desc=title, unit="chunk", mininterval=1.0, disable=not processes.first()):
        chunk = images[start : start + _CHUNK]
        colour = np.repeat(chunk, 3, axis=3) if chunk.shape[3] == 1 else chunk
        resized = np.stack([resize(image) for image in colour])
        padded = np.concatenate([resized, np.repeat(resized[-1:], _CHUNK - len(resized), axis=0)])
        batch = torch.from_numpy(padded).permute(0, 3, 1, 2).to(device)
        features.append(network(batch)[: len(chunk)].float().cpu().numpy())
    joined = np.concatenate(processes.gather(features))
    check_features(joined, where)
    return joined


def cached_features(images: np.ndarray, weights: Path, device: torch.device, folder: Path, where: str) -> np.ndarray:
    """`inception_features`, kept in `folder` under the sha256 of images and weights; a damaged entry is computed again.

    Raises:
        EvaluationError: as `inception_features`.
    """
    check_images(images, where)
    key = hashlib.sha256(images.tobytes() + str(images.shape).encode() + files.sha256(weights).encode()).hexdigest()
    path = folder / f"{key}.npy"
    checksum = path.with_suffix(".sha256")
    if path.is_file() and checksum.is_file():
        if files.sha256(path) == checksum.read_text():
            return np.load(path)
        print(f"warning: {path}: damaged, computing it again")
    features = inception_features(images, inception(weights, device), device, where)
    if not processes.first():
        return features
    buffer = io.BytesIO()
    np.save(buffer, features)
    files.write(path, buffer.getvalue())
    files.write(checksum, hashlib.sha256(buffer.getvalue()).hexdigest().encode())
    return features


def statistics_name(dataset: str, split: str, images: np.ndarray) -> str:
    """The name under which clean-fid finds the statistics of these images."""
    return f"thirtytwo_{dataset}_{split}_{hashlib.sha256(images.tobytes()).hexdigest()[:8]}".lower()


def install_statistics(name: str, statistics: Path) -> Path:
    """Copy a file with `mu` and `sigma` into clean-fid's folder, as its custom statistics `name`.

    Raises:
        EvaluationError: the folder of the installed package cannot be written.
    """
    path = Path(cleanfid.__file__).parent / "stats" / f"{name}_clean_custom_na.npz".lower()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(exist_ok=True)
        shutil.copyfile(statistics, temporary)
        temporary.replace(path)
    except OSError as error:
        raise EvaluationError(
            f"{path}: cannot be written ({error.strerror}); give write access or use a .venv"
        ) from None
    return path


def reference(
    project: Project, dataset: str, images: np.ndarray, device: torch.device
) -> tuple[Callable[[np.ndarray, str], np.ndarray], np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    """What FID and KID against the reference `images` of a data set need.

    Returns:
        a function that extracts features [N, 2048] of images, given their name in messages; the features of the
        reference; their mean and covariance from the stage fid_stats; and the values of its status.json.

    Raises:
        FileError: statistics or status.json are missing or damaged.
        EvaluationError: weights are missing, or the statistics have another sha256 than in status.json.
    """
    folder, weights = project.fid_stats(dataset), find_weights(project.downloads)
    path, status = folder / "statistics.npz", files.read_json(folder / "status.json", _Status)
    if (actual := files.sha256(path)) != status.sha256:
        raise EvaluationError(f"{path}: sha256 is {actual}, expected {status.sha256}; run fid_stats again")
    statistics = read_arrays(path, {"mu": "float64 2048", "sigma": "float64 2048 2048"})

    def features(images: np.ndarray, where: str) -> np.ndarray:
        return cached_features(images, weights, device, project.inception, where)

    ours = features(images, f"real images of {dataset}")
    return features, ours, statistics["mu"], statistics["sigma"], vars(status)
