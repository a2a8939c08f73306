"""Quality against cost: network evaluations and seconds for each image, and what a sampler's steps buy."""

from pathlib import Path

import numpy as np
import pandas as pd

from thirtytwo.core.intervals import read
from thirtytwo.report import pictures, plots, wording
from thirtytwo.report.blocks import Block, Gallery, Picture, Row, Table, Text
from thirtytwo.report.plots import Point, Series
from thirtytwo.report.ranking import judge
from thirtytwo.report.results import RunResult, SetResult, SweepResult

__all__ = ["runs", "sweeps", "trade_offs"]

_STEPS_TEXT, _ETA_TEXT, _SAMPLER_TEXT = "Steps:", "Noise:", "Sampler:"


def runs(dataset: SetResult, folder: Path) -> list[Block]:
    """All runs in one plot for each kind of cost, and a table of times."""
    scored = [run for run in dataset.runs if run.scored]
    if judge(dataset).kind in ("incomparable", "none"):
        return []
    blocks: list[Block] = []
    if len(scored) > 1:
        caption = (
            "An image takes one evaluation of a GAN's network, or one for each proposal of its chain; one of an autoencoder's, or "
            "one for each label if the decoder is guided; and one or several a step of a diffusion model, flow or EDM."
        )
        costs = [float(run.evaluations) for run in scored]
        plotted = [_plot(dataset, scored, costs, "network evaluations per image", folder)]
        timed = [run for run in scored if _each(run)]
        if len(timed) > 1 and len({run.seconds["device"] for run in timed}) == 1:
            caption += (
                f" Seconds are those of the sampling stage on {timed[0].seconds['device']}, with everything else that it "
                "computes, such as interpolations, a two-sample classifier or a bound."
            )
            costs = [_each(run) or 0.0 for run in timed]
            plotted.append(_plot(dataset, timed, costs, "seconds per image", folder))
        blocks.append(Gallery(caption, "plot", plotted))
    rows = [
        Row(run.name, [
            wording.seconds(run.seconds["train"]), wording.seconds(run.seconds["sample"]),
            wording.seconds(1000 * (_each(run) or 0.0)) if _each(run) else wording.MISSING,
            str(run.seconds["device"] or wording.MISSING),
        ])
        for run in dataset.runs
        if run.seconds["train"] or run.seconds["sample"]
    ]  # fmt: skip
    if rows:
        caption = "Logged durations. The machine may have been doing other work, so treat them as rough."
        columns = ["run", "training", "sampling stage", "per 1,000 images", "device"]
        blocks.append(Table(caption, columns, rows, [False, True, True, True, False]))
    return blocks


def _each(run: RunResult) -> float | None:
    total, images = run.seconds["sample"], run.seconds["images"]
    return total / images if total and images else None


def _plot(dataset: SetResult, shown: list[RunResult], costs: list[float], label: str, folder: Path) -> Picture:
    named = [
        Point(run.name, run.family, run.estimate("fd_classifier"), cost)
        for run, cost in zip(shown, costs, strict=True)
    ]  # fmt: skip
    name = pictures.slug("cost", dataset.name, label)
    plots.points(folder / name, dataset.name, named, (label, "FD"))
    values = ", ".join(f"{one.run} {one.score.value:.3g} at {one.x:.3g}" for one in named)
    return Picture(name, f"FD of the runs on {dataset.name} over {label}: {values}.", f"{dataset.name}: {label}.")


def sweeps(dataset: SetResult, folder: Path) -> list[Block]:
    """Everything about the sampler sweeps of the runs on this data set."""
    blocks: list[Block] = _together(dataset, folder)
    for run in dataset.runs:
        if run.sweep is not None and len(run.sweep.table):
            blocks += [Text(text, lead) for lead, text in trade_offs(run.sweep.table).items()]
            blocks += [*_curves(run, run.sweep, folder), *_images(run, run.sweep, folder), _points(run, run.sweep)]
    return blocks


