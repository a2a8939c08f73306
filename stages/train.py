"""train: one run, from its settings and prepared data to weights, curves and metrics.

`torchrun --nproc-per-node N stages/train.py RUN` trains in N processes, one a GPU where there are any; `--log tensorboard`
writes event files as well.
"""

import argparse
import shutil
import time
from contextlib import nullcontext
from functools import partial

from thirtytwo.core import processes
from thirtytwo.core.device import set_up
from thirtytwo.core.intervals import flatten
from thirtytwo.core.weights import serialise
from thirtytwo.data import batches
from thirtytwo.runtime.files import sha256, write, write_json
from thirtytwo.runtime.interrupt import StopSignals
from thirtytwo.runtime.project import Project
from thirtytwo.runtime.stage import run_stage
from thirtytwo.settings.families import read_train
from thirtytwo.training.checkpoints import reserved
from thirtytwo.training.run import Trained, fingerprint, published, summary, train_run
from thirtytwo.training.watching import to_csv, watchers


def main(project: Project, *arguments: str) -> None:
    parser = argparse.ArgumentParser("train.py")
    parser.add_argument("run", help="a name under `runs:` of params.yaml")
    parser.add_argument("--log", choices=["tensorboard"], help="event files in logs/tensorboard/<run>")
    args = parser.parse_args(arguments)
    run, cfg = args.run, read_train(args.run, project)
    processes.join()
    device = set_up(cfg.compute)
    data, parent = batches.load(project.prepared(cfg.dataset)), project.root / cfg.parent
    if cfg.published:
        if processes.first():
            keep(project, run, [published(cfg, data, parent)], {})
        return
    start, signals, config = time.monotonic(), StopSignals(), project.config("train", run)
    code = fingerprint(config, project.prepared(cfg.dataset), parent)
    folder = reserved(project.checkpoints(run), code, {"config": sha256(config)}, signals.exit_code)
    with folder if processes.first() else nullcontext(project.checkpoints(run) / code) as checkpoints:
        trainings, snapshots = train_run(
            cfg, data, parent=parent / "0.pt", device=device, checkpoints=checkpoints, exit_code=signals.exit_code,
            watchers=partial(watchers, project.plot("train", run), project.tensorboard(run) if args.log else None),
        )  # fmt: skip
        if processes.first():
            keep(project, run, trainings, snapshots)
    if processes.first():
        log = {"seconds": round(time.monotonic() - start, 1), "device": str(device), "threads": cfg.compute.threads}
        write_json(project.log("train", run), log | {"processes": processes.count()})


def keep(project: Project, run: str, trainings: list[Trained], snapshots: dict) -> None:
    """Write everything that the stage makes; the curves and snapshots are those of the first training."""
    shutil.rmtree(project.models(run), ignore_errors=True)  # there may be more files, of more seeds
    for number, training in enumerate(trainings):
        write(project.model(run, number), training.model)
    write(project.snapshots(run), serialise(snapshots))
    for group, table in (("train", trainings[0].curve), ("validation", trainings[0].validation)):
        write(project.plot(group, run), to_csv(table))
    write_json(project.metrics(run, "train"), flatten(summary(trainings)))


if __name__ == "__main__":
    run_stage(main)
