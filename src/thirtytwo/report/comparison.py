"""The comparison of a data set's runs: quality, classes and memorisation, models, and pairs of runs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate.comparison import HIGHER, LOWER, comparable, lower_is_better
from thirtytwo.evaluate.scorecard import Fact, Measured, Score
from thirtytwo.report import wording
from thirtytwo.report.blocks import Block, Row, Table, Text
from thirtytwo.report.ranking import Verdict, floor_ratio, judge, ranked
from thirtytwo.report.results import RunResult, SetResult

__all__ = ["blocks", "headline"]


class Column(NamedTuple):
    """A column of scores: its title, the metric, a factor, and what it means."""

    title: str
    key: str
    scale: float
    help: str


QUALITY = (
    Column("FD", "fd_classifier", 1, "`fd_classifier`: the Fréchet distance between classifier features of samples and "
          "of real images. Lower is better."),
    Column("second FD", "fd_second", 1, "`fd_second`: FD by a second classifier, built and trained in another way. Its "
          "scale differs from FD's. Lower is better."),
    Column("FID", "fid", 1, "Fréchet distance of Inception features by clean-fid; its scale differs from FD's. Lower is "
          "better."),
    Column("legacy FID", "fid_legacy", 1, "FID as pytorch-fid computes it, for comparison with papers; its scale differs "
          "from FID's. Lower is better."),
    Column("precision", "precision", 1, "Share of samples that look like real images. Higher is better."),
    Column("recall", "recall", 1, "Share of real images that the samples could have produced. Higher is better."),
    Column("coverage", "coverage", 1, "Share of real images with a sample nearby. Higher is better."),
    Column("density", "density", 1, "How densely real images surround the samples. Higher is better; real images score "
          "about 1."),
    Column("FD at N\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}∞", "fd_classifier_infinity", 1, "FD extrapolated to infinitely many samples, which removes the "
          "bias of a finite N. Lower is better."),
    Column("KID × 1000", "kid_classifier", 1000, "`kid_classifier`: the kernel distance of the same features, unbiased "
          "at any N. Lower is better."),
    Column("Inception KID × 1000", "kid", 1000, "Kernel distance of Inception features. Lower is better."),
)  # fmt: skip
CLASSES = (
    Column("accuracy, %", "accuracy", 100, "Share of a conditional run's samples that the classifier recognises as the "
          "requested class. Higher is better."),
    Column("best of 5, %", "best_of_5_accuracy", 100, "The highest accuracy of five evaluations, the grading rule of "
          "CMPUT 328. Below it the range of 95 % of such marks, not an interval: runs are compared by accuracy."),
    Column("entropy, bits", "class_entropy_bits", 1, "Entropy of the classes among the samples. Equal shares give the "
          "highest value."),
    Column("edges, %", "edges", 100, "Differences of neighbouring pixels, relative to those of real images. Blurred samples "
          "are below 100 %, noisy ones above."),
    Column("nearer to training, %", "train_nearer", 100, "Samples closer to a training image than to any of as many "
          "held-out images. 50 % means no memorisation."),
    Column("copies, %", "copies", 100, "Samples closer to a training image than all but 1 % of held-out images are. "
          "About 1 % means no copies."),
)  # fmt: skip
_FLOOR = "FD as a multiple of its floor, the FD of real images against other real images. 1 is the best possible."
_HELP = {
    "× floor": _FLOOR,
    "N": "Number of samples that were scored.",
    "trainings": "Trainings with different seeds. From two on, a score is their mean, and its interval covers them.",
    "classes": "Classes that make up enough of the samples to count as covered.",
    "parameters": "Trained parameters of all networks.",
    "steps": "Optimiser steps of the first network.",
    "evaluations": "Calls of the generating network for each image. Guidance of a denoiser doubles them; a guided "
    "decoder makes one for each label, and the Metropolis-Hastings chain of a GAN one for each proposal, and as many of the "
    "discriminator.",
}


def blocks(dataset: SetResult) -> list[Block]:
    """The tables, best run first."""
    if not dataset.runs:
        return [Text("No run uses this data set.")]
    verdict = judge(dataset)
    runs = ranked(dataset.runs, verdict)
    tables: list[Block] = [
        _scores(dataset, runs, verdict, QUALITY + _own(runs), "Quality." + _intervals() + _sizes(dataset))
    ]
    if any(run.card for run in runs):
        tables.append(_scores(dataset, runs, verdict, CLASSES, "Classes, sharpness and memorisation."))
    tables += [*_diagnoses(runs), _models(runs)]
    if verdict.kind in ("best", "tie") and sum(run.scored for run in runs) > 2:
        tables.append(_pairs(runs, verdict))
    return [*tables, _all_metrics(dataset.runs)]


def headline(dataset: SetResult) -> Table:
    """The scores that matter most, for the front page."""
    verdict = judge(dataset)
    runs = [run for run in ranked(dataset.runs, verdict) if run.scored]
    wanted = ("fd_classifier", "fid", "fid_legacy", "precision", "coverage", "accuracy")
    columns = [score for score in QUALITY + CLASSES if score.key in wanted]
    shown = [score for score in columns if any(run.metric(score.key) is not None for run in runs)]
    rows = []
    for run in runs:
        cells = [run.family, *(wording.estimated(run.estimate(score.key), score.scale) for score in shown)]
        cells[2:2] = [wording.multiple(floor_ratio(run, dataset))]
        rows.append(Row(run.name, [*cells, run.diagnosis or wording.MISSING], verdict.mark(run)))
    titles = [score.title for score in shown]
    names = ["run", "family", *titles[:1], "× floor", *titles[1:], "diagnosis"]
    return Table(f"{dataset.name}, best first.", names, rows, [False, False, *[True] * (len(shown) + 1), False])


def _own(runs: Sequence[RunResult]) -> tuple[Column, ...]:
    """Columns for the scores in feature spaces of the user's own."""
    shared = dict.fromkeys(key for run in runs for key in comparable(run.measured))
    return tuple(
        Column(key.replace("fd_", "FD ").replace("kid_", "KID × 1000 ").replace("_", " "), key,
               1000 if key.startswith("kid_") else 1,
               f"`{key}`: in the feature space of `evaluation.features`. {'Lower' if lower_is_better(key) else 'Higher'} "
               "is better.")
        for key in shared if key not in LOWER + HIGHER
    )  # fmt: skip


