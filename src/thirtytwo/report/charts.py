"""Plots of scores against something: cost, sample size, training seed; and the confusion matrix."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from thirtytwo.report.figures import COLOURS, STYLE, STYLES, legend, new, save, text

__all__ = ["Series", "confusion", "dots", "points", "series"]

MARKERS = "osD^vP*X<>"


class Series(NamedTuple):
    """A line: its name, x and y, and the ends of its intervals where they are known."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None
    high: Sequence[float] | None


def series(
    path: Path, title: str, lines: list[Series], labels: tuple[str, str], *, log: tuple[bool, bool],
    floor: float | None,
) -> None:  # fmt: skip
    """Lines that differ in colour, style and marker, in linear or logarithmic scales, above a dashed floor."""
    with matplotlib.rc_context(STYLE):
        figure = new(5.0, 3.2)
        axes = figure.subplots()
        for line, colour, style, marker in zip(lines, cycle(COLOURS), cycle(STYLES), cycle(MARKERS)):
            axes.plot(line.x, line.y, color=colour, linestyle=style, marker=marker, markersize=4, linewidth=1.3,
                      label=text(line.name))  # fmt: skip
            if line.low is not None and line.high is not None:
                axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.15, linewidth=0)
        if floor is not None:
            axes.axhline(floor, color="#000000", linestyle=":", linewidth=1.2, label="real against real (floor)")
        _scales(axes, log)
        axes.set_title(text(title))
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        if len(lines) > 1 or floor is not None:
            legend(figure)
        save(figure, path)


def points(path: Path, title: str, named: list[Series], labels: tuple[str, str]) -> None:
    """One point a run with its interval, in logarithmic scales; of a name "family\\nrun" the run stands beside it."""
    with matplotlib.rc_context(STYLE):
        figure = new(5.0, 3.4)
        axes = figure.subplots()
        families = list(dict.fromkeys(one.name.split("\n")[0] for one in named))
        for one in named:
            place = families.index(one.name.split("\n")[0])
            if one.low is not None and one.high is not None:
                reach = (np.subtract(one.y, one.low), np.subtract(one.high, one.y))
                axes.errorbar(one.x, one.y, yerr=reach, fmt="none", ecolor="#999999", linewidth=1)
            axes.plot(one.x, one.y, MARKERS[place], color=COLOURS[place], markersize=6, label=families[place])
        _scales(axes, (True, True))
        left, right = axes.get_xlim()
        axes.set_xlim(left, right * (right / left) ** 0.3)  # room for the names
        axes.set_title(text(title))
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        legend(figure)
        figure.draw_without_rendering()  # places the axes, so that names can be kept apart
        _names(axes, named, 72 / figure.dpi)
        save(figure, path)


def _names(axes: matplotlib.axes.Axes, named: list[Series], per_pixel: float) -> None:
    """Writes each run's name to the right of its point, higher where another one's would be in its way.

    Args:
        per_pixel: points (1/72 inch) a pixel of the figure.
    """
    line, wide = 8.0, 60.0  # points, of text of size 7
    taken: list[tuple[float, float]] = []
    for one in sorted(named, key=lambda one: one.y[0]):
        x, y = (float(part) * per_pixel for part in axes.transData.transform((one.x[0], one.y[0])))
        free = max([y - 2.5, *(top + line for left, top in taken if abs(left - x) < wide)])
        taken.append((x, free))
        axes.annotate(
            text(one.name.split("\n")[1]), (one.x[0], one.y[0]), (7, free - y), textcoords="offset points", fontsize=7
        )


def _scales(axes: matplotlib.axes.Axes, log: tuple[bool, bool]) -> None:
    """Logarithmic scales with plain numbers: at 1, 2, 5, 10 ..., over less than a decade in even steps."""
    for axis, scale, wanted in ((axes.xaxis, axes.set_xscale, log[0]), (axes.yaxis, axes.set_yscale, log[1])):
        if wanted:
            scale("log")
            low, high = axis.get_data_interval()
            even = low < high <= 10 * low
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]) if even else LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())


def dots(path: Path, title: str, groups: dict[str, Sequence[float]], label: str) -> None:
    """The values of each group as dots in a row, and their mean as an upright line."""
    with matplotlib.rc_context(STYLE):
        figure = new(4.2, 1.1 + 0.32 * len(groups))
        axes = figure.subplots()
        for row, values in enumerate(groups.values()):
            axes.plot(values, [row] * len(values), "o", color=COLOURS[0], markersize=5, alpha=0.7)
            axes.plot([np.mean(values)] * 2, [row - 0.3, row + 0.3], color=COLOURS[1], linewidth=2)
        axes.set_yticks(range(len(groups)), [text(name) for name in groups])
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.set_title(text(title))
        axes.set_xlabel(label)
        save(figure, path)


def confusion(path: Path, title: str, counts: np.ndarray, names: list[str]) -> None:
    """Counts [asked, seen] as a matrix of shares of each row, with the percentage written in every cell of 1 % up."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        size = 1.6 + 0.34 * len(names)
        figure = new(size + 0.4, size)
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        if len(names) <= 20:
            for row, column in zip(*np.nonzero(shares >= 0.01), strict=True):
                ink = "white" if shares[row, column] > 0.5 else "black"
                axes.text(
                    column, row, f"{100 * shares[row, column]:.0f}", ha="center", va="center", color=ink, fontsize=7
                )
            shown = [text(name if len(name) <= 14 else name[:13] + "…") for name in names]
            axes.set_xticks(range(len(names)), shown, rotation=60 if max(map(len, names)) > 3 else 0)
            axes.set_yticks(range(len(names)), shown)
        axes.set_title(text(title))
        axes.set_xlabel("class seen by the classifier")
        axes.set_ylabel("class asked for")
        save(figure, path)
