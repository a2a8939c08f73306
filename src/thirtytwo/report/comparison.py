"""The comparison of a data set's runs: quality, classes and memorisation, models, and who beats whom."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from thirtytwo.evaluate.comparison import compare
from thirtytwo.report import numbers
from thirtytwo.report.blocks import Block, Row, Table, Text
from thirtytwo.report.results import RunResult, SetResult
from thirtytwo.report.tables import all_metrics, sampler_text
from thirtytwo.report.verdict import Verdict, floor_of, judge

__all__ = ["blocks", "floor_ratio", "ranked"]


class Score(NamedTuple):
    """A column of scores: its title, the name of the metric, and by how much it is multiplied."""

    title: str
    key: str
    scale: float


QUALITY = (
    Score("FD", "fd_classifier", 1), Score("FD at N = ∞", "fd_classifier_infinity", 1),
    Score("KID × 1000", "kid_classifier", 1000), Score("FID", "fid", 1), Score("Inception KID × 1000", "kid", 1000),
    Score("precision", "precision", 1), Score("recall", "recall", 1), Score("density", "density", 1),
    Score("coverage", "coverage", 1),
)  # fmt: skip
CLASSES = (
    Score("accuracy, %", "accuracy", 100), Score("best of 5, %", "best_of_5_accuracy", 100),
    Score("entropy, bits", "class_entropy_bits", 1), Score("nearer to training, %", "train_nearer", 100),
    Score("copies, %", "copies", 100),
)  # fmt: skip
MEANINGS = {
    "fd_classifier": "FD: `fd_classifier`, the Fréchet distance of classifier features.",
    "fd_classifier_infinity": "FD at N = ∞: the same extrapolated to infinitely many samples.",
    "kid_classifier": "KID: `kid_classifier`, the kernel distance of the same features.",
    "fid": "FID: Inception features by clean-fid, not on the scale of FD.",
    "precision": "Precision and density: how many samples look real; recall and coverage: how much of real images is"
    " drawn; of the four, higher is better.",
    "accuracy": "Accuracy: samples that the classifier sees in the class asked for.",
    "best_of_5_accuracy": "Best of 5: the highest accuracy of five evaluations, as CMPUT 328 grades.",
    "class_entropy_bits": "Entropy and classes: of the samples' classes by the classifier.",
    "train_nearer": "Nearer to training: samples nearer to a training image than to any of as many held-out ones; 50 %:"
    " no memorisation.",
    "copies": "Copies: samples nearer to a training image than all but 1 % of held-out images are.",
}


def blocks(dataset: SetResult) -> list[Block]:
    """The tables, best run first."""
    if not dataset.runs:
        return [Text("No run trains on this data set.")]
    verdict = judge(dataset)
    runs = ranked(dataset.runs, verdict)
    found: list[Block] = [_scores(dataset, runs, verdict, QUALITY, _quality_end(dataset))]
    if any(run.metrics for run in runs):
        found.append(_scores(dataset, runs, verdict, CLASSES, ""))
    found += _diagnoses(runs)
    found.append(_models(runs))
    if len(verdict.runs) > 0 and sum(run.metric("fd_classifier") is not None for run in runs) > 2:
        found.append(_pairs(runs))
    return [*found, all_metrics(dataset.runs)]


def ranked(runs: list[RunResult], verdict: Verdict) -> list[RunResult]:
    """Lowest score first where the scores can be compared, else as they are; runs without a score last."""
    if verdict.kind in ("incomparable", "none"):
        return runs
    return sorted(runs, key=lambda run: (run.metric("fd_classifier") is None, run.metric("fd_classifier")))


def _quality_end(dataset: SetResult) -> str:
    words = ""
    if floor := dataset.floor:
        words += f" Real images: the floor, {numbers.count(floor.get('n'))} real images held against "
        words += f"{numbers.count(floor.get('reference_n'))} others ({floor.get('split', 'split unknown')})."
    if sizes := sorted({run.metric("fid_n") for run in dataset.runs if run.metric("fid") is not None}):
        floors = {run.metric("fid_floor") for run in dataset.runs} - {None}
        words += f" FID: N = {', '.join(map(numbers.count, sizes))}"
        words += "".join(f"; real against real {numbers.plain(floor)}" for floor in sorted(floors)) + "."
    return words


def _scores(dataset: SetResult, runs: list[RunResult], verdict: Verdict, columns: Sequence[Score], end: str) -> Table:
    """One row a run and one for the floor; scores that no run has are left out."""
    rows = [run.metrics or {} for run in runs]
    floor = dataset.floor or {}
    shown = [column for column in columns if any(row.get(column.key) is not None for row in rows)]
    cells = {column.title: _column(column, runs, floor) for column in shown}
    if columns is QUALITY:
        cells["N"] = [numbers.count(row.get("n")) for row in [*rows, floor]]
        seeds = [row.get("seeds") or 1 for row in rows]
        if max(seeds) > 1:
            cells["training seeds"] = [*(numbers.count(n) for n in seeds), numbers.MISSING]
    else:
        cells["classes"] = [*(_covered(row) for row in rows), numbers.MISSING]
    cells["family"] = [*(run.family for run in runs), numbers.MISSING]
    heads = [(run.name, verdict.mark(run)) for run in runs] + [("real images", "floor")]
    kept = range(len(heads) if floor else len(runs))
    over = "95 % interval below each: "
    over += "over training seeds where there are several, else over the drawing of samples."
    words = " ".join([*(MEANINGS[column.key] for column in shown if column.key in MEANINGS), over])
    return Table(
        caption=words + end,
        columns=["run", *cells],
        rows=[Row(heads[i][0], [column[i] for column in cells.values()], heads[i][1]) for i in kept],
        numeric=[False, *(title != "family" for title in cells)],
    )


def _column(score: Score, runs: list[RunResult], floor: dict[str, Any]) -> list[str]:
    """The floor has decimals of its own: it may be far smaller than any score."""
    own = [floor.get(f"{score.key}_floor{end}") for end in ("", "_low", "_high")]
    cells = numbers.scored([run.score(score.key) for run in runs], score.scale)
    return cells + numbers.scored([(own[0], own[1], own[2])], score.scale)


def _covered(score: dict[str, Any]) -> str:
    if score.get("modes_covered") is None:
        return numbers.MISSING
    covered = numbers.plain(score["modes_covered"])  # a mean, where there are several seeds
    return f"{covered} of {score['classes']}" if "classes" in score else covered


def _diagnoses(runs: list[RunResult]) -> list[Block]:
    rows = [
        Row(run.name, [str(run.metric("diagnosis")), str(run.metric("diagnosis_reason") or numbers.MISSING)])
        for run in runs
        if run.metric("diagnosis") is not None
    ]
    caption = "What each run's scores, held against their floors, say of its samples taken together."
    return [Table(caption, ["run", "diagnosis", "because"], rows, [False] * 3)] if rows else []


def _models(runs: list[RunResult]) -> Table:
    rows = []
    for run in runs:
        training = run.training or {}
        sizes = [value for key, value in training.items() if key.startswith("parameters_")]
        cells = [run.family, run.net, numbers.count(sum(sizes) if sizes else None)]
        cells += [numbers.count(training.get(key)) for key in ("steps", "images_seen")]
        rows.append(Row(run.name, [*cells, sampler_text(run), numbers.count(run.evaluations)]))
    caption = (
        "Models. Parameters: of all networks trained. Steps: of the first of them. Evaluations: calls of the "
        "generating network an image; guidance doubles those of diffusion, and that of a decoder takes one a label."
    )
    columns = ["run", "family", "net", "parameters", "steps", "images seen", "sampler", "evaluations"]
    return Table(caption, columns, rows, [False, False, False, True, True, True, False, True])


def _pairs(runs: list[RunResult]) -> Table:
    scored = [run for run in runs if run.metric("fd_classifier") is not None]
    words = {"a": "better", "b": "worse", "tie": "tie", "incomparable": "not comparable"}
    rows = [
        Row(one.name, [
            "" if other is one else words[compare(one.metrics or {}, other.metrics or {}, "fd_classifier").verdict]
            for other in scored
        ])
        for one in scored
    ]  # fmt: skip
    caption = "Who beats whom by `fd_classifier`: is the run of the row better than that of the column?"
    columns = ["run", *(run.name for run in scored)]
    return Table(caption, columns, rows, [False] * len(columns), folded=True)


def floor_ratio(run: RunResult, dataset: SetResult) -> float | None:
    """How many times its floor a run's score is; None where they cannot be held together."""
    floor, _ = floor_of(run, dataset.floor)
    if not floor or not floor["fd_classifier_floor"] > 0:
        return None
    return run.metric("fd_classifier") / floor["fd_classifier_floor"]
