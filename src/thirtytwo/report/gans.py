"""What the report says of a data set's GANs beyond their scores: training, latent space, equilibrium."""

from pathlib import Path

import numpy as np
import pandas as pd

from thirtytwo.report import figures, numbers, pictures
from thirtytwo.report.blocks import Block, Gallery, Picture, Row, Table, Text
from thirtytwo.report.results import RunResult, SetResult

__all__ = ["along_training", "equilibrium", "latent_space"]

_COLUMNS = 10  # images of each snapshot in a picture
_ROWS = 5  # snapshots in a picture
_SIDE, _MOVING = 10, 40  # images a row, and all images, of an animation
_PAIRS, _WAY = 5, slice(2, 18)  # lines, and columns of them: i = -3 ... 12
_PLANE = 4  # rows of a plane
_ENDS = (3, 12)  # columns of z1 and z2 among those shown

EQUILIBRIUM = (
    "At the equilibrium of a GAN's game the samples are distributed as the data, and then the best discriminator "
    "D* = p / (p + q) is 1/2 everywhere: nothing is left to be told apart (Goodfellow et al. 2014, propositions 1 and "
    "2). Whether training got there cannot be read off the run's own discriminator, which may just be a weak one. So "
    "a new discriminator of the same architecture is trained against the finished generator, which stands still, and "
    "is then asked about held-out real images and new samples. Its accuracy would be 50 % at the equilibrium. What it "
    "says bounds the Jensen-Shannon divergence of data and samples from below (0 bits: equal; 1 bit: never to be "
    "confused), and its mean distance from the run's own discriminator says how far that one is from D*."
)


def along_training(dataset: SetResult, folder: Path) -> list[Block]:
    """The score along the training, all runs in one panel and each with its images, and an animation."""
    curves = {run.name: run.scores for run in dataset.runs if run.scores is not None and len(run.scores)}
    if not curves:
        return []
    plots = []
    for term in ("fd_classifier", "fid"):
        shown = {name: table for name, table in curves.items() if term in table}
        if shown:
            plots.append(_score_curves(dataset, shown, term, folder))
    blocks: list[Block] = [
        Gallery(
            "Score along the training, from weights kept on the way. N is smaller than in the comparison, so these "
            "values are not to be set beside those.", "plot", plots,
        )
    ]  # fmt: skip
    strips = []
    for run in dataset.runs:
        steps, images = run.probe("snapshot_steps"), run.probe("snapshot_images")
        if steps is None or images is None:
            continue
        strips += [_strip(run, steps, images, folder), _animation(run, steps, images, folder)]
    caption = "The same noise by the weights of each snapshot: a row a snapshot, first to last; then as an animation."
    return [*blocks, Gallery(caption, "pixels", strips)] if strips else blocks


def _score_curves(dataset: SetResult, curves: dict[str, pd.DataFrame], term: str, folder: Path) -> Picture:
    name = figures.slug("scores-in-training", dataset.name, term)
    figures.lines(folder / name, term, curves, term, log=True)
    ends = {run: numbers.plain(float(table[term].iloc[-1])) for run, table in curves.items()}
    best = {run: int(table["step"].iloc[int(table[term].argmin())]) for run, table in curves.items()}
    told = "; ".join(f"{run} ends at {value}, lowest at step {best[run]:,}" for run, value in ends.items())
    sizes = sorted({int(n) for table in curves.values() for n in table["n"]})
    return Picture(name, f"{term} over training steps: {told}.", f"{term}, N = {', '.join(map(numbers.count, sizes))}.")


def _strip(run: RunResult, steps: np.ndarray, images: np.ndarray, folder: Path) -> Picture:
    name = figures.slug("snapshots", run.name)
    chosen = _even(len(steps), _ROWS)
    pictures.rows(folder / name, images[chosen, :_COLUMNS])
    told = ", ".join(f"{step:,}" for step in steps[chosen])
    return Picture(name, f"Rows of samples of {run.name} at the steps {told}.", f"{run.name} at steps {told}.")


