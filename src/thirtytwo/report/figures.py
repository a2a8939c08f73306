"""The report's plots: files whose bytes depend on the results alone."""

import io
import re
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from thirtytwo.report.pictures import plot_file

__all__ = [
    "COLOURS", "STYLE", "STYLES", "histogram", "legend", "lines", "new", "outputs", "save", "scores", "slug",
    "spread_over_classes", "text", "training",
]  # fmt: skip

# Okabe and Ito's colours, told apart with any colour vision; line styles tell them apart without colour.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
STYLE: Any = {
    "font.size": 9, "axes.titlesize": 10, "axes.titlelocation": "left", "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": "#e4e4e4", "axes.axisbelow": True,
    "axes.edgecolor": "#777777", "legend.frameon": False, "legend.fontsize": 8, "figure.dpi": 160,
    "savefig.facecolor": "white", "errorbar.capsize": 3.5,
    "axes.formatter.limits": (-3, 5), "axes.formatter.useoffset": False, "axes.formatter.use_mathtext": True,
}  # fmt: skip


def slug(*parts: str) -> str:
    """The name of a picture made of `parts`; other characters than letters, digits and underscores become a dash."""
    return "-".join(re.sub(r"[^A-Za-z0-9_]+", "-", part).strip("-") for part in parts) + ".webp"


