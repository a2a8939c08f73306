"""fid_stats: Inception statistics of the reference images, installed under our own name for clean-fid as well."""

import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np

from thirtytwo.core.device import set_up
from thirtytwo.data.batches import load
from thirtytwo.evaluate import frechet, inception, kid
from thirtytwo.evaluate.floor import real_pair
from thirtytwo.evaluate.intervals import named
from thirtytwo.features.extraction import file_sha256
from thirtytwo.runtime import files
from thirtytwo.runtime.errors import CheckpointError, EvaluationError, ParamsError
from thirtytwo.settings import configs
from thirtytwo.settings.evaluation import FidStatsConfig

ROOT = Path(__file__).resolve().parents[1]


def main(name: str) -> None:
    """Writes data/fid_stats/<set>/status.json and, with evaluation.fid, statistics.npz beside it."""
    settings = configs.read(FidStatsConfig, "fid_stats", name, ROOT)
    folder = ROOT / "data" / "fid_stats" / name
    shutil.rmtree(folder, ignore_errors=True)
    status = statistics(settings, folder) if settings.fid else {"fid": "off"}
    files.write(folder / "status.json", f"{json.dumps(status, indent=1)}\n".encode())
    print(f"{name}: FID {status['fid']}")


def statistics(settings: FidStatsConfig, folder: Path) -> dict[str, float | int | str]:
    """Writes and installs the statistics; returns what is to be known of them, with the floor of FID."""
    device, weights = set_up(settings.compute), inception.find_weights(ROOT / "data" / "downloads")
    data = load(ROOT / "data" / "prepared" / f"{settings.dataset}.npz")
    reference = np.flatnonzero(data.split == {"train": 0, "test": 1}[settings.reference_split])
    pair = real_pair(data.split, settings.reference_split, settings.samples, settings.seed)
    where, cache = f"real images of {settings.dataset}", ROOT / "data" / "inception"
    features = inception.cached_features(data.images[reference], weights, device, cache, where)
    others = features[np.searchsorted(reference, pair.reference)]
    if np.isin(pair.samples, reference).all():
        samples = features[np.searchsorted(reference, pair.samples)]
    else:
        samples = inception.cached_features(data.images[pair.samples], weights, device, cache, where)
    mu, sigma = frechet.statistics(features)
    floor = frechet.distance_to(samples, *frechet.statistics(others))
    kernels = kid.kid(kid.means_among(samples), kid.means_to(samples, others), kid.mean_among(others))
    buffer, path = io.BytesIO(), folder / "statistics.npz"
    np.savez(buffer, mu=mu, sigma=sigma)
    files.write(path, buffer.getvalue())
    stats_name = inception.statistics_name(settings.dataset, settings.reference_split, data.images[reference])
    inception.install_statistics(stats_name, path)
    return {
        "fid": "on",
        "stats_name": stats_name,
        "n": len(reference),
        "sha256": file_sha256(path),
        "weights_sha256": file_sha256(weights),
        "fid_floor": floor,
        "fid_floor_n": len(pair.samples),
        "fid_floor_reference_n": len(pair.reference),
        "fid_floor_split": pair.name,
        **named("kid_floor", kernels),
        "kernel_mean": kid.mean_among(features),
    }


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (ParamsError, EvaluationError, CheckpointError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")
