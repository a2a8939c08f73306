"""The sweep of a trained diffusion model: what samplers, numbers of steps and eta give for their cost."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from thirtytwo.report import charts, figures, numbers, pictures
from thirtytwo.report.blocks import Block, Gallery, Picture, Row, Table, Text
from thirtytwo.report.charts import Series
from thirtytwo.report.results import RunResult, SetResult, SweepResult

__all__ = ["blocks", "trade_offs"]

_PITCH = 33  # pixels from one image to the next
_STEPS_TEXT, _ETA_TEXT = "Steps:", "Noise:"


def blocks(dataset: SetResult, folder: Path) -> list[Block]:
    """Everything about the sweeps of the runs on this data set."""
    found: list[Block] = []
    for run in dataset.runs:
        if run.sweep is not None and len(run.sweep.table):
            found += [Text(text, lead) for lead, text in trade_offs(run.sweep.table).items()]
            found += [*_plots(run, run.sweep, dataset, folder), *_pictures(run, run.sweep, folder), _table(run)]
    return found


def trade_offs(table: pd.DataFrame) -> dict[str, str]:
    """What S, eta and the sampler trade, by a lead word, as the numbers have it."""
    told = {}
    ddim = table[table["sampler"] == "ddim"]
    plain = ddim[ddim["eta"] == ddim["eta"].min()].sort_values("steps")
    if len(plain) > 1:
        first, before, last = plain.iloc[0], plain.iloc[-2], plain.iloc[-1]
        told[_STEPS_TEXT] = (
            f"DDIM with eta {first['eta']:g} goes from {_fd(first)} at S = {first['steps']} to {_fd(last)} at "
            f"S = {last['steps']}. Each step costs one evaluation of the network; the last "
            f"{last['steps'] - before['steps']} of them {_change(before, last)}."
        )
    if ddim["eta"].nunique() > 1:
        told[_ETA_TEXT] = " ".join(
            _of_eta(ddim, steps) for steps in sorted({*ddim["steps"]})[:: max(ddim["steps"].nunique() - 1, 1)]
        )
    if table["sampler"].nunique() > 1:
        told["Sampler:"] = " ".join(_best_within(table, limit) for limit in _budgets(table))
    return told


def _fd(row: pd.Series) -> str:
    return f"{row['fd_classifier']:.3g}"


def _change(before: pd.Series, after: pd.Series) -> str:
    share = after["fd_classifier"] / before["fd_classifier"] - 1
    return f"{'lower' if share < 0 else 'raise'} the score by {abs(share):.0%}".replace("%", " %")


def _of_eta(ddim: pd.DataFrame, steps: int) -> str:
    own = ddim[ddim["steps"] == steps].sort_values("eta")
    low, high, best = own.iloc[0], own.iloc[-1], own.iloc[int(own["fd_classifier"].argmin())]
    return (
        f"At S = {steps}, eta {low['eta']:g} scores {_fd(low)} and eta {high['eta']:g} {_fd(high)}; the lowest is "
        f"{_fd(best)} at eta {best['eta']:g}."
    )


def _budgets(table: pd.DataFrame) -> list[int]:
    return sorted({int(table["evaluations"].quantile(q, interpolation="nearest")) for q in (0.1, 1.0)})


def _best_within(table: pd.DataFrame, limit: int) -> str:
    own = table[table["evaluations"] <= limit]
    best = own.iloc[int(own["fd_classifier"].argmin())]
    return (
        f"With at most {limit} evaluations an image the lowest score is {_fd(best)}, by {best['sampler']} in "
        f"{best['steps']} steps{_eta(best)}."
    )


def _eta(row: pd.Series) -> str:
    return f", eta {row['eta']:g}" if row["sampler"] == "ddim" else ""


def _plots(run: RunResult, sweep: SweepResult, dataset: SetResult, folder: Path) -> list[Block]:
    """Score against evaluations; and against seconds, where they were logged."""
    images = int(sweep.table["n"].iloc[0])
    found: list[Block] = []
    for column, label, timed in (
        ("evaluations", "network evaluations an image", False),
        ("seconds", "seconds an image", True),
    ):
        if column not in sweep.table:
            continue
        lines = []
        for (sampler, eta), part in sweep.table.groupby(["sampler", "eta"], sort=False):
            own = part.sort_values(column)
            x = own[column] / (own["n"] if timed else 1)
            name = f"{sampler}, eta {eta:g}" if sampler == "ddim" else str(sampler)
            lines.append(Series(name, list(x), list(own["fd_classifier"]), None, None))
        name = figures.slug("sweep", run.name, column)
        charts.series(folder / name, run.name, lines, (label, "fd_classifier"), log=(True, True), floor=None)
        told = "; ".join(f"{line.name} from {line.y[0]:.3g} to {line.y[-1]:.3g}" for line in lines)
        ends = f", on {sweep.device}" if timed else ""
        picture = Picture(name, f"fd_classifier over {label}: {told}.", f"{run.name}, over {label}{ends}.")
        caption = (
            f"Score of {numbers.count(images)} samples a point, all from the same noise; N differs from the "
            "comparison's, so the values are not to be set beside those, and small differences mean nothing: no point "
            "has an interval."
        )
        if timed:
            caption = "The same points over the time that drawing them took."
        found.append(Gallery(caption, "plot", [picture], timed=timed))
    return found


def _pictures(run: RunResult, sweep: SweepResult, folder: Path) -> list[Block]:
    """The same noise by steps, by eta, and by sampler: rows of the stage's picture."""
    if sweep.grid is None:
        return []
    with Image.open(sweep.grid) as image:
        whole = np.asarray(image.convert("RGB").reduce(2))
    table = sweep.table.reset_index(drop=True)
    ddim = table[table["sampler"] == "ddim"]
    few, many = table["steps"].min(), table["steps"].max()
    chosen = (
        ("steps", ddim[ddim["eta"] == ddim["eta"].min()], "ddim by steps"),
        ("eta", ddim[ddim["steps"] == many], f"ddim in {many} steps by eta"),
        ("sampler", table[(table["steps"] == few) & (table["eta"] == 0)], f"{few} steps by sampler"),
    )
    shown = []
    for column, part, title in chosen:
        if len(part) < 2:
            continue
        name = figures.slug("sweep-images", run.name, column)
        rows = [whole[index * _PITCH : (index + 1) * _PITCH] for index in part.index]
        pictures.pixels(folder / name, np.concatenate(rows))
        told = ", ".join(f"{value:g}" if column != "sampler" else str(value) for value in part[column])
        alt = f"Rows of samples of {run.name} from the same noise, {title}: {told}."
        shown.append(Picture(name, alt, f"{run.name}, {title}; from above: {told}."))
    caption = "The same noise in each column: how much of an image depends on how it is sampled."
    return [Gallery(caption, "pixels", shown)] if shown else []


def _table(run: RunResult) -> Table:
    assert run.sweep is not None
    table = run.sweep.table
    values = numbers.column(list(table["fd_classifier"]), numbers.decimals_for(list(table["fd_classifier"])))
    spacing = table["spacing"] if "spacing" in table else [numbers.MISSING] * len(table)
    rows = [
        Row(str(sampler), [str(steps), f"{eta:g}", str(space), numbers.count(calls), value])
        for sampler, steps, eta, space, calls, value in zip(
            table["sampler"], table["steps"], table["eta"], spacing, table["evaluations"], values, strict=True
        )
    ]
    columns = ["sampler", "steps", "eta", "spacing", "evaluations", "FD"]
    caption = f"All points of the sweep of {run.name}."
    return Table(caption, columns, rows, [False, True, True, False, True, True], folded=True)
