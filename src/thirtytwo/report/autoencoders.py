"""What the report says of a data set's autoencoders beyond their scores: reconstructions, codes, priors."""

from pathlib import Path

import numpy as np

from thirtytwo.report import figures, numbers, pictures
from thirtytwo.report.blocks import Block, Gallery, Picture, Row, Table
from thirtytwo.report.results import RunResult, SetResult

__all__ = ["codes", "reconstructions"]

_COLUMNS = 10  # images in a row of reconstructions
_TRAVERSED = 5  # dimensions shown

# Columns of the tables of codes: metric, title, decimals.
CODES = (
    ("distortion", "distortion", 1), ("rate_nats", "rate, nats", 2), ("aggregate_kl_nats", "of it q(z) to prior", 2),
    ("active_units", "active units", 0), ("code_dimensions", "of", 0), ("aggregate_mmd", "MMD to prior", 4),
    ("iwae_bits_per_dim", "bits/dim, at most", 3), ("elbo_bits_per_dim", "by the ELBO", 3),
)  # fmt: skip
FACTORS = (
    ("mig", "MIG", 3), ("dci_disentanglement", "DCI disentanglement", 3), ("dci_completeness", "completeness", 3),
    ("dci_informativeness", "informativeness", 3), ("sap", "SAP", 3),
)  # fmt: skip
PRIORS = {"standard": "N(0, I)", "gaussian": "fitted Gaussian", "mixture": "fitted mixture"}


def reconstructions(dataset: SetResult, folder: Path) -> list[Block]:
    """Held-out images above what is decoded from their codes."""
    shown = []
    for run in dataset.runs:
        originals, decoded = run.probe("reconstruction_originals"), run.probe("reconstructions")
        if originals is None or decoded is None:
            continue
        pairs = [
            part
            for i in range(0, len(originals), _COLUMNS)
            for part in (originals[i:][:_COLUMNS], decoded[i:][:_COLUMNS])
        ]
        name = figures.slug("reconstructions", run.name)
        pictures.rows(folder / name, np.stack(pairs))
        error = run.metric("distortion")
        told = f": squared error {numbers.plain(error)} an image" if error is not None else ""
        alt = f"Held-out images and, below each row, their reconstructions by {run.name}."
        shown.append(Picture(name, alt, f"{run.name}{told}."))
    caption = "Rows in turn: held-out images, and below them their reconstructions. The error is at a drawn code."
    return [Gallery(caption, "pixels", shown)] if shown else []


def codes(dataset: SetResult, folder: Path) -> list[Block]:
    """What the codes hold, whether they are disentangled, and from which prior to draw them."""
    runs = [run for run in dataset.runs if run.metric("distortion") is not None]
    if not runs:
        return []
    blocks: list[Block] = []
    shown = []
    for run in runs:
        if (ways := run.probe("traversals")) is not None and (moved := run.probe("traversal_dimensions")) is not None:
            name = figures.slug("traversals", run.name)
            pictures.rows(folder / name, ways[:_TRAVERSED])
            alt = f"Images by {run.name} as one dimension of a code at a time moves."
            told = ", ".join(str(j) for j in moved[:_TRAVERSED])
            shown.append(Picture(name, alt, f"{run.name}: dimensions {told}."))
    if shown:
        caption = (
            "Traversals: one held-out image's code, a row for each of the dimensions that vary most, moved from -3 to "
            "3 (of a plain autoencoder, in standard deviations)."
        )
        blocks.append(Gallery(caption, "pixels", shown))
    blocks.append(_table(runs, CODES, _codes_caption(runs)))
    if any(run.metric("mig") is not None for run in runs):
        caption = (
            "Is the code disentangled? Against the true factors of held-out images, each score in [0, 1], 1 for one "
            "dimension a factor: MIG (Chen et al. 2018), DCI (Eastwood & Williams 2018), SAP (Kumar et al. 2018)."
        )
        blocks.append(_table(runs, FACTORS, caption))
    return [*blocks, *_priors(runs)]


def _codes_caption(runs: list[RunResult]) -> str:
    images = ", ".join(sorted({numbers.count(run.metric("codes_n")) for run in runs}))
    bounds = {(run.metric("iwae_n"), run.metric("iwae_samples")) for run in runs if run.metric("iwae_n") is not None}
    told = "; ".join(f"on {n} images with K = {k} draws" for n, k in sorted(bounds))
    return (
        f"Codes of {images} held-out images. Distortion: mean squared error, summed over an image's values in [-1, 1]. "
        "Rate: mean KL(q(z|x) || p(z)); of it q(z) to prior: KL of the aggregate posterior (Hoffman & Johnson 2016), "
        "an upper estimate. Active units: dimensions whose mean varies by more than 0.01 (Burda et al. 2016). MMD: "
        "squared, of the aggregate posterior to N(0, I)."
        + (
            f" Bits a value of dequantised 8-bit images, an upper bound by IWAE {told}, beside that by the ELBO."
            if told
            else ""
        )
    )


def _table(runs: list[RunResult], columns: tuple[tuple[str, str, int], ...], caption: str) -> Table:
    shown = [column for column in columns if any(run.metric(column[0]) is not None for run in runs)]
    cells = [numbers.column([run.metric(key) for run in runs], decimals) for key, _, decimals in shown]
    rows = [Row(run.name, [column[i] for column in cells]) for i, run in enumerate(runs)]
    return Table(caption, ["run", *(title for _, title, _ in shown)], rows, [False] + [True] * len(shown))


def _priors(runs: list[RunResult]) -> list[Block]:
    """FD of the samples from each prior that was tried."""
    rows = []
    for run in runs:
        own = run.sampling.get("prior")
        for prior, title in PRIORS.items():
            key = "fd_classifier" if prior == own else f"fd_classifier_{prior}"
            if run.metric(key) is None:
                continue
            share = run.metric("accuracy" if prior == own else f"accuracy_{prior}")
            cells = [title, *numbers.scored([run.score(key)]), numbers.percent(share)]
            rows.append(Row(run.name, cells, "compared above" if prior == own else ""))
    caption = (
        "Samples from different priors of the code: the model's N(0, I), or a density fitted to the codes of training "
        "images (Ghosh et al. 2020). Same N as in the comparison."
    )
    columns = ["run", "z from", "fd_classifier", "right label"]
    return [Table(caption, columns, rows, [False, False, True, True])] if rows else []
