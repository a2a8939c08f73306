"""The report's pictures: PNG files whose bytes depend on the results alone."""

import re
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from thirtytwo.report import numbers

__all__ = ["histogram", "image_grid", "lines", "scores", "slug", "spread_over_classes", "training"]

# Okabe and Ito's colours, told apart with any colour vision; line styles tell them apart without colour.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
STYLE = {
    "font.size": 9, "axes.titlesize": 10, "axes.titlelocation": "left", "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": "#e4e4e4", "axes.axisbelow": True,
    "axes.edgecolor": "#777777", "legend.frameon": False, "legend.fontsize": 8, "figure.dpi": 160,
    "savefig.facecolor": "white", "axes.formatter.limits": (-3, 5), "axes.formatter.use_mathtext": True,
}  # fmt: skip


def slug(*parts: str) -> str:
    """A file name made of `parts`; other characters than letters, digits and underscores become a dash."""
    return "-".join(re.sub(r"[^A-Za-z0-9_]+", "-", part).strip("-") for part in parts) + ".png"


def _new(width: float, height: float) -> Figure:
    with matplotlib.rc_context(STYLE):
        return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Figure, path: Path) -> None:
    # Software would name matplotlib's version: other bytes for the same picture.
    figure.savefig(path, metadata={"Software": None})


def _text(name: str) -> str:
    """`name` with the sign that starts mathematics in matplotlib taken literally."""
    return name.replace("$", r"\$")


def scores(path: Path, names: Sequence[str], values: Sequence[float], intervals: Sequence[tuple[float, float] | None],
           floor: float | None) -> None:  # fmt: skip
    """Scores as points with their intervals, one line a run, and the floor as a dashed line."""
    with matplotlib.rc_context(STYLE):
        figure = _new(6.2, 0.75 + 0.34 * len(names))
        axes = figure.subplots()
        for row, (value, bounds) in enumerate(zip(values, intervals, strict=True)):
            if bounds:
                axes.plot(bounds, (row, row), color=COLOURS[0], linewidth=2.2, solid_capstyle="butt")
            axes.plot(value, row, "o", color=COLOURS[0], markersize=5.5)
            axes.annotate(f"{value:.{numbers.decimals_for([value])}f}", (value, row), (0, 6), textcoords="offset points",
                          ha="center", fontsize=8)  # fmt: skip
        if floor is not None:
            axes.axvline(floor, color=COLOURS[1], linestyle="--", linewidth=1.2, label="floor: real against real")
            figure.legend(loc="outside upper right")
        axes.set_yticks(range(len(names)), [_text(name) for name in names])
        axes.set_ylim(len(names) - 0.5, -0.7)
        smallest, largest = min([*values, *([floor] if floor else [])]), max(values)
        if smallest > 0 and largest / smallest > 20:
            axes.set_xscale("log")
        else:
            axes.set_xlim(left=0, right=1.06 * max([largest, *(b[1] for b in intervals if b)]))
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("Fréchet distance of classifier features (lower is better)")
        _save(figure, path)


def training(path: Path, title: str, table: pd.DataFrame, terms: Sequence[str]) -> None:
    """Training terms over steps: raw faint, and a running mean over 1/50 of the run."""
    with matplotlib.rc_context(STYLE):
        figure = _new(4.2, 2.7)
        axes = figure.subplots()
        for term, colour, style in zip(terms, cycle(COLOURS), cycle(STYLES)):  # noqa: B905 (cycles do not end)
            values = table[["step", term]].dropna()
            window = max(len(values) // 50, 1)
            mean = values[term].rolling(window, center=True, min_periods=1).mean()
            if window > 1:
                axes.plot(values["step"], values[term], color=colour, alpha=0.22, linewidth=0.6)
            axes.plot(values["step"], mean, color=colour, linestyle=style, linewidth=1.5, label=_text(term))
        axes.set_title(_text(title))
        axes.set_xlabel("step")
        if len(terms) > 1:
            axes.legend()
        _save(figure, path)


def lines(path: Path, title: str, curves: dict[str, pd.DataFrame], term: str) -> None:
    """One term of several runs over steps, each with its own colour, line style and marker."""
    with matplotlib.rc_context(STYLE):
        figure = _new(4.2, 2.7)
        axes = figure.subplots()
        for (name, table), colour, style, marker in zip(curves.items(), cycle(COLOURS), cycle(STYLES), cycle("os^Dv")):  # noqa: B905
            values = table[["step", term]].dropna()
            axes.plot(values["step"], values[term], color=colour, linestyle=style, marker=marker, markersize=3,
                      markevery=max(len(values) // 10, 1), linewidth=1.4, label=_text(name))  # fmt: skip
        axes.set_title(_text(title))
        axes.set_xlabel("step")
        axes.legend()
        _save(figure, path)


def histogram(path: Path, title: str, table: pd.DataFrame, real: dict[str, float] | None) -> None:
    """Share of each class among the samples as bars, among the real images as short lines."""
    with matplotlib.rc_context(STYLE):
        figure = _new(4.2, 2.7)
        axes = figure.subplots()
        names = [str(name) for name in table["class"]]
        places = np.arange(len(names))
        axes.bar(places, 100 * table["share"], width=0.7, color=COLOURS[5], label="samples")
        if real:
            axes.hlines([100 * real.get(name, 0.0) for name in names], places - 0.42, places + 0.42,
                        color=COLOURS[6], linewidth=1.6, label="real training images")  # fmt: skip
            figure.legend(loc="outside lower right", ncols=2)
        if len(names) <= 20:
            long = max(len(name) for name in names) * len(names) > 45
            shown = [_text(name if len(name) <= 16 else name[:15] + "…") for name in names]
            axes.set_xticks(places, shown, rotation=40 if long else 0, ha="right" if long else "center")
        axes.grid(axis="x", visible=False)
        axes.set_title(_text(title))
        axes.set_ylabel("share, %")
        _save(figure, path)


def spread_over_classes(labels: np.ndarray, n: int) -> np.ndarray:
    """Indices [<= n] of images that take turns through the classes, each class in the order of the file."""
    turn = pd.Series(labels).groupby(labels).cumcount().to_numpy()
    return np.lexsort((labels, turn))[:n]


def image_grid(path: Path, images: np.ndarray, side: int) -> None:
    """Images [n, 32, 32, C] uint8 as `side` rows and columns, enlarged twice; empty places are white."""
    n, size, _, channels = images.shape
    canvas = np.full((side * side, size, size, channels), 255, np.uint8)
    canvas[:n] = images[: side * side]
    rows = canvas.reshape(side, side, size, size, channels).transpose(0, 2, 1, 3, 4)
    pixels = rows.reshape(side * size, side * size, channels).repeat(2, axis=0).repeat(2, axis=1)
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(path, optimize=True)
