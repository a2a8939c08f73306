"""The report's plots. Their bytes depend on the results alone."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from thirtytwo.core.intervals import Estimate
from thirtytwo.report.pictures import plot_file

__all__ = [
    "FAMILIES", "Point", "Series", "confusion", "dots", "histogram", "legend", "new", "outputs", "points", "ranking",
    "series", "training",
]  # fmt: skip

# The colours of Okabe and Ito, distinct with any colour vision; line styles and markers distinguish without colour.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = "osD^vP*X<>"
FAMILIES = {"gan": ("#D55E00", "s", "GAN"), "autoencoder": ("#009E73", "D", "autoencoder"),
            "diffusion": ("#0072B2", "o", "diffusion"), "flow": ("#CC79A7", "^", "flow"),
            "edm": ("#E69F00", "P", "EDM")}  # fmt: skip
_OTHER = ("#56B4E9", "v", "")
FLOOR = "#555555"
STYLE: Any = {
    "font.size": 9, "axes.titlesize": 10, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e6e6e6",
    "axes.axisbelow": True, "axes.edgecolor": "#888888", "axes.labelcolor": "#333333", "xtick.color": "#444444",
    "ytick.color": "#444444", "legend.frameon": False, "legend.fontsize": 8, "figure.dpi": 160,
    "savefig.facecolor": "white", "errorbar.capsize": 3.0,
    "axes.formatter.limits": (-4, 6), "axes.formatter.useoffset": False,
}  # fmt: skip


class Series(NamedTuple):
    """A line: its name, x and y, and optionally the ends of the intervals of y."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


class Point(NamedTuple):
    """A run's score, at a cost `x` in plots that have one."""

    run: str
    family: str
    score: Estimate
    x: float = 0.0
    note: str = ""


def new(width: float, height: float) -> Figure:
    """An empty figure; sizes in inches of 160 pixels."""
    with matplotlib.rc_context(STYLE):
        return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Figure, path: Path) -> None:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # once, where savefig would draw a second time for the layout
    plot_file(path, np.asarray(canvas.buffer_rgba()))


