"""Quality against cost: network evaluations and seconds an image, and how long training took."""

from pathlib import Path

from thirtytwo.report import charts, figures, numbers
from thirtytwo.report.blocks import Block, Gallery, Picture, Row, Table
from thirtytwo.report.charts import Series
from thirtytwo.report.results import RunResult, SetResult
from thirtytwo.report.verdict import judge

__all__ = ["blocks"]


def blocks(dataset: SetResult, folder: Path) -> list[Block]:
    """All runs in one plot for each kind of cost, and the table of times."""
    scored = [run for run in dataset.runs if run.metric("fd_classifier") is not None]
    if judge(dataset).kind in ("incomparable", "none"):
        return []
    found: list[Block] = []
    if len(scored) > 1:
        caption = "An image of a GAN or an autoencoder takes one evaluation of its network, one of diffusion many."
        picture = _plot(
            dataset, scored, [float(run.evaluations) for run in scored], "network evaluations an image", folder
        )
        found.append(Gallery(caption, "plot", [picture]))
    timed = [run for run in scored if _each(run)]
    if len(timed) > 1 and len({run.seconds["device"] for run in timed}) == 1:
        caption = (
            f"Seconds of the stage that samples, on {timed[0].seconds['device']}, over the images drawn: what else the "
            "stage makes, such as interpolations, a fresh discriminator or a bound, is in it."
        )
        picture = _plot(dataset, timed, [_each(run) or 0.0 for run in timed], "seconds an image", folder)
        found.append(Gallery(caption, "plot", [picture], timed=True))
    rows = [
        Row(run.name, [
            numbers.seconds(run.seconds["train"]), numbers.seconds(run.seconds["sample"]),
            numbers.seconds(1000 * (_each(run) or 0.0)) if _each(run) else numbers.MISSING,
            str(run.seconds["device"] or numbers.MISSING),
        ])
        for run in dataset.runs
        if run.seconds["train"] or run.seconds["sample"]
    ]  # fmt: skip
    if rows:
        caption = "Times as logged, on a machine that may have done other work besides; they are no results."
        columns = ["run", "training", "sampling stage", "a 1,000 images", "device"]
        found.append(Table(caption, columns, rows, [False, True, True, True, False], timed=True))
    return found


def _each(run: RunResult) -> float | None:
    total, images = run.seconds["sample"], run.seconds["images"]
    return total / images if total and images else None


def _plot(dataset: SetResult, runs: list[RunResult], costs: list[float], label: str, folder: Path) -> Picture:
    named = []
    for run, cost in zip(runs, costs, strict=True):
        low, high = run.metric("fd_classifier_low"), run.metric("fd_classifier_high")
        ends = [None if end is None else [end] for end in (low, high)]
        named.append(Series(f"{run.family}\n{run.name}", [cost], [run.metric("fd_classifier")], *ends))
    name = figures.slug("cost", dataset.name, label)
    charts.points(folder / name, dataset.name, named, (label, "fd_classifier"))
    told = ", ".join(
        f"{run.name} {run.metric('fd_classifier'):.3g} at {cost:.3g}" for run, cost in zip(runs, costs, strict=True)
    )
    return Picture(
        name, f"fd_classifier of the runs on {dataset.name} over {label}: {told}.", f"{dataset.name}: {label}."
    )
