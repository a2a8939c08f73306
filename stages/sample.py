"""sample: images of a trained run, each from its own noise, and probes of what its model has learnt.

`torchrun --nproc-per-node N stages/sample.py RUN` draws the same images in N processes.
"""

from thirtytwo.runtime.fork_server import begin_stage

begin_stage()

import shutil
import time
from importlib import import_module

from thirtytwo.core import processes
from thirtytwo.core.device import set_up
from thirtytwo.core.tiling import grid_png
from thirtytwo.data import batches
from thirtytwo.models.build import load, load_snapshots
from thirtytwo.models.contract import Family
from thirtytwo.runtime.files import write, write_arrays, write_json
from thirtytwo.runtime.project import Project
from thirtytwo.runtime.stage import run_stage
from thirtytwo.sampling import drawing
from thirtytwo.settings.families import read_sample, read_train


def main(project: Project, run: str) -> None:
    cfg, trained = read_sample(run, project), read_train(run, project)
    processes.join()
    device, start = set_up(cfg.compute), time.monotonic()
    data = batches.load(project.prepared(cfg.dataset))
    family = import_module(f"thirtytwo.sampling.{cfg.family}.sample")

    def model(training: int) -> Family:
        path, weights = project.model(run, training), cfg.sample.weights
        return load(trained, path, weights, device, compiled=cfg.compute.compile)

    first = model(0)
    job = drawing.Job(cfg, data, device, load_snapshots(project.snapshots(run), first, device))
    drawn = family.sample(first, job)
    arrays = drawing.to_arrays(drawn.images, drawn.labels, str(project.model(run)))
    if processes.first():
        shutil.rmtree(project.sample_folder(run), ignore_errors=True)  # there may be more files, of more seeds
        write_arrays(project.samples(run), arrays)
        write_arrays(project.probes(run), drawn.probes)
        write(project.plot("samples", run, ".png"), grid_png(arrays["images"], cfg.sampling.grid_side))
        log = {"seconds": round(time.monotonic() - start, 1), "device": str(device), "images": len(drawn.images)}
        write_json(project.log("sample", run), log)
    for training in range(1, cfg.seeds):
        draw = family.drawer(model(training), job.of_training(training))
        images = drawing.first(draw, len(drawn.images), drawn.labels)
        arrays = drawing.to_arrays(images, drawn.labels, str(project.model(run, training)))
        if processes.first():
            write_arrays(project.samples(run, training), arrays)


if __name__ == "__main__":
    run_stage(main)