def _together(dataset: SetResult, folder: Path) -> list[Block]:
    """The sweeps of several runs in one plot, if their points score equally many images; without the noise of DDIM."""
    swept = [(run, run.sweep.table) for run in dataset.runs if run.sweep is not None and len(run.sweep.table)]
    if len(swept) < 2 or len({n for _, table in swept for n in table["n"]}) > 1:
        return []
    lines = []
    for run, table in swept:
        for sampler, part in table[table["eta"] == 0].groupby("sampler", sort=False):
            ordered = part.sort_values("evaluations")
            name = f"{run.name}, {wording.sampler_name(str(sampler))}"
            lines.append(Series(name, list(ordered["evaluations"]), list(ordered["fd_classifier"])))
    name = pictures.slug("sweeps", dataset.name)
    plots.series(folder / name, dataset.name, lines, ("network evaluations per image", "FD"), log=(True, True))
    ends = "; ".join(f"{line.name} from {line.y[0]:.3g} to {line.y[-1]:.3g}" for line in lines)
    caption = "Runs side by side at equal network evaluations, each with guidance and weights of its own row of the comparison."
    return [Gallery(caption, "plot", [Picture(name, f"FD over network evaluations: {ends}.", f"{dataset.name}.")])]


def trade_offs(table: pd.DataFrame) -> dict[str, str]:
    """What the number of steps, eta and the choice of sampler change, in one paragraph each."""
    texts = {}
    ddim = table[table["sampler"] == "ddim"]
    one = ddim if len(ddim) else table[table["sampler"] == table["sampler"].iloc[0]]
    plain = one[one["eta"] == one["eta"].min()].sort_values("steps")
    if len(plain) > 1:
        first, before, last = plain.iloc[0], plain.iloc[-2], plain.iloc[-1]
        sampler = (
            f"DDIM with eta {first['eta']:g}" if len(ddim) else wording.capital(wording.sampler_name(first["sampler"]))
        )
        texts[_STEPS_TEXT] = (
            f"{sampler} scores {_fd(first)} with S = {_steps(first)} and {_fd(last)} with S = {_steps(last)}. From "
            f"{_several(before['steps'], 'step')} to {last['steps']}, the score {_change(before, last)}."
        )
    if ddim["eta"].nunique() > 1:
        ends = sorted({*ddim["steps"]})[:: max(ddim["steps"].nunique() - 1, 1)]
        texts[_ETA_TEXT] = " ".join(_of_eta(ddim, steps) for steps in ends)
    if table["sampler"].nunique() > 1:
        texts[_SAMPLER_TEXT] = " ".join(_best_within(table, limit) for limit in _budgets(table))
    return texts


def _fd(row: pd.Series) -> str:
    return f"{row['fd_classifier']:.3g}"


def _steps(row: pd.Series) -> str:
    return f"{_several(row['steps'], 'step')} ({_several(row['evaluations'], 'evaluation')})"


