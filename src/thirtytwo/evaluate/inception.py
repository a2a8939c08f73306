"""FID with Inception features exactly as clean-fid computes them, with verified weights and our own statistics.

clean-fid (Parmar et al. 2022) gives the resize and the network's wrapper. What it leaves open is done here: its
weights are checked against their sha256, images are uint8 arrays in the order of the data set, and reference
statistics are put where `fid.compute_fid(..., dataset_name=NAME, mode="clean", dataset_split="custom")` finds them.
"""

import hashlib
import io
import os
import shutil
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

from thirtytwo.evaluate import frechet, kid
from thirtytwo.evaluate.intervals import named
from thirtytwo.features.checks import check_features, check_images, read_arrays
from thirtytwo.features.extraction import file_sha256
from thirtytwo.runtime import files
from thirtytwo.runtime.errors import EvaluationError

__all__ = [
    "WEIGHTS_NAME", "WEIGHTS_SHA256", "cached_features", "find_weights", "inception", "inception_features",
    "install_statistics", "kid_scores", "scores", "statistics_name",
]  # fmt: skip

WEIGHTS_NAME = "inception-2015-12-05.pt"
# Of NVIDIA's file at clean-fid's address; the same sum stands in k-diffusion's evaluation.
WEIGHTS_SHA256 = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"
_CHUNK = 50  # images at a time; a constant, because kernels may round differently for other shapes


def find_weights(downloads: Path, sha256: str = WEIGHTS_SHA256, url: str = inception_url) -> Path:
    """The verified weights in the mirror folder (THIRTYTWO_MIRROR), else in `downloads`, else downloaded there.

    Raises:
        EvaluationError: they are nowhere, or a file of that name is not the right one.
    """
    mirror = os.environ.get("THIRTYTWO_MIRROR")
    for folder in ([Path(mirror)] if mirror else []) + [downloads]:
        path = folder / WEIGHTS_NAME
        if path.is_file():
            if (found := file_sha256(path)) != sha256:
                raise EvaluationError(
                    f"{path}: sha256 is {found}, expected {sha256}; remove it or put the right file there"
                )
            return path
    path = downloads / WEIGHTS_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(path), hash_prefix=sha256)
    except (URLError, OSError, RuntimeError) as error:
        reason = str(getattr(error, "reason", error)).splitlines()[0]
        raise EvaluationError(
            f"{WEIGHTS_NAME} (sha256 {sha256}) cannot be had from {url} ({reason}); "
            f"put it at {path}, or set evaluation.fid: false"
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
    for start in tqdm(
        range(0, len(images), _CHUNK), desc=f"Inception features of {where}", unit="chunk", mininterval=1.0
    ):
        chunk = images[start : start + _CHUNK]
        colour = np.repeat(chunk, 3, axis=3) if chunk.shape[3] == 1 else chunk
        resized = np.stack([resize(image) for image in colour])
        padded = np.concatenate([resized, np.repeat(resized[-1:], _CHUNK - len(resized), axis=0)])
        batch = torch.from_numpy(padded).permute(0, 3, 1, 2).to(device)
        features.append(network(batch)[: len(chunk)].float().cpu().numpy())
    joined = np.concatenate(features)
    check_features(joined, where)
    return joined


def cached_features(images: np.ndarray, weights: Path, device: torch.device, folder: Path, where: str) -> np.ndarray:
    """`inception_features`, kept in `folder` under the sha256 of images and weights; a damaged entry is made again.

    Raises:
        EvaluationError: as `inception_features`.
    """
    check_images(images, where)
    key = hashlib.sha256(images.tobytes() + str(images.shape).encode() + file_sha256(weights).encode()).hexdigest()
    path = folder / f"{key}.npy"
    checksum = path.with_suffix(".sha256")
    if path.is_file() and checksum.is_file():
        if file_sha256(path) == checksum.read_text():
            return np.load(path)
        print(f"warning: {path}: damaged, computing it again")
    features = inception_features(images, inception(weights, device), device, where)
    buffer = io.BytesIO()
    np.save(buffer, features)
    files.write(path, buffer.getvalue())
    files.write(checksum, hashlib.sha256(buffer.getvalue()).hexdigest().encode())
    return features


def statistics_name(dataset: str, split: str, images: np.ndarray) -> str:
    """The name under which clean-fid finds the statistics of these very images."""
    return f"thirtytwo_{dataset}_{split}_{hashlib.sha256(images.tobytes()).hexdigest()[:8]}".lower()


def install_statistics(name: str, statistics: Path) -> Path:
    """Copies a file with `mu` and `sigma` into clean-fid's folder, as its custom statistics `name`.

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


def scores(features: np.ndarray, statistics: Path, status: dict[str, Any]) -> dict[str, float | int | str | bool]:
    """FID of Inception features [N, 2048] against the statistics in a file, beside the floor that `status` holds.

    The interval is 95 % by the delta method: a bootstrap in 2048 dimensions would take minutes.

    Raises:
        EvaluationError: the statistics are missing, or not the ones that `status` speaks of.
    """
    if (found := file_sha256(statistics)) != status["sha256"]:
        raise EvaluationError(f"{statistics}: sha256 is {found}, expected {status['sha256']}; run fid_stats again")
    mu, sigma = read_arrays(statistics, ("mu", "sigma"))
    floor = {key: status[key] for key in status if key.startswith("fid_")}
    value, error = frechet.distance_to(features, mu, sigma), frechet.standard_error(features, mu, sigma)
    return {
        "fid": value,
        "fid_low": value - 1.96 * error,
        "fid_high": value + 1.96 * error,
        "fid_n": len(features),
        "fid_reference_n": status["n"],
        "fid_statistics": status["stats_name"],
        "fid_resizer": "clean",
        "fid_features_sha256": status["weights_sha256"],
        **floor,
        "fid_floor_same_n": status["fid_floor_n"] == len(features),
    }


def kid_scores(features: np.ndarray, reference: np.ndarray, status: dict[str, Any]) -> dict[str, float]:
    """KID of Inception features [N, 2048] against those of the reference [M, 2048], beside the floor in `status`.

    Raises:
        EvaluationError: as `kid.means_to`.
    """
    values = kid.kid(kid.means_among(features), kid.means_to(features, reference), status["kernel_mean"])
    floor = {key: status[key] for key in status if key.startswith("kid_")}
    return named("kid", values) | floor