def _intervals() -> str:
    return (
        " 95 % intervals are below the scores. They cover the training seeds of runs that have several, else the drawing "
        "of samples."
    )


def _sizes(dataset: SetResult) -> str:
    text, floor = "", dataset.floor
    if floor.metric("n") is not None:
        text += f" Floor: {wording.count(floor.metric('n'))} real images against "
        text += f"{wording.count(floor.metric('reference_n'))} others ({floor.metric('split') or 'unknown split'})."
    for name, score in (("FID", "fid"), ("Legacy FID", "fid_legacy")):
        inception = [run for run in dataset.runs if run.metric(score) is not None]
        if not inception:
            continue
        text += f" {name}: N = {', '.join(map(wording.count, sorted({run.metric(f'{score}_n') for run in inception})))}"
        floors = sorted({value for run in inception if (value := run.floor(score).value) is not None})
        text += "".join(f"; real images score {wording.plain(value)}" for value in floors) + "."
    return text


def _scores(
    dataset: SetResult, runs: list[RunResult], verdict: Verdict, scores: Sequence[Column], caption: str
) -> Table:
    """One row for each run and one for the floor, without the scores that no run has."""
    within = any(run.within_classes for run in runs)
    drawn = {"real images": dataset.floor} | ({"real images, by class": dataset.floor.within_classes} if within else {})
    floors = {
        name: floor
        for name, floor in drawn.items()
        if any(floor.estimate(score.key).value is not None for score in QUALITY)
    }
    shown = [score for score in scores if any(run.metric(score.key) is not None for run in runs)]
    cells: dict[str, list[str]] = {}
    missing = [wording.MISSING] * len(floors)
    for score in shown:
        cells[score.title] = [wording.estimated(run.estimate(score.key), score.scale) for run in runs]
        cells[score.title] += [wording.estimated(floor.estimate(score.key), score.scale) for floor in floors.values()]
        if score.key == "fd_classifier":
            ratios = [floor_ratio(run, dataset) for run in runs]
            cells["× floor"] = [wording.multiple(ratio) for ratio in ratios] + ["1"] * len(floors)
    if scores[0] is QUALITY[0]:
        sizes = [run.metric("n") for run in runs] + [floor.metric("n") for floor in floors.values()]
        if len(set(sizes)) > 1:
            cells["N"] = [wording.count(n) for n in sizes]
        elif sizes[0] is not None:
            caption += f" N = {wording.count(sizes[0])} samples of each run."
        trainings = [run.metric("seeds") or 1 for run in runs]
        if max(trainings) > 1:
            cells["trainings"] = [*map(wording.count, trainings), *missing]
    else:
        cells["classes"] = [*map(wording.cover, runs), *missing]
        cells["family"] = [*(run.family for run in runs), *missing]
    rows = [Row(run.name, [column[i] for column in cells.values()], verdict.mark(run)) for i, run in enumerate(runs)]
    for place, name in enumerate(floors, len(runs)):
        rows.append(Row(name, [column[place] for column in cells.values()], "floor"))
    meanings = {score.title: score.help for score in shown} | _HELP
    return Table(
        caption=caption,
        columns=["run", *cells],
        rows=rows,
        numeric=[False, *(title != "family" for title in cells)],
        help={title: meanings[title] for title in cells if title in meanings},
    )


