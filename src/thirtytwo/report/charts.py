"""Plots of scores against something: cost, sample size, training seed; and the confusion matrix."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.ticker import NullFormatter

from thirtytwo.report.figures import COLOURS, STYLE, STYLES, new, save, text

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
            figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=7)
        save(figure, path)


def points(path: Path, title: str, named: list[Series], labels: tuple[str, str], floor: float | None) -> None:
    """One point a run with its interval, each with its name beside it, in logarithmic scales."""
    with matplotlib.rc_context(STYLE):
        figure = new(5.0, 3.2)
        axes = figure.subplots()
        families = list(dict.fromkeys(family for family, *_ in (one.name.split("\n") for one in named)))
        for one in named:
            family, run = one.name.split("\n")
            place = families.index(family)
            if one.low is not None and one.high is not None:
                reach = (np.subtract(one.y, one.low), np.subtract(one.high, one.y))
                axes.errorbar(one.x, one.y, yerr=reach, fmt="none", ecolor="#999999", linewidth=1)
            axes.plot(one.x, one.y, MARKERS[place], color=COLOURS[place], markersize=6, label=family)
            axes.annotate(text(run), (one.x[0], one.y[0]), (5, 3), textcoords="offset points", fontsize=7)
        if floor is not None:
            axes.axhline(floor, color="#000000", linestyle=":", linewidth=1.2, label="real against real (floor)")
        _scales(axes, (True, True))
        left, right = axes.get_xlim()
        axes.set_xlim(left / 1.3, right * 2.5)  # room for the names
        axes.set_title(text(title))
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, fontsize=7)
        save(figure, path)


def _scales(axes: matplotlib.axes.Axes, log: tuple[bool, bool]) -> None:
    for axis, scale, wanted in ((axes.xaxis, axes.set_xscale, log[0]), (axes.yaxis, axes.set_yscale, log[1])):
        if wanted:
            scale("log")
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