def new(width: float, height: float) -> Figure:
    """An empty figure; sizes in inches of 160 pixels."""
    with matplotlib.rc_context(STYLE):
        return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: Path) -> None:
    """Writes the figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    plot_file(path, buffer.getvalue())


def legend(figure: Figure) -> None:
    """What is drawn in the figure, below it, each name once, in as many columns as fit; it grows by the rows."""
    found = [axes.get_legend_handles_labels() for axes in figure.axes]
    named = {name: handle for handles, names in found for handle, name in zip(handles, names, strict=True)}
    for columns in range(min(len(named), 4), 0, -1):
        box = figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=columns, fontsize=7)
        if columns == 1 or box.get_window_extent().width <= figure.bbox.width:
            figure.set_figheight(figure.get_figheight() + 0.15 * max(-(-len(named) // columns) - 2, 0))
            return
        box.remove()


def text(name: str) -> str:
    """`name` with the sign that starts mathematics in matplotlib taken literally."""
    return name.replace("$", r"\$")


def scores(path: Path, table: pd.DataFrame, floor: tuple[float, float | None, float | None] | None) -> None:
    """Scores as points with their intervals, one line a run, above the floor as a dashed line with its own interval.

    Args:
        table: columns run, value, low, high, best first.
        floor: value, low, high.
    """
    with matplotlib.rc_context(STYLE):
        figure = new(4.2, 1.15 + 0.3 * len(table))
        axes = figure.subplots()
        reach = (table["value"] - table["low"], table["high"] - table["value"])
        axes.errorbar(table["value"], range(len(table)), xerr=reach, fmt="o", markersize=4, color=COLOURS[0])
        if floor:
            axes.axvline(floor[0], color=COLOURS[1], linestyle="--", linewidth=1.3, label="real against real (floor)")
            if floor[1] is not None and floor[2] is not None:
                axes.axvspan(floor[1], floor[2], color=COLOURS[1], alpha=0.15, linewidth=0)
            figure.legend(loc="outside upper right")
        axes.set_yticks(range(len(table)), [text(name) for name in table["run"]])
        axes.set_ylim(len(table) - 0.5, -0.5)
        smallest = min([*table["low"], *([floor[0]] if floor else [])])
        if smallest > 0 and table["high"].max() / smallest > 20:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
        else:
            axes.set_xlim(left=0)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("fd_classifier (lower is better)")
        save(figure, path)


def training(path: Path, title: str, table: pd.DataFrame, terms: Sequence[str]) -> None:
    """Training terms over steps: raw faint, and a running mean over 4 % of the run."""
    with matplotlib.rc_context(STYLE):
        figure = new(4.2, 2.7)
        axes = figure.subplots()
        for term, colour, style in zip(terms, cycle(COLOURS), cycle(STYLES)):
            values = table[["step", term]].dropna()
            window = max(len(values) // 25, 1)
            mean = values[term].rolling(window, center=True, min_periods=1).mean()
            if window > 1:
                axes.plot(values["step"], values[term], color=colour, alpha=0.22, linewidth=0.6)
            axes.plot(values["step"], mean, color=colour, linestyle=style, linewidth=1.5, label=text(term))
        axes.set_title(text(title))
        axes.set_xlabel("step")
        if len(terms) > 1:
            legend(figure)
        save(figure, path)


def lines(
    path: Path, title: str, curves: dict[str, pd.DataFrame], term: str, *, x: str = "step", log: bool = False
) -> None:
    """One term of several runs over `x`, a column of their tables, each with its own colour, line style and marker."""
    with matplotlib.rc_context(STYLE):
        figure = new(4.2, 2.7)
        axes = figure.subplots()
        for (name, table), colour, style, marker in zip(curves.items(), cycle(COLOURS), cycle(STYLES), cycle("os^Dv")):
            values = table[[x, term]].dropna()
            axes.plot(values[x], values[term], color=colour, linestyle=style, marker=marker, markersize=3,
                      markevery=max(len(values) // 10, 1), linewidth=1.4, label=text(name))  # fmt: skip
        if log:
            axes.set_yscale("log")
        axes.set_title(text(title))
        axes.set_xlabel(x)
        axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
        legend(figure)
        save(figure, path)


def outputs(path: Path, title: str, arrays: dict[str, np.ndarray]) -> None:
    """Histograms of discriminators' outputs on held-out images and samples: own above, fresh below.

    Args:
        arrays: d_held_out, d_samples, fresh_held_out, fresh_samples, each [N].
    """
    with matplotlib.rc_context(STYLE):
        figure = new(4.2, 3.4)
        for axes, who, label in zip(figure.subplots(2, 1), ("d", "fresh"), ("own D", "fresh D"), strict=True):
            both = [arrays[f"{who}_held_out"], arrays[f"{who}_samples"]]
            ends = (0.0, 1.0) if who == "fresh" else (min(map(np.min, both)), max(map(np.max, both)))
            edges = np.linspace(min(ends[0], 0.0), max(ends[1], 1.0), 41)
            axes.hist(both[0], edges, histtype="step", linewidth=1.5, color=COLOURS[0], label="held-out images")
            axes.hist(both[1], edges, histtype="step", linewidth=1.5, linestyle="--", color=COLOURS[1], label="samples")
            axes.set_ylabel(f"{label}: images")
            axes.set_yscale("symlog", linthresh=10)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower right", ncols=2)
        figure.suptitle(text(title), x=0.02, ha="left", fontsize=10)
        save(figure, path)


def histogram(path: Path, title: str, shares: dict[str, float], real: dict[str, float] | None, top: float) -> None:
    """Share of each class among the samples as bars, among the real images as short lines; the axis ends at `top`."""
    with matplotlib.rc_context(STYLE):
        figure = new(4.2, 2.7)
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
            shown = [text(name if len(name) <= 16 else name[:15] + "…") for name in names]
            axes.set_xticks(places, shown, rotation=40 if long else 0, ha="right" if long else "center")
        axes.set_ylim(0, 100 * top)
        axes.grid(axis="x", visible=False)
        axes.set_title(text(title))
        axes.set_ylabel("share, %")
        save(figure, path)


def spread_over_classes(labels: np.ndarray, n: int) -> np.ndarray:
    """Indices [<= n] of images that take turns through the classes, each class in the order of the file."""
    turn = pd.Series(labels).groupby(labels).cumcount().to_numpy()
    return np.lexsort((labels, turn))[:n]
