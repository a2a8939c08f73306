"""GANs beyond their scores: training, latent space, equilibrium."""

from pathlib import Path

import numpy as np
import pandas as pd

from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate.comparison import subtract
from thirtytwo.report import pictures, plots, wording
from thirtytwo.report.blocks import Block, Gallery, Picture, Row, Table, Text
from thirtytwo.report.plots import Series
from thirtytwo.report.results import RunResult, SetResult

__all__ = ["along_training", "animations", "equilibrium", "latent_space"]

_COLUMNS = 10  # images of each snapshot in a picture
_LEVELS = 64  # of each colour in the large pictures of the latent space, whose noise would fill the page
_ROWS = 4  # snapshots in a picture, and that of the lowest score
_SIDE, _MOVING = 10, 30  # images in a row, and all images, of an animation
_PAIRS, _LINE = 6, slice(2, 18)  # lines, and columns of them: i = -3 ... 12
_ENDS = (3, 12)  # columns of z1 and z2 among those shown

INTERPOLATION = (
    "Images between two samples show whether the generator gives every code a plausible image, or draws well only near "
    "some codes: then images in the middle look real less often than samples. From z1 to z2, what both images share "
    "stays and the rest changes bit by bit, through other classes where these lie between the two. Beyond z2, an image "
    "exaggerates what distinguishes it from that of z1. Few latents of a training are as short as those in the middle, "
    "whose squared norm is half the usual one on average, or as long as those at i = 14, where it is 2.7 times the usual one."
)
EQUILIBRIUM = (
    "At the equilibrium of a GAN's game, samples follow the distribution of the data, and the best discriminator "
    "D* = p / (p + q) is 1/2 everywhere (Goodfellow et al. 2014, propositions 1 and 2). The run's discriminator cannot "
    "show whether training got there, because it may be weak. Therefore a two-sample classifier (C2ST), the same for "
    "every GAN and without BatchNorm, is trained to tell real images from samples of the finished generator and tested "
    "on held-out images and new samples. D* is right at least as often as any classifier, so the low end of the accuracy's "
    "interval is a lower bound on that of D*, and the outputs bound the Jensen-Shannon divergence between data and samples "
    "from below (0 bits: equal; 1 bit: disjoint). A longer training may raise both: a low bound does not show that a GAN "
    "is near the equilibrium, and the bounds do not rank GANs."
)


def along_training(dataset: SetResult, folder: Path) -> list[Block]:
    """The score during training, all runs in one panel, and images of each run's snapshots."""
    curves = {run.name: run.snapshots for run in dataset.runs if run.snapshots is not None and len(run.snapshots)}
    if not curves:
        return []
    plotted = []
    for term in ("fd_classifier", "accuracy", "fid", "fid_legacy"):
        shown = {name: table for name, table in curves.items() if term in table}
        if shown:
            plotted.append(_score_curves(dataset, shown, term, folder))
    blocks: list[Block] = [
        Gallery("Scores of weights saved during training. N is smaller than in the comparison, so the two are not "
                "comparable.", "plot", plotted)
    ]  # fmt: skip
    strips = [_strip(run, *snapshots, folder) for run in dataset.runs if (snapshots := _snapshots(run))]
    caption = "The same noise at each snapshot, one row for each, first to last."
    return [*blocks, Gallery(caption, "pixels", strips)] if strips else blocks


def _score_curves(dataset: SetResult, curves: dict[str, pd.DataFrame], term: str, folder: Path) -> Picture:
    name = pictures.slug("scores-in-training", dataset.name, term)
    lines = [Series(run, list(table["step"]), list(table[term])) for run, table in curves.items()]
    rises = term == "accuracy"
    plots.series(folder / name, term, lines, ("step", ""), log=(False, not rises))
    best, word = (np.argmax, "highest") if rises else (np.argmin, "lowest")
    ends = "; ".join(
        f"{line.name} ends at {wording.plain(float(line.y[-1]))}, {word} at step {line.x[int(best(line.y))]:,}"
        for line in lines
    )
    sizes = sorted({int(n) for table in curves.values() for n in table["n"]})
    return Picture(name, f"{term} over training steps: {ends}.", f"{term}, N = {', '.join(map(wording.count, sizes))}.")


def _snapshots(run: RunResult) -> tuple[np.ndarray, np.ndarray] | None:
    """Steps [S] and images [S, N, 32, 32, C] of the run's snapshots."""
    steps, images = run.probe("snapshot_steps"), run.probe("snapshot_images")
    return None if steps is None or images is None else (steps, images)


def _strip(run: RunResult, steps: np.ndarray, images: np.ndarray, folder: Path) -> Picture:
    name = pictures.slug("snapshots", run.name)
    chosen, marks = _even(len(steps), _ROWS), {}
    if run.snapshots is not None and len(run.snapshots) == len(steps):
        key, title = ("fid", "FID") if "fid" in run.snapshots else ("fd_classifier", "FD")
        best = int(np.argmin(run.snapshots[key]))
        chosen, marks = np.union1d(chosen, best), {best: f" (lowest {title})"}
    pictures.rows(folder / name, images[chosen, :_COLUMNS])
    text = ", ".join(f"{steps[place]:,}{marks.get(place, '')}" for place in chosen)
    return Picture(
        name, f"Rows of samples of {run.name} at steps {text}.", f"{run.name}: steps {text}; {wording.size(run)}."
    )


