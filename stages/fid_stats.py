"""fid_stats: statistics of the reference images for FID, also installed for clean-fid, and in a space of the user's."""

from thirtytwo.runtime.fork_server import begin_stage

begin_stage()

import shutil
from typing import Any

import numpy as np

from thirtytwo.core.device import set_up
from thirtytwo.data.batches import ImageSet, load
from thirtytwo.evaluate.fid import measure_reference
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
    data = load(project.prepared(dataset))
    shutil.rmtree(project.fid_stats(dataset), ignore_errors=True)
    wanted = spaces(settings, project, set_up(settings.compute))
    for space in wanted:
        write_json(
            project.fid_stats(dataset) / f"{space.score}.json", measure(space, data, project, settings), sealed=True
        )
    names = [space.score for space in wanted]
    write_json(project.fid_stats(dataset) / "spaces.json", {"scores": names}, sealed=True)
    print(f"{dataset}: statistics for {', '.join(names) or 'no score; FID is off'}")


def measure(space: Space, data: ImageSet, project: Project, settings: FidStatsConfig) -> dict[str, Any]:
    """Write the statistics and install those of FID; return their description, with the floors."""
    name, score, split = settings.dataset, space.score, settings.reference_split

    def extract(images: np.ndarray) -> np.ndarray:
        return space.features(images, f"real images of {name}")

    mu, sigma, measured = measure_reference(
        score, extract, data.images, data.labels, data.split, reference_split=split, samples=settings.samples,
        seed=settings.seed,
    )  # fmt: skip
    path, stats_name = (
        project.fid_stats(name) / f"{score}.npz",
        inception.statistics_name(name, split, data.only(split).images),
    )
    write_arrays(path, {"mu": mu, "sigma": sigma}, compressed=False)
    if score in inception.FLAVOURS:
        inception.install_statistics(score, stats_name, path)
    about = {"stats_name": stats_name, "mode": space.mode, "weights_sha256": space.weights_sha256}
    return {**about, "sha256": sha256(path), **measured}


if __name__ == "__main__":
    run_stage(main)