def legend(figure: Figure) -> None:
    """Add a legend below the plot, each name once, in as many columns as fit; the figure grows by its rows."""
    drawn = [axes.get_legend_handles_labels() for axes in figure.axes]
    named = {name: handle for handles, names in drawn for handle, name in zip(handles, names, strict=True)}
    for columns in range(min(len(named), 4), 0, -1):
        box = figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=columns, fontsize=7)
        if columns == 1 or box.get_window_extent().width <= figure.bbox.width:
            figure.set_figheight(figure.get_figheight() + 0.15 * max(-(-len(named) // columns) - 2, 0))
            return
        box.remove()


def _text(name: str) -> str:
    """`name` with the sign that starts mathematics in matplotlib taken literally."""
    return name.replace("$", r"\$")


def _title(axes: Axes, title: str, x: str = "", y: str = "") -> None:
    axes.set_title(_text(title))
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def ranking(path: Path, title: str, runs: list[Point], floor: Estimate) -> None:
    """Scores with their intervals, best first, one row for each run, beside the floor as a dashed line with its band.

    A run's note, such as its score over the floor, stands at the right.
    """
    with matplotlib.rc_context(STYLE):
        figure = new(5.2, 1.25 + 0.3 * len(runs))
        axes = figure.subplots()
        seen = set()
        for row, one in enumerate(runs):
            colour, marker, family = FAMILIES.get(one.family, _OTHER)
            label = (family or one.family) if one.family not in seen else "_"
            seen.add(one.family)
            axes.plot(one.score.value or 0.0, row, marker, color=colour, markersize=6, label=label)
            if one.score.low is not None and one.score.high is not None:
                axes.plot([one.score.low, one.score.high], [row, row], color=colour, linewidth=2.2, alpha=0.75)
            axes.annotate(
                one.note, (1, row), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                fontsize=8, va="center", color="#333333",
            )  # fmt: skip
        values = [end for one in runs for end in (one.score.value, one.score.low, one.score.high) if end is not None]
        if floor.value is not None:
            axes.axvline(floor.value, color=FLOOR, linestyle="--", linewidth=1.3, label="real images (floor)")
            if floor.low is not None and floor.high is not None:
                axes.axvspan(max(floor.low, floor.value / 3), floor.high, color=FLOOR, alpha=0.15, linewidth=0)
            values.append(floor.value)
        axes.set_yticks(range(len(runs)), [_text(one.run) for one in runs])
        axes.set_ylim(len(runs) - 0.5, -0.5)
        if min(values) > 0 and max(values) > 20 * min(values):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        else:
            axes.set_xlim(left=0)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0, labelcolor="black")
        axes.spines["left"].set_visible(False)
        _title(axes, title, "FD with its 95 % interval (lower is better)")
        legend(figure)
        _save(figure, path)


def series(
    path: Path, title: str, lines: list[Series], labels: tuple[str, str], *, log: tuple[bool, bool] = (False, False)
) -> None:
    """Lines that differ in colour, style and marker, in linear or logarithmic scales."""
    with matplotlib.rc_context(STYLE):
        figure = new(4.4, 2.9)
        axes = figure.subplots()
        for line, colour, style, marker in zip(lines, cycle(COLOURS), cycle(STYLES), cycle(MARKERS)):
            axes.plot(line.x, line.y, color=colour, linestyle=style, marker=marker, markersize=3.5, linewidth=1.4,
                      markevery=max(len(line.x) // 10, 1), label=_text(line.name))  # fmt: skip
            if line.low is not None and line.high is not None:
                axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.15, linewidth=0)
        _scales(axes, log)
        if not log[0] and all(float(x).is_integer() for line in lines for x in line.x):
            axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
        _title(axes, title, *labels)
        if len(lines) > 1:
            legend(figure)
        _save(figure, path)


def points(path: Path, title: str, runs: list[Point], labels: tuple[str, str]) -> None:
    """One named point for each run, with its interval, in logarithmic scales."""
    with matplotlib.rc_context(STYLE):
        figure = new(5.0, 3.4)
        axes = figure.subplots()
        for one in runs:
            colour, marker, family = FAMILIES.get(one.family, _OTHER)
            if one.score.low is not None and one.score.high is not None:
                axes.plot([one.x, one.x], [one.score.low, one.score.high], color="#999999", linewidth=1)
            axes.plot(one.x, one.score.value or 0.0, marker, color=colour, markersize=6, label=family or one.family)
        axes.set_xscale("log")
        left, right = axes.get_xlim()
        axes.set_xlim(left, right * (right / left) ** 0.3)  # room for the names
        _scales(axes, (True, True))
        _title(axes, title, *labels)
        legend(figure)
        figure.draw_without_rendering()  # places the axes, so that names can be kept apart
        _names(axes, runs, 72 / figure.dpi)
        _save(figure, path)


def _names(axes: Axes, runs: list[Point], per_pixel: float) -> None:
    """Write each run's name to the right of its point, or higher if another name is in its way.

    Args:
        per_pixel: points (1/72 inch) for each pixel of the figure.
    """
    line, wide = 8.0, 60.0  # points, of text of size 7
    taken: list[tuple[float, float]] = []
    for one in sorted(runs, key=lambda one: one.score.value or 0.0):
        place = (one.x, one.score.value or 0.0)
        x, y = (float(part) * per_pixel for part in axes.transData.transform(place))
        free = max([y - 2.5, *(top + line for left, top in taken if abs(left - x) < wide)])
        taken.append((x, free))
        axes.annotate(_text(one.run), place, (7, free - y), textcoords="offset points", fontsize=7)


def _scales(axes: Axes, log: tuple[bool, bool]) -> None:
    """Logarithmic scales with plain numbers: at 1, 2, 5, 10 ... if the axis has three of these, else in even steps."""
    for axis, scale, wanted in ((axes.xaxis, axes.set_xscale, log[0]), (axes.yaxis, axes.set_yscale, log[1])):
        if wanted:
            scale("log")
            marks = LogLocator(subs=(1, 2, 5))
            low, high = axis.get_view_interval()
            enough = sum(low <= mark <= high for mark in marks.tick_values(low, high)) > 2
            axis.set_major_locator(marks if enough else MaxNLocator(5, steps=[1, 2, 5, 10]))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())


def training(path: Path, title: str, table: pd.DataFrame, terms: Sequence[str]) -> None:
    """Training terms over steps: recorded values faint, their running mean over 4 % of the run strong."""
    with matplotlib.rc_context(STYLE):
        figure = new(4.2, 2.7)
        axes = figure.subplots()
        for term, colour, style in zip(terms, cycle(COLOURS), cycle(STYLES)):
            values = table[["step", term]].dropna()
            window = max(len(values) // 25, 1)
            mean = values[term].rolling(window, center=True, min_periods=1).mean()
            if window > 1:
                axes.plot(values["step"], values[term], color=colour, alpha=0.22, linewidth=0.6)
            axes.plot(values["step"], mean, color=colour, linestyle=style, linewidth=1.5, label=_text(term))
        _title(axes, title, "step")
        if len(terms) > 1:
            legend(figure)
        _save(figure, path)


def outputs(path: Path, title: str, arrays: dict[str, np.ndarray]) -> None:
    """Histograms of outputs on held-out images and samples: the run's discriminator above, the two-sample one below.

    Args:
        arrays: d_held_out, d_samples, c2st_held_out, c2st_samples, each [N].
    """
    with matplotlib.rc_context(STYLE):
        figure = new(4.2, 3.4)
        for axes, who, label in zip(figure.subplots(2, 1), ("d", "c2st"), ("run's D", "C2ST"), strict=True):
            both = [arrays[f"{who}_held_out"], arrays[f"{who}_samples"]]
            ends = (0.0, 1.0) if who == "c2st" else (min(map(np.min, both)), max(map(np.max, both)))
            edges = np.linspace(min(ends[0], 0.0), max(ends[1], 1.0), 41)
            axes.hist(both[0], edges, histtype="step", linewidth=1.5, color=COLOURS[0], label="held-out images")
            axes.hist(both[1], edges, histtype="step", linewidth=1.5, linestyle="--", color=COLOURS[1], label="samples")
            axes.set_ylabel(f"{label}: images")
            axes.set_yscale("symlog", linthresh=10)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower right", ncols=2)
        figure.suptitle(_text(title), x=0.02, ha="left", fontsize=10, fontweight="bold")
        _save(figure, path)


def histogram(path: Path, title: str, shares: dict[str, float], real: dict[str, float] | None, top: float) -> None:
    """Share of each class among the samples as bars, among the real images as short lines; the axis ends at `top`."""
    with matplotlib.rc_context(STYLE):
        figure = new(4.2, 2.5)
        axes = figure.subplots()
        names = list(shares)
        places = np.arange(len(names))
        axes.bar(places, 100 * np.array(list(shares.values())), width=0.7, color=COLOURS[5], label="samples")
        if real:
            axes.hlines([100 * real.get(name, 0.0) for name in names], places - 0.42, places + 0.42,
                        color=COLOURS[6], linewidth=1.6, label="real training images")  # fmt: skip
            figure.legend(loc="outside lower right", ncols=2)
        if len(names) <= 20:
            long = max(len(name) for name in names) * len(names) > 45
            shown = [_text(name if len(name) <= 16 else name[:15] + "…") for name in names]
            axes.set_xticks(places, shown, rotation=40 if long else 0, ha="right" if long else "center")
        axes.set_ylim(0, 100 * top)
        axes.grid(axis="x", visible=False)
        _title(axes, title, y="share, %")
        _save(figure, path)


def dots(path: Path, title: str, groups: dict[str, Sequence[float]], label: str) -> None:
    """The values of each group as dots in a row, and their mean as an upright line."""
    with matplotlib.rc_context(STYLE):
        figure = new(4.2, 1.1 + 0.32 * len(groups))
        axes = figure.subplots()
        for row, values in enumerate(groups.values()):
            axes.plot(values, [row] * len(values), "o", color=COLOURS[0], markersize=5, alpha=0.7)
            axes.plot([np.mean(values)] * 2, [row - 0.3, row + 0.3], color=COLOURS[1], linewidth=2)
        axes.set_yticks(range(len(groups)), [_text(name) for name in groups])
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        _title(axes, title, label)
        _save(figure, path)


def confusion(path: Path, title: str, counts: np.ndarray, names: list[str]) -> None:
    """Counts [requested, recognised] as a matrix of shares of each row; cells of at least 1 % show the percentage."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        size = 1.6 + 0.34 * len(names)
        figure = new(size + 0.4, size)
        axes = figure.subplots()
        axes.imshow(np.ma.masked_equal(shares, 0), cmap="Blues", vmin=0, vmax=1)
        if len(names) <= 20:
            for row, column in zip(*np.nonzero(shares >= 0.01), strict=True):
                ink = "white" if shares[row, column] > 0.5 else "black"
                axes.text(
                    column, row, f"{100 * shares[row, column]:.0f}", ha="center", va="center", color=ink, fontsize=7
                )
            shown = [_text(name if len(name) <= 14 else name[:13] + "…") for name in names]
            axes.set_xticks(range(len(names)), shown, rotation=60 if max(map(len, names)) > 3 else 0)
            axes.set_yticks(range(len(names)), shown)
        _title(axes, title, "recognised class", "requested class")
        _save(figure, path)
