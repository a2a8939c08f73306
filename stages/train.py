"""train: one run, from its settings and prepared data to weights, curves and scores.

`torchrun --nproc-per-node N stages/train.py RUN` trains it in N processes.
"""

from thirtytwo.runtime.fork_server import begin_stage

begin_stage()

import shutil
import time

from thirtytwo.core import processes
from thirtytwo.core.device import set_up
from thirtytwo.core.weights import serialise
from thirtytwo.data import batches
from thirtytwo.runtime.files import write, write_json
from thirtytwo.runtime.interrupt import StopSignals
from thirtytwo.runtime.project import Project
from thirtytwo.runtime.stage import run_stage
from thirtytwo.settings.families import read_train
from thirtytwo.training.checkpoints import machines, reserved
from thirtytwo.training.curves import to_csv
from thirtytwo.training.run import Trained, fingerprint, published, summary, train_run


def main(project: Project, run: str) -> None:
    cfg = read_train(run, project)
    processes.join()
    device = set_up(cfg.compute)
    data, parent = batches.load(project.prepared(cfg.dataset)), project.root / cfg.parent
    if cfg.published:
        keep(project, run, [published(cfg, data, parent)], {})
        return
    start, signals = time.monotonic(), StopSignals()
    code = fingerprint(project.config("train", run), project.prepared(cfg.dataset), parent)
    with reserved(project.checkpoints(run) / code, signals.exit_code) as checkpoints:
        kinds = machines(checkpoints, device)
        trainings, snapshots = train_run(
            cfg, data, parent=parent / "0.pt", device=device, checkpoints=checkpoints, exit_code=signals.exit_code,
            curve=project.plot("train", run), events=project.tensorboard(run),
        )  # fmt: skip
        signals.release()
        keep(project, run, trainings, snapshots)
    if processes.first():
        conditions = {"device": str(device), "threads": cfg.compute.threads, "machines": kinds}
        write_json(project.log("train", run), {"seconds": round(time.monotonic() - start, 1)} | conditions)


def keep(project: Project, run: str, trainings: list[Trained], snapshots: dict) -> None:
    """Write everything that the stage makes; the curves and snapshots are those of the first training."""
    if not processes.first():
        return
    shutil.rmtree(project.models(run), ignore_errors=True)  # there may be more files, of more seeds
    for number, training in enumerate(trainings):
        write(project.model(run, number), training.model)
    write(project.snapshots(run), serialise(snapshots))
    for group, table in (("train", trainings[0].curve), ("validation", trainings[0].validation)):
        write(project.plot(group, run), to_csv(table))
    write_json(project.scores(run, "train"), summary(trainings), sealed=True)


if __name__ == "__main__":
    run_stage(main)
