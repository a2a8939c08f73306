"""Diffusion models, flows and EDMs beyond their scores: from noise to image, likelihood bounds, noise schedules."""

from pathlib import Path

import numpy as np

from thirtytwo.models.diffusion import schedules
from thirtytwo.report import pictures, plots, wording
from thirtytwo.report.blocks import Block, Gallery, Picture, Row, Table
from thirtytwo.report.plots import Series
from thirtytwo.report.results import RunResult, SetResult

__all__ = ["animations", "bounds", "noise_schedules", "strips"]

_IMAGES = 2  # followed from noise to image
_FRAMES = 10
_SIDE = 10


def strips(dataset: SetResult, folder: Path) -> list[Picture]:
    """From noise to image: x_t, and below it the image that is predicted from x_t."""
    shown = []
    for run in dataset.runs:
        if (trajectory := _trajectory(run)) is None:
            continue
        x, x0, t = trajectory
        chosen = np.unique(np.linspace(0, len(t) - 1, min(_FRAMES, len(t))).round().astype(int))
        pairs = [frames[chosen, image] for image in range(min(_IMAGES, x.shape[1])) for frames in (x, x0)]
        name = pictures.slug("noise-to-image", run.name)
        pictures.rows(folder / name, np.stack(pairs))
        times = ", ".join(_time(time) for time in t[chosen])
        alt = f"Rows of images by {run.name}, from noise to sample, and below each row the predicted images."
        shown.append(Picture(name, alt, f"{run.name}: t = {times}."))
    return shown


def _time(t: float) -> str:
    """A timestep, or a time or noise level to two digits."""
    return f"{t:.4g}" if t >= 10 else f"{t:.2g}"


def animations(dataset: SetResult, folder: Path) -> list[Picture]:
    """Noise turning into images: x_t above, predictions below."""
    shown = []
    for run in dataset.runs:
        if (trajectory := _trajectory(run)) is None:
            continue
        x, x0, t = trajectory
        name = pictures.slug("noise-to-image-animation", run.name)
        side = min(_SIDE, x.shape[1])
        titles = [f"t = {_time(time)}" for time in t]
        pictures.animation(folder / name, np.concatenate([x[:, :side], x0[:, :side]], axis=1), titles, side, 300)
        alt = f"Animation of {side} samples of {run.name}: noise turns into images."
        shown.append(Picture(name, alt, f"{run.name}: x_t above, the predicted image below."))
    return shown


def _trajectory(run: RunResult) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    names = ("trajectory_frames", "trajectory_estimates", "trajectory_timesteps")
    if run.family in ("flow", "edm"):
        names = ("flow_frames", "flow_estimates", "flow_times")
    x, x0, t = (run.probe(name) for name in names)
    return None if x is None or x0 is None or t is None else (x, x0, t)


def bounds(dataset: SetResult) -> list[Block]:
    """Bits per dimension of held-out images, beside those of the autoencoders."""
    if not any(run.metric("bits_per_dim") is not None for run in dataset.runs):
        return []
    rows = []
    for run in dataset.runs:
        key = "bits_per_dim" if run.metric("bits_per_dim") is not None else "iwae_bits_per_dim"
        if run.metric(key) is None:
            continue
        parts = wording.column([run.metric("rate_bits_per_dim"), run.metric("distortion_bits_per_dim")], 3)
        images = run.metric("bits_per_dim_n") or run.metric("iwae_n")
        kind = "variational bound" if key == "bits_per_dim" else f"IWAE, K = {run.metric('iwae_samples')}"
        rows.append(Row(run.name, [wording.estimated(run.estimate(key)), *parts, wording.count(images), kind]))
    caption = (
        "Upper bounds on the bits per dimension of held-out 8-bit images. Likelihood and sample quality are only "
        "loosely related. GANs have no likelihood."
    )
    columns = ["run", "bits/dim", "rate", "distortion", "images", "bound"]
    explained = {
        "bits/dim": "Lower is better. 8 bits would need no model.",
        "rate": "L_1 + ... + L_T of the variational bound (Ho et al. 2020, eq. 5).",
        "distortion": "L_0 of the variational bound.",
        "bound": "Variational bound for diffusion; importance-weighted bound (IWAE) for autoencoders.",
    }
    return [Table(caption, columns, rows, [False, True, True, True, True, False], help=explained)]


def noise_schedules(dataset: SetResult, folder: Path) -> list[Block]:
    """How fast the forward process destroys an image; runs with the same schedule share a line."""
    groups: dict[str, tuple[schedules.Schedule, list[str]]] = {}
    for run in dataset.runs:
        keys = ("schedule", "timesteps", "beta_start", "beta_end")
        if run.family == "diffusion" and all(key in run.model for key in keys):
            kind, timesteps, start, end = (run.model[key] for key in keys)
            title = f"{kind}, T = {timesteps}" + ("" if kind == "cosine" else f", β {start:g} to {end:g}")
            groups.setdefault(title, (schedules.make(kind, timesteps, start, end), []))[1].append(run.name)
    if not groups:
        return []
    lines, ends = [], []
    for title, (schedule, runs) in groups.items():
        t = np.linspace(0, schedule.timesteps, 11).round().astype(int)
        lines.append(Series(title, list(t), list(np.sqrt(schedule.alpha_bars[t]))))
        ends.append(f"{title} ends at {schedule.alpha_bars[-1] ** 0.5:.2g} ({', '.join(runs)})")
    name, shown = pictures.slug("schedules", dataset.name), "; ".join(ends)
    plots.series(folder / name, "noise schedule", lines, ("t", "√ᾱ_t"))
    alt = f"Weight of the image in x_t over t: {shown}."
    caption = "Weight √ᾱ_t of the image in x_t = √ᾱ_t x_0 + √(1 - ᾱ_t) ε over the timesteps (Ho et al. 2020, eq. 4)."
    return [Gallery(caption, "plot", [Picture(name, alt, f"{shown}.")])]