def _diagnoses(runs: list[RunResult]) -> list[Block]:
    rows = [
        Row(run.name, [run.card.diagnosis.word, _clause(run.card.diagnosis.reason or wording.MISSING)])
        for run in runs
        if run.card and run.card.diagnosis
    ]
    caption = "Diagnosis of each run's samples, from the scores above beside those of real images; docs/protocol.md has the rules."
    return [Table(caption, ["run", "diagnosis", "reason"], rows, [False] * 3)] if rows else []


def _clause(reason: str) -> str:
    """A reason without the numbers, which stand in the tables above."""
    clause, numbers, _ = reason.partition(": precision ")
    return f"{clause}." if numbers else reason


def _models(runs: list[RunResult]) -> Table:
    rows = []
    for run in runs:
        training = Measured(run.training or {})
        sizes = [training.estimate(key).value or 0 for key in training.scores if key.startswith("parameters_")]
        cells = [run.family, run.net, wording.count(sum(sizes) if sizes else None)]
        cells += [wording.count(training.estimate(key).value) for key in ("steps", "images_seen")]
        rows.append(Row(run.name, [*cells, wording.sampler(run), wording.count(run.evaluations)]))
    columns = ["run", "family", "net", "parameters", "steps", "images seen", "sampler", "evaluations"]
    numeric = [False, False, False, True, True, True, False, True]
    return Table("Models and samplers.", columns, rows, numeric, help=_HELP)


def _pairs(runs: list[RunResult], verdict: Verdict) -> Table:
    names = [run.name for run in runs if run.scored]
    second = verdict.second

    def word(one: str, other: str) -> str:
        if one == other:
            return ""
        pairs, opposite = ((one, other), (other, one)), {"better": "worse", "worse": "better"}
        found = next((text for pair, text in zip(pairs, opposite, strict=True) if pair in verdict.better), "tie")
        if any(pair in second.reversed for pair in pairs):
            return f"{found}, second: {opposite[found]}"
        return f"{found}, second: tie" if any(pair in second.unconfirmed for pair in pairs) else found

    rows = [Row(one, [word(one, other) for other in names]) for one in names]
    caption = (
        "Pairs of runs by `fd_classifier`: is the run of the row better than the run of the column? What the second "
        "classifier says (`fd_second`) is added where it does not confirm a difference. All pairs are judged at once, so "
        "that a small difference may be a tie here and a win in `thirtytwo compare`, which judges one pair."
    )
    return Table(caption, ["run", *names], rows, [False] * (len(names) + 1), folded=True)


def _all_metrics(runs: list[RunResult]) -> Table:
    """Every value of the runs' files of scores, a column for each run."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for run in runs:
        groups: dict[str, Mapping[str, Score | Fact]] = {"training": run.training or {}}
        if run.card:
            groups |= {"evaluation": run.card.measured.scores, "floor": run.card.floor.scores}
            groups |= {"protocol": run.card.measured.protocol, "protocol of the floor": run.card.floor.protocol}
        for origin, values in groups.items():
            for key, value in values.items():
                found.setdefault((origin, key), {})[run.name] = _any(key, value)
    origins = ["evaluation", "floor", "protocol", "protocol of the floor", "training"]
    names = [run.name for run in runs]
    rows = [
        Row(key, [origin, *(found[origin, key].get(name, wording.MISSING) for name in names)])
        for origin, key in sorted(found, key=lambda one: (origins.index(one[0]), one[1]))
    ]
    caption = "All scores of all runs, as in scores/ and scores/train/; of a sha256 the first 12 digits."
    return Table(caption, ["score", "from", *names], rows, [False, False, *[True] * len(names)], folded=True)


def _any(name: str, value: Score | Fact) -> str:
    if name.endswith("sha256"):
        return str(value)[:12]
    return wording.estimated(value) if isinstance(value, Estimate) else wording.plain(value)
