"""`thirtytwo evaluate`: images of any model, scored under the protocol of the pipeline's runs."""

import argparse
import textwrap
from dataclasses import replace
from pathlib import Path

import torch
from tabulate import tabulate

from thirtytwo.cli.compare import WIDTH
from thirtytwo.cli.images import UserImages, read
from thirtytwo.core.device import set_up
from thirtytwo.core.intervals import Estimate
from thirtytwo.data.batches import load
from thirtytwo.evaluate.real import Scored, read_real, read_seen
from thirtytwo.evaluate.scorecard import Measured, Scorecard
from thirtytwo.evaluate.scores import classifier_floor, score, second_floor, second_scores
from thirtytwo.features.extraction import extract, load_classifier
from thirtytwo.nets.classifier import Classifier
from thirtytwo.nets.mixer import Mixer
from thirtytwo.report.wording import inline, plain
from thirtytwo.runtime.errors import CommandError, ParamsError
from thirtytwo.runtime.files import sha256, write_json
from thirtytwo.runtime.project import Project
from thirtytwo.settings import configs
from thirtytwo.settings.data import Dataset
from thirtytwo.settings.evaluation import Evaluation
from thirtytwo.settings.report import ReportConfig
from thirtytwo.settings.strict import nearest, parse

__all__ = ["run", "score_images"]

_LISTED = 20  # removed files that are listed by name
_WITHOUT_INTERVAL = ("modes_covered", "foreign_share", "class_entropy_bits", "mean_confidence")


def run(args: argparse.Namespace) -> int:
    """Score the images, print a table and write the scores.

    Raises:
        ThirtyTwoError: the images, an option or the reference does not fit.
    """
    project, path, out = Project.containing(Path.cwd()), Path(args.images), Path(args.out) if args.out else None
    if out and out.suffix != ".json":
        raise CommandError(f"--out: {out}; expected a name that ends in .json")
    settings = configs.read(ReportConfig, "report", "report", project)
    dataset = _dataset(args, settings.datasets)
    classes = load(project.prepared(args.against)).classes
    given = read(path, dataset, classes, args.labels_from_folders)
    protocol = settings.protocol(args.against)
    if len(given.images) > protocol.samples:
        given = given.subset(protocol.samples, settings.seed if path.is_dir() else None)
    device = set_up(settings.compute)
    card = score_images(given, project, args.against, protocol, args.split, settings.seed, device)
    _show(path, args.against, dataset, card, given)
    if (n := len(given.images)) != protocol.samples:
        print(
            f"The runs are scored at N = {protocol.samples} (evaluation.samples), so `compare` refuses to compare them"
            f" with N = {n}; a Fréchet distance falls as N grows."
        )
    if out:
        card = replace(card, measured=card.measured | Measured({}, {"removed": len(given.removed)}))
        write_json(out, card, sealed=True)
    return 0


def score_images(
    given: UserImages,
    project: Project,
    dataset: str,
    protocol: Evaluation,
    split: str | None,
    seed: int,
    device: torch.device,
) -> Scorecard:
    """The scores that the stage `evaluate` gives the same images, beside the floor at their N.

    Args:
        split: "train", "test" or "all", the reference; None: that of the protocol.

    Raises:
        EvaluationError, CheckpointError: the reference is missing or of another classifier; too few images.
    """
    weights, other, reference = project.judge(dataset), project.second_judge(dataset), protocol.reference_split
    classifier, _ = load_classifier(Classifier, weights, device)
    mixer, _ = load_classifier(Mixer, other, device)
    real = read_real(project.features(dataset), reference, sha256(weights)).against(split or reference)
    second = read_seen(project.second_features(dataset), split or reference, sha256(other))
    places = real.places(given.labels)
    samples, by_second = (Scored(*extract(given.images, network), places) for network in (classifier, mixer))
    n, resamples, within = len(given.images), protocol.bootstrap_resamples, samples.strata is not None
    floor = classifier_floor(real, samples=n, resamples=resamples, seed=seed, within_classes=within)
    floor |= second_floor(second, samples=n, resamples=resamples, seed=seed, within_classes=within)
    card, _ = score(samples, real, floor, mode_share=protocol.mode_share, resamples=resamples, seed=seed)
    measured = second_scores(by_second, second, resamples=resamples, seed=seed)
    measured |= Measured({}, {"interval_over": "samples"})
    return replace(card, measured=card.measured | measured)


def _dataset(args: argparse.Namespace, datasets: dict[str, Dataset]) -> Dataset:
    """The data set's settings, with the modes of --convert added to those that it converts."""
    if args.against not in datasets:
        raise CommandError(f"--against: unknown data set '{args.against}'; {nearest(args.against, datasets)}")
    values = datasets[args.against].model_dump()
    try:
        return parse(Dataset, values | {"convert": [*values["convert"], *args.convert]})
    except ParamsError as error:
        raise CommandError(f"--{error}") from None


def _show(path: Path, name: str, dataset: Dataset, card: Scorecard, given: UserImages) -> None:
    """Print the protocol, the diagnosis, the removed files and a table of scores."""
    scores, facts = card.measured.scores, card.measured.protocol
    channels = "RGB" if dataset.channels == 3 else "grayscale"
    print(
        f"{path}: N = {facts['n']} images ({dataset.fit}, {dataset.resample}, to 32x32 {channels}) against"
        f" {facts['reference_n']} of {name}/{facts['reference_split']};"
        f" classifier {str(facts['features_sha256'])[:12]}"
    )
    if card.diagnosis:
        print(textwrap.fill(f"{card.diagnosis.word}: {card.diagnosis.reason}", WIDTH))
    if given.removed:
        print(f"removed {len(given.removed)} files (--convert MODE converts a mode):")
        for file, reason in given.removed[:_LISTED]:
            print(f"  {file}: {reason}")
        if (more := len(given.removed) - _LISTED) > 0:
            print(f"  and {more} more")
    rows = [
        (key, inline(value), inline(card.floor.estimate(key)) if key in card.floor.scores else "")
        for key, value in scores.items()
        if isinstance(value, Estimate)
    ]
    rows += [(key, plain(card.measured.estimate(key).value), "") for key in _WITHOUT_INTERVAL]
    rows.append(("classes", plain(facts["classes"]), ""))
    floor = f"real images, N = {card.floor.protocol['n']}, {card.floor.protocol['drawn']}"
    print(tabulate(rows, ("score", "value, 95 % interval", floor), tablefmt="plain", disable_numparse=True))