def _several(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _change(before: pd.Series, after: pd.Series) -> str:
    share = after["fd_classifier"] / before["fd_classifier"] - 1
    return f"{'falls' if share < 0 else 'rises'} by {abs(share):.0%}".replace("%", " %")


def _of_eta(ddim: pd.DataFrame, steps: int) -> str:
    part = ddim[ddim["steps"] == steps].sort_values("eta")
    low, high, best = part.iloc[0], part.iloc[-1], part.iloc[int(part["fd_classifier"].argmin())]
    return (
        f"With S = {steps}, eta {low['eta']:g} scores {_fd(low)} and eta {high['eta']:g} scores {_fd(high)}; the best "
        f"is {_fd(best)} at eta {best['eta']:g}."
    )


def _budgets(table: pd.DataFrame) -> list[int]:
    return sorted({int(table["evaluations"].quantile(q, interpolation="nearest")) for q in (0.1, 1.0)})


def _best_within(table: pd.DataFrame, limit: int) -> str:
    part = table[table["evaluations"] <= limit]
    best = part.iloc[int(part["fd_classifier"].argmin())]
    eta = f" and eta {best['eta']:g}" if best["sampler"] == "ddim" else ""
    text = (
        f"Within {limit} evaluations per image, {wording.sampler_name(best['sampler'])} with {best['steps']} steps{eta} scores best: "
        f"{_fd(best)}."
    )
    if best.get("behind_best") != 0:  # intervals are those of the differences from the best of all points
        return text
    equal = int((part["behind_best_low"] <= 0).sum()) - 1
    return f"{text} Of the {len(part) - 1} others, {equal or 'none'} may be as good (paired bootstrap)."


def _curves(run: RunResult, sweep: SweepResult, folder: Path) -> list[Block]:
    """Score against evaluations, and against seconds if they were logged."""
    plotted = []
    for column, label in (("evaluations", "network evaluations per image"), ("seconds", "seconds per image")):
        if column not in sweep.table:
            continue
        lines = []
        for (sampler, eta), part in sweep.table.groupby(["sampler", "eta"], sort=False):
            ordered = part.sort_values(column)
            x = ordered[column] / (ordered["n"] if column == "seconds" else 1)
            name = wording.sampler_name(str(sampler)) + (f", eta {eta:g}" if sampler == "ddim" else "")
            lines.append(Series(name, list(x), list(ordered["fd_classifier"])))
        name = pictures.slug("sweep", run.name, column)
        plots.series(folder / name, run.name, lines, (label, "FD"), log=(True, True))
        ends = "; ".join(f"{line.name} from {line.y[0]:.3g} to {line.y[-1]:.3g}" for line in lines)
        device = f", on {sweep.device}" if column == "seconds" else ""
        plotted.append(Picture(name, f"FD over {label}: {ends}.", f"{run.name}: {label}{device}."))
    caption = (
        f"Each point scores {wording.count(int(sweep.table['n'].iloc[0]))} samples, all drawn from the same noise. N "
        "differs from the comparison's, so the two are not comparable. The differences from the best point have intervals "
        "by a paired bootstrap, in the table."
    )
    return [Gallery(caption, "plot", plotted)]


def _images(run: RunResult, sweep: SweepResult, folder: Path) -> list[Block]:
    """Samples from the same noise by steps, by eta and by sampler: rows of the stage's picture."""
    if sweep.grid is None:
        return []
    tiles = pictures.stage_tiles(sweep.grid)
    table = sweep.table.reset_index(drop=True)
    ddim = table[table["sampler"] == "ddim"]
    few, many = table["steps"].min(), table["steps"].max()
    one = ddim if len(ddim) else table[table["sampler"] == table["sampler"].iloc[0]]
    chosen = (
        ("steps", one[one["eta"] == one["eta"].min()], f"{wording.sampler_name(one['sampler'].iloc[0])} by steps"),
        ("eta", ddim[ddim["steps"] == many], f"DDIM with {many} steps by eta"),
        ("sampler", table[(table["steps"] == few) & (table["eta"] == 0)], f"{few} steps by sampler"),
    )
    shown = []
    for column, part, title in chosen:
        if len(part) < 2:
            continue
        name = pictures.slug("sweep-images", run.name, column)
        pictures.rows(folder / name, tiles[np.asarray(part.index)])
        values = ", ".join(
            wording.sampler_name(value) if column == "sampler" else f"{value:g}" for value in part[column]
        )
        alt = f"Rows of samples of {run.name} from the same noise, {title}: {values}."
        shown.append(Picture(name, alt, f"{run.name}, {title}; from top to bottom: {values}."))
    caption = "Each column starts from the same noise and shows what the sampler changes."
    return [Gallery(caption, "pixels", shown)] if shown else []


def _points(run: RunResult, sweep: SweepResult) -> Table:
    table = sweep.table
    values = wording.column(list(table["fd_classifier"]), wording.decimals_for(list(table["fd_classifier"])))
    spacing = table["spacing"] if "spacing" in table else [wording.MISSING] * len(table)
    gaps = [wording.estimated(read({str(key): value for key, value in row.items()}, "behind_best"))
            for row in table.to_dict("records")]  # fmt: skip
    rows = [
        Row(wording.sampler_name(sampler), [str(steps), f"{eta:g}", str(space), wording.count(calls), value, gap])
        for sampler, steps, eta, space, calls, value, gap in zip(
            table["sampler"], table["steps"], table["eta"], spacing, table["evaluations"], values, gaps, strict=True
        )
    ]
    columns = ["sampler", "steps", "eta", "spacing", "evaluations", "FD", "behind the best"]
    explained = {"behind the best": "FD less that of the best point, with an interval by a bootstrap of the images, paired "
                                    "over the points and simultaneous for all pairs. Below 0: may be as good."}  # fmt: skip
    caption = f"All points of the sweep of {run.name}."
    return Table(caption, columns, rows, [False, True, True, False, True, True, True], folded=True, help=explained)
