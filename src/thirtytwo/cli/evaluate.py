"""`thirtytwo evaluate`: images of anyone's model, scored under the protocol of the pipeline's own runs."""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from thirtytwo import config
from thirtytwo.checkpoint import write_atomically
from thirtytwo.cli import project
from thirtytwo.cli.images import Given, read
from thirtytwo.cli.project import CommandError
from thirtytwo.data.settings import Dataset
from thirtytwo.device import set_up
from thirtytwo.evaluate.checks import EvaluationError, read_arrays
from thirtytwo.evaluate.diagnosis import diagnose
from thirtytwo.evaluate.features import extract, file_sha256, load_classifier
from thirtytwo.evaluate.kid import mean_among
from thirtytwo.evaluate.scores import Real, Scored, Scores, classifier_floor, classifier_scores, join_floor
from thirtytwo.evaluate.settings import Evaluation
from thirtytwo.report.numbers import plain
from thirtytwo.report.settings import ReportConfig
from thirtytwo.strict import ParamsError, nearest, parse

__all__ = ["run", "score"]

_NAMED = 20  # removed files that are named
_REAL = ("features", "probabilities", "labels", "split", "class_places", "features_sha256", "resampler",
         "copy_distance")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Scores the images, prints a table and writes the scores.

    Raises:
        CommandError, ParamsError, CheckpointError, EvaluationError: see `project.ERRORS`.
    """
    root, path, out = project.root(), Path(args.images), Path(args.out) if args.out else None
    if out and out.suffix != ".json":
        raise CommandError(f"--out: {out}; expected a name that ends in .json")
    settings = config.read(ReportConfig, "report", "report", root)
    dataset = _dataset(args, settings.datasets)
    given = read(path, dataset, project.prepared(root, args.against).classes, args.labels_from_folders)
    protocol = settings.evaluation.model_copy(
        update={"reference_split": args.split or settings.evaluation.reference_split}
    )
    if len(given.images) > protocol.samples:
        given = given.some(protocol.samples, settings.seed if path.is_dir() else None)
    scores = score(given, root / "data/features" / args.against, protocol, settings.seed, set_up(settings.compute))
    scores["removed"] = len(given.removed)
    _show(path, args.against, dataset, scores, given)
    if scores["n"] != settings.evaluation.samples:
        print(
            f"The runs are scored at N = {settings.evaluation.samples} (evaluation.samples), so that `compare` refuses"
            f" them beside N = {scores['n']}; a Fréchet distance falls as N grows."
        )
    if out:
        write_atomically(out, f"{json.dumps(scores, indent=1)}\n".encode())
    return 0


def score(given: Given, reference: Path, protocol: Evaluation, seed: int, device: torch.device) -> Scores:
    """The scores that the stage `evaluate` gives the same images, beside the floor at their own N.

    Args:
        reference: data/features/<set>, without the suffixes of its two files.

    Raises:
        EvaluationError, CheckpointError: the reference is missing or not of one classifier; too few images.
    """
    weights, cached = reference.with_suffix(".pt"), reference.with_suffix(".npz")
    classifier, _ = load_classifier(weights, device)
    features, probabilities, labels, split, places, made_by, resampler, copied = read_arrays(cached, _REAL)
    if (found := file_sha256(weights)) != str(made_by):
        raise EvaluationError(
            f"{cached}: features of another classifier ({made_by}) than {found}; run `dvc repro floor`"
        )
    images, chosen = Scored(features, probabilities, labels), protocol.reference_split
    kernel_mean = mean_among(features[split == {"train": 0, "test": 1}[chosen]])
    real = Real(images, split, chosen, kernel_mean, float(copied))
    asked = np.where(given.labels < 0, -1, places[given.labels])
    samples, resamples = Scored(*extract(given.images, classifier), asked), protocol.bootstrap_resamples
    scores, _ = classifier_scores(samples, real, mode_share=protocol.mode_share, resamples=resamples, seed=seed)
    about: Scores = {"reference_split": chosen, "resampler": str(resampler), "features_sha256": found}
    floor = classifier_floor(
        images, split, reference_split=chosen, samples=len(given.images), resamples=resamples, seed=seed
    )
    joined = join_floor(scores | about, floor | about)
    return joined | dict(zip(("diagnosis", "diagnosis_reason"), diagnose(joined), strict=True))


def _dataset(args: argparse.Namespace, datasets: dict[str, Dataset]) -> Dataset:
    """The data set's settings, with the modes that are to be converted as well."""
    if args.against not in datasets:
        raise CommandError(f"--against: there is no data set '{args.against}'; {nearest(args.against, datasets)}")
    values = datasets[args.against].model_dump()
    try:
        return parse(Dataset, values | {"convert": [*values["convert"], *args.convert]})
    except ParamsError as error:
        raise CommandError(f"--{error}") from None


def _show(path: Path, name: str, dataset: Dataset, scores: Scores, given: Given) -> None:
    """What was scored against what, what was left out, and a row a score that has an interval."""
    channels = "RGB" if dataset.channels == 3 else "grayscale"
    print(
        f"{path}: N = {scores['n']} images ({dataset.fit}, {dataset.resample}, to 32x32 {channels}) against"
        f" {scores['reference_n']} of {name}/{scores['reference_split']};"
        f" classifier {str(scores['features_sha256'])[:12]}"
    )
    if given.removed:
        print(f"removed {len(given.removed)} files (--convert MODE converts a mode):")
        for file, reason in given.removed[:_NAMED]:
            print(f"  {file}: {reason}")
        if (more := len(given.removed) - _NAMED) > 0:
            print(f"  and {more} more")
    rows = [("score", "value", "95 % interval", f"floor at N = {scores['fd_classifier_floor_n']}", "its interval")]
    for key, value in scores.items():
        if f"{key}_low" in scores and not key.endswith("_floor"):
            floor = f"{key}_floor"
            rows.append((key, plain(value), _ends(scores, key), plain(scores.get(floor)), _ends(scores, floor)))
    counted = ("modes_covered", "classes", "foreign_share", "class_entropy_bits", "mean_confidence")
    rows += [(key, plain(scores[key]), "", "", "") for key in counted]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"diagnosis: {scores['diagnosis']}. {scores['diagnosis_reason']}")


def _ends(scores: Scores, key: str) -> str:
    low, high = scores.get(f"{key}_low"), scores.get(f"{key}_high")
    return "" if low is None or high is None else f"[{plain(low)}, {plain(high)}]"
