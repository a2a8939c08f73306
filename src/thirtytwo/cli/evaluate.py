"""`thirtytwo evaluate`: images of anyone's model, scored under the protocol of the pipeline's own runs."""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from thirtytwo.cli import project
from thirtytwo.cli.images import Given, read
from thirtytwo.core.device import set_up
from thirtytwo.evaluate.diagnosis import diagnose
from thirtytwo.evaluate.kid import mean_among
from thirtytwo.evaluate.scores import Real, Scored, Scores, classifier_floor, classifier_scores, join_floor
from thirtytwo.features.checks import read_arrays
from thirtytwo.features.extraction import extract, file_sha256, load_classifier
from thirtytwo.report.wording import plain
from thirtytwo.runtime import files
from thirtytwo.runtime.errors import CommandError, EvaluationError, ParamsError
from thirtytwo.settings import configs
from thirtytwo.settings.data import Dataset
from thirtytwo.settings.evaluation import Evaluation
from thirtytwo.settings.report import ReportConfig
from thirtytwo.settings.strict import nearest, parse

__all__ = ["run", "score"]

_OVER: Scores = {"interval_over": "samples"}
_NAMED = 20  # removed files that are named
_REAL = ("features", "probabilities", "labels", "split")
_ABOUT = ("class_places", "features_sha256", "resampler", "kernel_mean", "copy_distance")


def run(args: argparse.Namespace) -> int:
    """Scores the images, prints a table and writes the scores.

    Raises:
        CommandError, ParamsError, CheckpointError, EvaluationError: see `project.ERRORS`.
    """
    root, path, out = project.root(), Path(args.images), Path(args.out) if args.out else None
    if out and out.suffix != ".json":
        raise CommandError(f"--out: {out}; expected a name that ends in .json")
    settings = configs.read(ReportConfig, "report", "report", root)
    dataset = _dataset(args, settings.datasets)
    given = read(path, dataset, project.prepared(root, args.against).classes, args.labels_from_folders)
    protocol, split = settings.evaluation, args.split or settings.evaluation.reference_split
    if len(given.images) > protocol.samples:
        given = given.some(protocol.samples, settings.seed if path.is_dir() else None)
    device = set_up(settings.compute)
    scores = score(given, root / "data/features" / args.against, protocol, split, settings.seed, device)
    scores["removed"] = len(given.removed)
    _show(path, args.against, dataset, scores, given)
    if scores["n"] != protocol.samples:
        print(
            f"The runs are scored at N = {protocol.samples} (evaluation.samples), so that `compare` refuses"
            f" them beside N = {scores['n']}; a Fréchet distance falls as N grows."
        )
    if out:
        files.write(out, f"{json.dumps(scores, indent=1)}\n".encode())
    return 0


def score(given: Given, reference: Path, protocol: Evaluation, split: str, seed: int, device: torch.device) -> Scores:
    """The scores that the stage `evaluate` gives the same images, beside the floor at their own N.

    Args:
        reference: data/features/<set>, without the suffixes of its two files.
        split: "train" or "test", whose images are the reference.

    Raises:
        EvaluationError, CheckpointError: the reference is missing or not of one classifier; too few images.
    """
    weights, cached = reference.with_suffix(".pt"), reference.with_suffix(".npz")
    classifier, _ = load_classifier(weights, device)
    features, probabilities, labels, splits = read_arrays(cached, _REAL)
    places, made_by, resampler, kernel_mean, copy_distance = read_arrays(cached, _ABOUT)
    if (found := file_sha256(weights)) != str(made_by):
        raise EvaluationError(
            f"{cached}: features of another classifier ({made_by}) than {found}; run `dvc repro floor`"
        )
    mean = float(kernel_mean)
    if split != protocol.reference_split:  # which is what the cached mean is of
        mean = mean_among(features[splits == {"train": 0, "test": 1}[split]])
    images = Scored(features, probabilities, labels)
    real = Real(images, splits, split, mean, float(copy_distance))
    samples = Scored(*extract(given.images, classifier), np.where(given.labels < 0, -1, places[given.labels]))
    resamples = protocol.bootstrap_resamples
    scores, _ = classifier_scores(samples, real, mode_share=protocol.mode_share, resamples=resamples, seed=seed)
    floor = classifier_floor(
        images, splits, reference_split=split, samples=len(given.images), resamples=resamples, seed=seed
    )
    about: Scores = {"reference_split": split, "resampler": str(resampler), "features_sha256": found}
    scores = join_floor(scores | about, floor | about)
    return scores | dict(zip(("diagnosis", "diagnosis_reason"), diagnose(scores), strict=True)) | _OVER


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
    print(f"{scores['diagnosis']}: {scores['diagnosis_reason']}")
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


def _ends(scores: Scores, key: str) -> str:
    low, high = scores.get(f"{key}_low"), scores.get(f"{key}_high")
    return "" if low is None or high is None else f"[{plain(low)}, {plain(high)}]"
