"""Inception features exactly as clean-fid computes them, with verified weights and custom statistics.

clean-fid (Parmar et al. 2022) provides the resize and the network's wrapper. This module adds what it lacks: its
weights are checked against their sha256, images are uint8 arrays in the order of the data set, and reference
statistics are written where `fid.compute_fid(..., dataset_name=NAME, mode=MODE, dataset_split="custom")` finds them.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import cleanfid
import numpy as np
import torch
from cleanfid.downloads_helper import inception_url
from cleanfid.inception_torchscript import InceptionV3W
from cleanfid.resize import build_resizer
from torch import Tensor, nn
from tqdm import tqdm

from thirtytwo.core import processes
from thirtytwo.core.arrays import check_features, check_images
from thirtytwo.runtime import files
from thirtytwo.runtime.download import DownloadError, download
from thirtytwo.runtime.errors import EvaluationError

__all__ = [
    "FLAVOURS", "Flavour", "find_weights", "inception", "inception_features", "install_statistics", "statistics_name",
]  # fmt: skip


@dataclass(frozen=True)
class Flavour:
    """One way of resizing images and of computing their Inception features.

    Attributes:
        mode: clean-fid's name of it.
        weights: name of the file of weights.
        sha256: of that file.
        url: address of that file.
    """

    mode: str
    weights: str
    sha256: str
    url: str


# By the name of the score. fid: NVIDIA's file at clean-fid's address, after Pillow's bicubic filter; k-diffusion's
# evaluation has the same sum. fid_legacy: what pytorch-fid and most papers compute, its own weights after PyTorch's
# bilinear resize without antialiasing; torch-fidelity's file has the same sum.
FLAVOURS = {
    "fid": Flavour(
        "clean", "inception-2015-12-05.pt", "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
        inception_url,
    ),
    "fid_legacy": Flavour(
        "legacy_pytorch", "pt_inception-2015-12-05-6726825d.pth",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    ),
}  # fmt: skip
_CHUNK = 50  # images at a time; a constant, because kernels may round differently for other shapes
_TIMEOUT, _PAUSE = 30.0, 1.0  # seconds without progress; the wait before the first repetition


def find_weights(score: str, downloads: Path) -> Path:
    """The verified weights in the mirror folder (THIRTYTWO_MIRROR), else in `downloads`, else downloaded there.

    Raises:
        EvaluationError: they are not found and cannot be downloaded, or a file of that name has another sha256.
    """
    flavour, mirror = FLAVOURS[score], os.environ.get("THIRTYTWO_MIRROR")
    for folder in ([Path(mirror)] if mirror else []) + [downloads]:
        path = folder / flavour.weights
        if path.is_file():
            if (actual := files.sha256(path)) != flavour.sha256:
                raise EvaluationError(f"{path}: sha256 is {actual}, expected {flavour.sha256}; delete it or replace it")
            return path
    path = downloads / flavour.weights
    try:
        with files.replacing(path) as part:
            download(flavour.url, part, size=0, timeout=_TIMEOUT, pause=_PAUSE)
            if (actual := files.sha256(part)) != flavour.sha256:
                raise DownloadError(f"its sha256 is {actual}")
    except (DownloadError, OSError) as error:
        raise EvaluationError(
            f"{flavour.weights} (sha256 {flavour.sha256}) cannot be downloaded from {flavour.url} ({error}); "
            f"save it as {path}, or set evaluation.{score}: false"
        ) from None
    return path


class _Legacy(nn.Module):
    """pytorch-fid's network for images in 0 ... 255, as clean-fid calls it."""

    def __init__(self, weights: Path) -> None:
        from cleanfid import inception_pytorch  # imports torchvision and the compiler of torch, which takes seconds

        super().__init__()

        def load(url: str, progress: bool) -> dict[str, Tensor]:
            return torch.load(weights, weights_only=True)

        # clean-fid would look for the file in torch's folder of downloads and load it as a pickle.
        with mock.patch.object(inception_pytorch, "load_state_dict_from_url", load):
            self.network = inception_pytorch.InceptionV3(output_blocks=[3], resize_input=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x / 255)[0].flatten(1)


def inception(score: str, weights: Path, device: torch.device) -> nn.Module:
    """clean-fid's network for `score` with the weights in `weights`, a file that has the flavour's name."""
    network = InceptionV3W(str(weights.parent), download=False) if score == "fid" else _Legacy(weights)
    return network.to(device).eval()


@torch.inference_mode()
def inception_features(
    score: str, images: np.ndarray, network: nn.Module, device: torch.device, where: str
) -> np.ndarray:
    """Inception features [N, 2048] float32 of [N, 32, 32, C] uint8; one channel is repeated three times.

    Each image is resized to 299x299 in float32 by clean-fid's function for the score's mode.

    Raises:
        EvaluationError: images of another type or shape, or fewer than 2.
    """
    check_images(images, where)
    resize, features = build_resizer(FLAVOURS[score].mode), []
    starts, title = processes.share(range(0, len(images), _CHUNK)), f"Inception features of {where} for {score}"
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


def statistics_name(dataset: str, split: str, images: np.ndarray) -> str:
    """The name under which clean-fid finds the statistics of these images."""
    return f"thirtytwo_{dataset}_{split}_{hashlib.sha256(images.tobytes()).hexdigest()[:8]}".lower()


def install_statistics(score: str, name: str, statistics: Path) -> Path:
    """Copy a file with `mu` and `sigma` into clean-fid's folder, as its custom statistics `name` in the score's mode.

    Raises:
        EvaluationError: the folder of the installed package cannot be written.
    """
    path = Path(cleanfid.__file__).parent / "stats" / f"{name}_{FLAVOURS[score].mode}_custom_na.npz".lower()
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