def _even(count: int, most: int) -> np.ndarray:
    """At most `most` of the places 0 ... count - 1, evenly spread, both ends among them."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))


def _animation(run: RunResult, steps: np.ndarray, images: np.ndarray, folder: Path) -> Picture:
    name = figures.slug("animation", run.name)
    pictures.animation(folder / name, images[:, :_MOVING], [f"step {step:,}" for step in steps], _SIDE)
    alt = f"Animation of samples of {run.name} as training goes on, from fixed noise."
    return Picture(name, alt, f"{run.name}: {len(steps)} snapshots; plays three times.")


def latent_space(dataset: SetResult, folder: Path) -> list[Block]:
    """Interpolations, and what the axes of the latent space mean."""
    planes, lines = [], []
    for run in dataset.runs:
        if (grid := run.probe("interpolation_grid")) is not None:
            name = figures.slug("latent-grid", run.name)
            pictures.rows(folder / name, grid[_even(len(grid), _PLANE)])
            alt = f"Samples of {run.name} over two latent coordinates."
            planes.append(Picture(name, alt, f"{run.name}: z[0] from -1 (top) to 1, z[1] from -1 (left) to 1."))
        if (ways := run.probe("interpolation_lines")) is not None:
            name = figures.slug("latent-lines", run.name)
            pictures.rows(folder / name, ways[:_PAIRS, _WAY], framed=_ENDS)
            alt = f"Samples of {run.name} along lines through the latent space."
            lines.append(Picture(name, alt, f"{run.name}: {len(ways[:_PAIRS])} pairs."))
    blocks: list[Block] = []
    if planes:
        caption = "A plane through the latent space: two coordinates vary, the others stay at one random draw."
        blocks.append(Gallery(caption, "pixels", planes))
    if lines:
        caption = (
            "Lines z1 + i/9 (z2 - z1): the framed columns are z1 (i = 0) and z2 (i = 9); the columns between them "
            "interpolate, those beyond them extrapolate (i = -3 to 12)."
        )
        blocks.append(Gallery(caption, "pixels", lines))
    return blocks + _disentanglement(dataset)


def _disentanglement(dataset: SetResult) -> list[Block]:
    runs = [run for run in dataset.runs if run.metric("path_length") is not None]
    if not runs:
        return []
    factors = list(dict.fromkeys(
        key.removeprefix("direction_r2_")
        for run in runs
        for key in run.metrics or {}
        if key.startswith("direction_r2_")
    ))  # fmt: skip
    lengths = numbers.scored([run.score("path_length") for run in runs])
    columns = ["path length"]
    named = ["all", *factors] if factors else []
    columns += [f"{name}, %" for name in named]
    rows = []
    for run, length in zip(runs, lengths, strict=True):
        cells = [length]
        for name in ["", *(f"_{factor}" for factor in factors)] if factors else []:
            shares = [run.metric(f"{kind}_r2{name}") for kind in ("direction", "coordinate")]
            best, axis = numbers.column([None if share is None else 100 * share for share in shares], 0)
            cells.append(f"{best}\naxis {axis}")
        rows.append(Row(run.name, cells))
    caption = (
        "Perceptual path length (Karras et al. 2019) in classifier features, "
        f"{runs[0].metric('path_length_n')} arcs: the smaller, the smoother."
    )
    if factors:
        caption += (
            " Is the latent space disentangled? The share of each ground-truth factor's variance, read off the "
            "samples, that its best linear direction of z explains on samples held out, and below it the best single "
            "axis of z. Axes as good as directions would mean that the axes are the factors."
        )
    return [Table(caption, ["run", *columns], rows, [False] + [True] * len(columns))]


def equilibrium(dataset: SetResult, folder: Path) -> list[Block]:
    """How far each GAN is from its equilibrium."""
    runs = [run for run in dataset.runs if run.metric("fresh_accuracy") is not None]
    if not runs:
        return []
    told = " ".join(_finding(run) for run in runs)
    rows = [
        Row(run.name, [
            *numbers.scored([run.score("fresh_accuracy")], scale=100),
            *numbers.column([run.metric("js_bound_bits")], 3),
            numbers.percent(run.metric("d_accuracy")),
            *(numbers.column([run.metric(key)], 3)[0] for key in ("d_real", "d_fake", "d_gap")),
        ])
        for run in runs
    ]  # fmt: skip
    columns = ["run", "fresh D is right, %", "divergence, at least, bits", "own D is right", "own D(x)", "own D(G(z))",
               "own D from fresh D"]  # fmt: skip
    caption = (
        "On held-out real images and as many samples. A Wasserstein critic's outputs are scores and no probabilities, "
        "so it has no accuracy and no distance from D*."
    )
    shown_outputs = []
    for run in runs:
        arrays = {key: run.probe(key) for key in ("d_held_out", "d_samples", "fresh_held_out", "fresh_samples")}
        shown = {key: array for key, array in arrays.items() if array is not None}
        if len(shown) == len(arrays):
            name = figures.slug("discriminators", run.name)
            figures.outputs(folder / name, run.name, shown)
            alt = f"Histograms of the outputs of the own and of the fresh discriminator of {run.name}."
            shown_outputs.append(Picture(name, alt, f"{run.name}: own discriminator and fresh one."))
    gallery: list[Block] = [Gallery("What the discriminators say.", "plot", shown_outputs)] if shown_outputs else []
    return [Text(EQUILIBRIUM), Text(told, "Measured:"), Table(caption, columns, rows, [False] + [True] * 6), *gallery]


def _finding(run: RunResult) -> str:
    right, low = run.metric("fresh_accuracy"), run.metric("fresh_accuracy_low")
    reached = "so it is not at the equilibrium" if low > 0.5 else "which is no better than a guess"
    return f"Against `{run.name}` a fresh discriminator is right on {numbers.percent(right)}, {reached}."
