"""train: one run, from its settings and prepared data to weights, curves and scores."""

import shutil
import time

from thirtytwo.core.device import set_up
from thirtytwo.core.weights import serialise
from thirtytwo.data import batches
from thirtytwo.runtime.files import write, write_json
from thirtytwo.runtime.interrupt import StopSignals, exclusive
from thirtytwo.runtime.project import Project
from thirtytwo.runtime.stage import run_stage
from thirtytwo.settings.families import read_train
from thirtytwo.training.run import Trained, fingerprint, published, summary, train_run


def main(project: Project, run: str) -> None:
    cfg = read_train(run, project)
    device = set_up(cfg.compute)
    data, parent = batches.load(project.prepared(cfg.dataset)), project.root / cfg.parent
    if cfg.published:
        keep(project, run, [published(cfg, data, parent)], {})
        return
    start, signals, checkpoints = time.monotonic(), StopSignals(), project.checkpoints(run)
    with exclusive(checkpoints):
        trainings, snapshots = train_run(
            cfg, data, parent=parent / "0.pt", device=device, checkpoints=checkpoints,
            fingerprint=fingerprint(project.config("train", run), project.prepared(cfg.dataset), parent),
            exit_code=signals.exit_code,
        )  # fmt: skip
        keep(project, run, trainings, snapshots)
        shutil.rmtree(checkpoints)
    seconds = round(time.monotonic() - start, 1)
    write_json(project.log("train", run), {"seconds": seconds, "device": str(device), "threads": cfg.compute.threads})


def keep(project: Project, run: str, trainings: list[Trained], snapshots: dict) -> None:
    """Write everything that the stage makes; the curves and snapshots are those of the first training."""
    shutil.rmtree(project.models(run), ignore_errors=True)  # there may be more files, of more seeds
    for number, training in enumerate(trainings):
        write(project.model(run, number), training.model)
    write(project.snapshots(run), serialise(snapshots))
    for group, table in (("train", trainings[0].curve), ("validation", trainings[0].validation)):
        write(project.plot(group, run), table.to_csv(index=False, float_format="%.6g").encode())
    write_json(project.scores(run, "train"), summary(trainings))


if __name__ == "__main__":
    run_stage(main)
