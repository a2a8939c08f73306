"""What retraining adds to the chance of drawing samples: the ratio of the two spreads of fd_classifier.

    python benchmarks/retraining.py STEPS SEEDS RUN [RUN ...]

Trains each run SEEDS times for STEPS steps, with seeds that differ by 1 and everything else equal, draws and scores
samples of each from noise of its own, and prints the standard deviation over trainings over the root mean square of the
standard errors of drawing. It works in a project whose data sets have been measured (`dvc repro floor`) and writes
nothing into it. For full trainings set `seeds` of a run in params.yaml: the report then prints the same ratio.
"""

import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import numpy as np

from thirtytwo.core.device import set_up
from thirtytwo.core.intervals import Estimate
from thirtytwo.data import batches
from thirtytwo.data.batches import to_uint8
from thirtytwo.evaluate.real import Scored, read_real
from thirtytwo.evaluate.scores import frechet_score
from thirtytwo.evaluate.trainings import retraining_ratio
from thirtytwo.features.extraction import extract, load_classifier
from thirtytwo.models.build import load
from thirtytwo.nets.classifier import Classifier
from thirtytwo.runtime.files import sha256
from thirtytwo.runtime.project import Project
from thirtytwo.sampling import drawing
from thirtytwo.settings.families import read_sample, read_train
from thirtytwo.training.run import train_run


def estimates(run: str, steps: int, seeds: int, project: Project) -> list[Estimate]:
    """fd_classifier of each training, with its interval over drawing the samples."""
    cfg, sampling = read_train(run, project), read_sample(run, project)
    short = {"steps": steps, "epochs": 0, "validate_every": steps, "checkpoint_every": steps, "snapshot_every": 0}
    cfg = cfg.model_copy(update={"seeds": seeds, "settings": cfg.settings.model_copy(update=short)})
    device, data = set_up(cfg.compute), batches.load(project.prepared(cfg.dataset))
    weights = project.judge(cfg.dataset)
    classifier, _ = load_classifier(Classifier, weights, device)
    real = read_real(project.features(cfg.dataset), "train", sha256(weights))
    task = drawing.Task(sampling, data, device)
    family = import_module(f"thirtytwo.sampling.{cfg.family}.sample")
    scores = []
    with tempfile.TemporaryDirectory() as folder:
        trainings, _ = train_run(
            cfg, data, parent=project.root / cfg.parent / "0.pt", device=device, checkpoints=Path(folder),
            fingerprint="benchmark", exit_code=lambda: 0,
        )  # fmt: skip
        for number, training in enumerate(trainings):
            path = Path(folder) / f"{number}.pt"
            path.write_bytes(training.model)
            model = load(cfg, path, sampling.sample.weights, device)
            labels = drawing.cycle_labels(model, sampling.sampling.images, len(data.classes))
            draw = family.drawer(model, task.of_training(number))
            images = to_uint8(drawing.first(draw, sampling.sampling.images, labels)).numpy()
            requested = np.full(len(images), -1) if labels is None else labels.numpy()
            scored = Scored(*extract(images, classifier, run), real.places(requested))
            scores.append(frechet_score(scored, real.reference, 200, cfg.seed))
    return scores


def main() -> None:
    """Print the ratio of each run named on the command line."""
    steps, seeds, project = int(sys.argv[1]), int(sys.argv[2]), Project(Path.cwd())
    for run in sys.argv[3:]:
        start = time.process_time()
        scores = estimates(run, steps, seeds, project)
        ratio, values = retraining_ratio(scores), ", ".join(f"{score.value:.4g}" for score in scores)
        print(f"{run}, {seeds} trainings of {steps} steps: fd_classifier {values}")
        print(
            f"  ratio {ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}], {time.process_time() - start:.0f} s of CPU"
        )


if __name__ == "__main__":
    main()