def _even(count: int, most: int) -> np.ndarray:
    """At most `most` of the indices 0 ... count - 1, evenly spread, with both ends."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))


def animations(dataset: SetResult, folder: Path) -> list[Picture]:
    """Samples from fixed noise while training proceeds."""
    shown = []
    for run in dataset.runs:
        if (snapshots := _snapshots(run)) is None:
            continue
        steps, images = snapshots
        name = pictures.slug("training-animation", run.name)
        titles = [f"step {step:,}" for step in steps]
        pictures.animation(folder / name, images[:, :_MOVING], titles, _SIDE)
        alt = f"Animation of samples of {run.name} during training, from fixed noise."
        shown.append(Picture(name, alt, f"{run.name}: {len(steps)} snapshots of the training."))
    return shown


def latent_space(dataset: SetResult, folder: Path) -> list[Block]:
    """Interpolations, and what the axes of the latent space mean."""
    planes, lines = [], []
    for run in dataset.runs:
        if (grid := run.probe("interpolation_grid")) is not None:
            name = pictures.slug("latent-grid", run.name)
            pictures.rows(folder / name, grid, levels=_LEVELS)
            alt = f"Samples of {run.name} over two latent coordinates."
            planes.append(Picture(name, alt, f"{run.name}: z[0] from -1 (top) to 1, z[1] from -1 (left) to 1."))
        if (images := run.probe("interpolation_lines")) is not None:
            name = pictures.slug("latent-lines", run.name)
            pictures.rows(folder / name, images[:_PAIRS, _LINE], framed=_ENDS, levels=_LEVELS)
            alt = f"Samples of {run.name} along lines through the latent space."
            lines.append(Picture(name, alt, f"{run.name}: {len(images[:_PAIRS])} pairs."))
    blocks: list[Block] = []
    if planes:
        caption = "A plane through the latent space: two coordinates vary, the others keep one random draw."
        blocks.append(Gallery(caption, "pixels", planes))
    if lines:
        caption = (
            "Lines z1 + i/9 (z2 - z1). The framed columns are z1 (i = 0) and z2 (i = 9); columns between them "
            "interpolate, columns outside extrapolate (i = -3 to 12)."
        )
        blocks.append(Gallery(caption, "pixels", lines))
    return blocks + _along_lines(dataset) + _disentanglement(dataset)


def _along_lines(dataset: SetResult) -> list[Block]:
    """Whether images between and beyond two samples look as real as the samples."""
    runs = [run for run in dataset.runs if run.metric("line_n") is not None]
    if not runs:
        return []
    rows = [
        Row(run.name, [
            *(wording.estimated(run.estimate(f"line_precision_i{i}"), scale=100) for i in (0, 4, 12, 14)),
            wording.estimated(run.estimate("line_classes")),
        ])
        for run in runs
    ]  # fmt: skip
    lines = ", ".join(wording.count(n) for n in sorted({run.metric("line_n") for run in runs}))
    explained = {
        "samples, %": "Precision at i = 0, of the generator's plain samples.",
        "middle, %": "Precision at i = 4.",
        "i = 12, %": "Precision three steps beyond z2.",
        "i = 14, %": "Precision five steps beyond z2.",
        "classes": "Mean number of classes that the classifier sees in the ten images from z1 to z2.",
    }
    caption = f"Precision along {lines} such lines, and how many classes a line passes."
    table = Table(caption, ["run", *explained], rows, [False] + [True] * len(explained), help=explained)
    return [Text(INTERPOLATION), *_between(runs), table]


def _between(runs: list[RunResult]) -> list[Block]:
    """How often images in the middle and beyond a sample look real, compared with samples."""
    parts = []
    for words, i in (("Images in the middle", 4), ("Images five steps beyond z2", 14)):
        found: dict[str, list[str]] = {}
        for run in runs:
            samples, images = (run.estimate(f"line_precision_i{place}") for place in (0, i))
            if None not in (samples.low, images.low):
                found.setdefault(_often(images, samples), []).append(run.name)
        if found:
            groups = "; ".join(f"{often} for {wording.listed(names)}" for often, names in found.items())
            parts.append(f"{words} look real {groups}.")
    return [Text(" ".join(parts), "Compared with samples:")] if parts else []


def _often(share: Estimate, samples: Estimate) -> str:
    difference = subtract(share, samples)
    assert difference.low is not None
    assert difference.high is not None
    if difference.low <= 0 <= difference.high:
        return "about as often"
    return "more often" if difference.low > 0 else "less often"


def _disentanglement(dataset: SetResult) -> list[Block]:
    runs = [run for run in dataset.runs if run.metric("path_length") is not None]
    if not runs:
        return []
    factors = list(dict.fromkeys(factor for run in runs for factor in run.factors()))
    known = [factor for factor in factors if factor != "class"]  # the class that the classifier sees, if none is known
    titles = ["all", *known] if known else factors
    rows = []
    for run in runs:
        cells = [wording.estimated(run.estimate("path_length"))]
        for suffix in ["", *(f"_{factor}" for factor in known)] if known else [f"_{factor}" for factor in factors]:
            shares = [run.metric(f"{kind}_r2{suffix}") for kind in ("direction", "coordinate")]
            direction, axis = wording.column([None if share is None else 100 * share for share in shares], 0)
            cells.append(f"{direction}\naxis {axis}")
        rows.append(Row(run.name, cells))
    caption = f"Smoothness of the latent space, from {runs[0].metric('path_length_n')} arcs."
    if factors:
        caption += (
            f" Disentanglement: the share of {'each true factor' if known else 'the recognised class'}'s variance that the best linear direction of z explains on "
            "held-out samples, and below it the share that the best single axis explains. In a disentangled space, axes "
            "do as well as directions."
        )
    explained = {
        "path length": "Perceptual path length (Karras et al. 2019) in classifier features. Lower is smoother.",
        "all, %": "Mean over the factors.",
    }
    columns = ["run", "path length", *(f"{title}, %" for title in titles)]
    return [Table(caption, columns, rows, [False] + [True] * (len(columns) - 1), help=explained)]


def equilibrium(dataset: SetResult, folder: Path) -> list[Block]:
    """How far each GAN is from its equilibrium."""
    runs = [run for run in dataset.runs if run.metric("c2st_accuracy") is not None]
    if not runs:
        return []
    rows = [
        Row(run.name, [
            wording.at_least(run.estimate("c2st_accuracy")),
            wording.estimated(run.estimate("c2st_accuracy"), scale=100),
            wording.estimated(run.estimate("js_bound_bits")),
            wording.percent(run.metric("d_accuracy")),
            *(wording.column([run.metric(key)], 3)[0] for key in ("d_real", "d_fake", "d_gap")),
        ])
        for run in runs
    ]  # fmt: skip
    explained = {
        "D* right": "Lower bound on how often the best discriminator D* is right. 50 % at the equilibrium.",
        "C2ST, %": "How often the two-sample classifier is right.",
        "divergence, bits": "Lower bound on the Jensen-Shannon divergence between data and samples.",
        "run's D": "How often the run's discriminator is right.",
        "D(x)": "Mean output of the run's discriminator on real images.",
        "D(G(z))": "Mean output of the run's discriminator on samples.",
        "difference": "Mean difference between the outputs of the run's discriminator and of the two-sample classifier.",
    }
    caption = (
        f"{_sizes(runs)} The outputs of a Wasserstein critic are not probabilities, so it has no accuracy and no "
        "difference."
    )
    plotted = []
    for run in runs:
        arrays = {key: run.probe(key) for key in ("d_held_out", "d_samples", "c2st_held_out", "c2st_samples")}
        shown = {key: array for key, array in arrays.items() if array is not None}
        if len(shown) == len(arrays):
            name = pictures.slug("discriminators", run.name)
            plots.outputs(folder / name, run.name, shown)
            alt = (
                f"Histograms of the outputs of the run's discriminator and of the two-sample classifier of {run.name}."
            )
            plotted.append(Picture(name, alt, f"{run.name}: the run's discriminator and the two-sample classifier."))
    gallery: list[Block] = (
        [Gallery("Outputs of the discriminators and classifiers.", "plot", plotted)] if plotted else []
    )
    findings = _findings(runs)
    table = Table(caption, ["run", *explained], rows, [False] + [True] * len(explained), help=explained)
    return [Text(EQUILIBRIUM), Text(findings, "Measured:"), table, *gallery]


def _sizes(runs: list[RunResult]) -> str:
    """How large the test was, such as "Tested on 1,000 held-out images and as many samples."."""
    images, steps = ({run.metric(key) for run in runs} - {None} for key in ("c2st_n", "c2st_steps"))
    counts, budgets = (", ".join(map(wording.count, sorted(values))) for values in (images, steps))
    return (
        f"Tested on {counts} held-out images and as many samples, after {budgets} steps of training each network."
        f"{wording.trained_on_all(runs)}"
    )


def _findings(runs: list[RunResult]) -> str:
    """Which trainings have not reached the equilibrium, and of which that is not known."""
    lows = {run.name: run.estimate("c2st_accuracy").low or 0.0 for run in runs}
    apart = {name: low for name, low in lows.items() if low > 0.5}
    alike = [name for name in lows if name not in apart]
    texts = []
    if apart:
        shares = ", ".join(f"{wording.percent(low)} (`{name}`)" for name, low in apart.items())
        texts.append(
            f"The best discriminator tells samples from data at least {shares} of the time, so "
            f"{'this training has' if len(apart) == 1 else 'these trainings have'} not reached the equilibrium."
        )
    if alike:
        texts.append(
            f"The two-sample classifier does not tell samples of {wording.listed(alike)} from data, which shows neither that "
            "they are alike nor that they differ."
        )
    return " ".join(texts)
