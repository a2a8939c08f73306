"""fid_stats: Inception statistics of the reference images, also installed for clean-fid under a name of this project."""

import shutil
from typing import Any

import numpy as np

from thirtytwo.core.device import set_up
from thirtytwo.core.splits import inside
from thirtytwo.data.batches import load
from thirtytwo.evaluate import frechet, kid
from thirtytwo.evaluate.fid import inception_floor
from thirtytwo.evaluate.floor import real_pair
from thirtytwo.evaluate.scorecard import Floors
from thirtytwo.features import inception
from thirtytwo.runtime.files import sha256, write_arrays, write_json
from thirtytwo.runtime.project import Project
from thirtytwo.runtime.stage import run_stage
from thirtytwo.settings import configs
from thirtytwo.settings.evaluation import FidStatsConfig


def main(project: Project, dataset: str) -> None:
    """Write data/fid_stats/<set>/<score>.json for `fid` and `fid_legacy` and, where it is on, <score>.npz beside it."""
    settings = configs.read(FidStatsConfig, "fid_stats", dataset, project)
    shutil.rmtree(project.fid_stats(dataset), ignore_errors=True)
    for score, wanted in (("fid", settings.fid), ("fid_legacy", settings.fid_legacy)):
        status = measure(score, project, settings) if wanted else {"status": "off"}
        write_json(project.fid_stats(dataset) / f"{score}.json", status, sealed=True)
        print(f"{dataset}: {score} {status['status']}")


def measure(score: str, project: Project, settings: FidStatsConfig) -> dict[str, Any]:
    """Write and install the statistics; return their description, with the floor of FID."""
    data, name = load(project.prepared(settings.dataset)), settings.dataset
    device, weights = set_up(settings.compute), inception.find_weights(score, project.downloads)
    places = np.flatnonzero(inside(data.split, settings.reference_split))

    def extract(images: np.ndarray) -> np.ndarray:
        where = f"real images of {name}"
        return inception.cached_features(score, images, weights, device, project.inception, where)

    features = extract(data.images[places])
    floors = []
    for labels in (None, data.labels):
        pair = real_pair(data.split, settings.reference_split, settings.samples, settings.seed, strata=labels)
        others = features[np.searchsorted(places, pair.reference)]
        within = np.isin(pair.samples, places).all()
        drawn = features[np.searchsorted(places, pair.samples)] if within else extract(data.images[pair.samples])
        strata = None if labels is None else (labels[pair.samples], labels[pair.reference])
        floors.append(inception_floor(score, drawn, others, pair.name, strata))
    mu, sigma = frechet.statistics(features)
    path = project.fid_stats(name) / f"{score}.npz"
    write_arrays(path, {"mu": mu, "sigma": sigma}, compressed=False)
    stats_name = inception.statistics_name(name, settings.reference_split, data.images[places])
    inception.install_statistics(score, stats_name, path)
    about = {"stats_name": stats_name, "mode": inception.FLAVOURS[score].mode, "n": len(features)}
    about |= {"sha256": sha256(path), "weights_sha256": sha256(weights)}
    kernels = {
        "kernel_mean": kid.mean_among(features),
        "kernel_mean_within": kid.mean_among(features, data.labels[places]),
    }
    return {"status": "on", **about, "floors": Floors(*floors), **kernels}


if __name__ == "__main__":
    run_stage(main)
