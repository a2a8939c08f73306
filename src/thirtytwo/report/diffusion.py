"""What the report says of a data set's diffusion models beyond their scores: the way, the bound, the schedule."""

from pathlib import Path

import numpy as np

from thirtytwo.models.diffusion import schedules
from thirtytwo.report import charts, figures, numbers, pictures
from thirtytwo.report.blocks import Block, Gallery, Picture, Row, Table
from thirtytwo.report.charts import Series
from thirtytwo.report.results import RunResult, SetResult

__all__ = ["bounds", "noise_schedules", "ways"]

_IMAGES = 3  # whose way is shown
_FRAMES = 10
_SIDE = 10


def ways(dataset: SetResult, folder: Path) -> list[Block]:
    """From noise to image: x_t and what the network makes of it, as a strip and as an animation."""
    strips, animations = [], []
    for run in dataset.runs:
        x, x0, t = (run.probe(f"trajectory_{name}") for name in ("frames", "estimates", "timesteps"))
        if x is None or x0 is None or t is None:
            continue
        strips.append(_strip(run, x, x0, t, folder))
        animations.append(_animation(run, x, x0, t, folder))
    caption = (
        "From noise (left) to image: in turn x_t, as the sampler walks down the timesteps, and below it the image that "
        "the network predicts from it. At first it predicts a mean of many images, later one of them."
    )
    moving = "More of them moving: above x_t, below the prediction; each plays three times."
    return [Gallery(caption, "pixels", strips), Gallery(moving, "pixels", animations)] if strips else []


def _strip(run: RunResult, x: np.ndarray, x0: np.ndarray, t: np.ndarray, folder: Path) -> Picture:
    chosen = np.unique(np.linspace(0, len(t) - 1, min(_FRAMES, len(t))).round().astype(int))
    pairs = [frames[chosen, image] for image in range(min(_IMAGES, x.shape[1])) for frames in (x, x0)]
    name = figures.slug("way", run.name)
    pictures.rows(folder / name, np.stack(pairs))
    told = ", ".join(str(int(step)) for step in t[chosen])
    alt = f"Rows of images by {run.name}, from noise to sample, and below each row the network's predictions."
    return Picture(name, alt, f"{run.name}, at the timesteps t = {told}.")


def _animation(run: RunResult, x: np.ndarray, x0: np.ndarray, t: np.ndarray, folder: Path) -> Picture:
    name = figures.slug("way-animation", run.name)
    side = min(_SIDE, x.shape[1])
    titles = [f"t = {int(step)}" for step in t]
    pictures.animation(folder / name, np.concatenate([x[:, :side], x0[:, :side]], axis=1), titles, side, 300)
    alt = f"Animation of {side} samples of {run.name} as noise turns into images."
    return Picture(name, alt, f"{run.name}, {len(t)} frames.")


def bounds(dataset: SetResult) -> list[Block]:
    """Bits per dimension of held-out images, beside those of the autoencoders."""
    if not any(run.metric("bits_per_dim") is not None for run in dataset.runs):
        return []
    rows = []
    for run in dataset.runs:
        key = "bits_per_dim" if run.metric("bits_per_dim") is not None else "iwae_bits_per_dim"
        if run.metric(key) is None:
            continue
        bound = numbers.scored([run.score(key)])
        parts = numbers.column([run.metric("rate_bits_per_dim"), run.metric("distortion_bits_per_dim")], 3)
        images = run.metric("bits_per_dim_n") or run.metric("iwae_n")
        kind = "variational bound" if key == "bits_per_dim" else f"IWAE, K = {run.metric('iwae_samples')}"
        rows.append(Row(run.name, [*bound, *parts, numbers.count(images), kind]))
    caption = (
        "Bits a value of held-out 8-bit images, at most: lower is better, and 8 would be no model at all. Of diffusion "
        "the variational bound (Ho et al. 2020, eq. 5), split into the rate L_1 + ... + L_T and the distortion L_0. A "
        "bound says little of how samples look, and samples little of the bound; a GAN has none."
    )
    columns = ["run", "bits/dim", "rate", "distortion", "images", "by"]
    return [Table(caption, columns, rows, [False, True, True, True, True, False])]


def noise_schedules(dataset: SetResult, folder: Path) -> list[Block]:
    """How fast the forward process drowns an image; runs of the same schedule are one line."""
    groups: dict[str, tuple[schedules.Schedule, list[str]]] = {}
    for run in dataset.runs:
        keys = ("schedule", "timesteps", "beta_start", "beta_end")
        if run.family == "diffusion" and all(key in run.model for key in keys):
            kind, timesteps, start, end = (run.model[key] for key in keys)
            told = f"{kind}, T = {timesteps}" + ("" if kind == "cosine" else f", β {start:g} to {end:g}")
            groups.setdefault(told, (schedules.make(kind, timesteps, start, end), []))[1].append(run.name)
    if not groups:
        return []
    lines, ends = [], []
    for told, (schedule, runs) in groups.items():
        t = np.linspace(0, schedule.timesteps, 11).round().astype(int)
        lines.append(Series(told, list(t), list(np.sqrt(schedule.alpha_bars[t])), None, None))
        ends.append(f"{told} ends at {schedule.alpha_bars[-1] ** 0.5:.2g} ({', '.join(runs)})")
    name, shown = figures.slug("schedules", dataset.name), "; ".join(ends)
    charts.series(folder / name, "noise schedule", lines, ("t", "√ᾱ_t"), log=(False, False), floor=None)
    alt = f"Share of the image left in x_t over t: {shown}."
    caption = "Share of the image left in x_t = √ᾱ_t x_0 + √(1 - ᾱ_t) ε over the timesteps (Ho et al. 2020, eq. 4)."
    return [Gallery(caption, "plot", [Picture(name, alt, f"{shown}.")])]
