"""fid_stats: statistics of the reference images for FID, also installed for clean-fid, and in a space of the user's."""

from thirtytwo.runtime.watchdog import end_with_dvc

end_with_dvc()

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
from thirtytwo.features.spaces import Space, spaces
from thirtytwo.runtime.files import sha256, write_arrays, write_json
from thirtytwo.runtime.project import Project
from thirtytwo.runtime.stage import run_stage
from thirtytwo.settings import configs
from thirtytwo.settings.evaluation import FidStatsConfig


def main(project: Project, dataset: str) -> None:
    """Write data/fid_stats/<set>/spaces.json, the names of the scores that the settings ask for, and for each
    <score>.json and <score>.npz.
    """
    settings = configs.read(FidStatsConfig, "fid_stats", dataset, project)
    shutil.rmtree(project.fid_stats(dataset), ignore_errors=True)
    wanted = spaces(settings, project, set_up(settings.compute))
    for space in wanted:
        write_json(project.fid_stats(dataset) / f"{space.score}.json", measure(space, project, settings), sealed=True)
    names = [space.score for space in wanted]
    write_json(project.fid_stats(dataset) / "spaces.json", {"scores": names}, sealed=True)
    print(f"{dataset}: statistics for {', '.join(names) or 'no score; FID is off'}")


def measure(space: Space, project: Project, settings: FidStatsConfig) -> dict[str, Any]:
    """Write the statistics and install those of FID; return their description, with the floor."""
    data, name, score = load(project.prepared(settings.dataset)), settings.dataset, space.score
    places = np.flatnonzero(inside(data.split, settings.reference_split))

    def extract(images: np.ndarray) -> np.ndarray:
        return space.features(images, f"real images of {name}")

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
    if score in inception.FLAVOURS:
        inception.install_statistics(score, stats_name, path)
    about = {"stats_name": stats_name, "mode": space.mode, "n": len(features)}
    about |= {"sha256": sha256(path), "weights_sha256": space.weights_sha256}
    kernels = {
        "kernel_mean": kid.mean_among(features),
        "kernel_mean_within": kid.mean_among(features, data.labels[places]),
    }
    return {**about, "floors": Floors(*floors), **kernels}


if __name__ == "__main__":
    run_stage(main)
