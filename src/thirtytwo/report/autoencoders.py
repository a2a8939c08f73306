"""Autoencoders beyond their scores: reconstructions, codes, priors."""

from pathlib import Path

import numpy as np

from thirtytwo.report import pictures, wording
from thirtytwo.report.blocks import Block, Gallery, Picture, Row, Table
from thirtytwo.report.results import RunResult, SetResult

__all__ = ["codes", "reconstructions"]

_COLUMNS = 10  # images in a row of reconstructions
_TRAVERSED = 5  # dimensions shown

# Columns of the tables of codes: metric, title, decimals, explanation.
CODES = (
    ("distortion", "distortion", 1, "Mean squared error, summed over an image's values in [-1, 1]."),
    ("rate_nats", "rate, nats", 2, "Mean KL(q(z|x) || p(z)) of held-out images."),
    ("aggregate_kl_nats", "q(z) to prior", 2, "The part of the rate that is the KL divergence between aggregate "
     "posterior and prior (Hoffman & Johnson 2016), an upper estimate."),
    ("active_units", "active units", 0, "Dimensions whose mean varies by more than 0.01 (Burda et al. 2016)."),
    ("code_dimensions", "dimensions", 0, "Dimensions of the code."),
    ("aggregate_mmd", "MMD to prior", 4, "Squared MMD between the aggregate posterior and N(0, I)."),
    ("iwae_bits_per_dim", "bits/dim (IWAE)", 3, "Upper bound on the bits per dimension of dequantised 8-bit images, by "
     "importance weighting."),
    ("elbo_bits_per_dim", "bits/dim (ELBO)", 3, "The looser bound by the ELBO."),
)  # fmt: skip
FACTORS = (
    ("mig", "MIG", 3, "Mutual information gap (Chen et al. 2018)."),
    ("dci_disentanglement", "DCI disentanglement", 3, "Whether a dimension encodes one factor (Eastwood & Williams "
     "2018)."),
    ("dci_completeness", "completeness", 3, "Whether one dimension encodes a factor (Eastwood & Williams 2018)."),
    ("dci_informativeness", "informativeness", 3, "How well the code predicts the factors (Eastwood & Williams 2018)."),
    ("sap", "SAP", 3, "Separated attribute predictability (Kumar et al. 2018)."),
)  # fmt: skip
PRIORS = {"standard": "N(0, I)", "gaussian": "fitted Gaussian", "mixture": "fitted mixture"}


def reconstructions(dataset: SetResult, folder: Path) -> list[Block]:
    """Held-out images above their reconstructions."""
    shown = []
    for run in dataset.runs:
        originals, decoded = run.probe("reconstruction_originals"), run.probe("reconstructions")
        if originals is None or decoded is None or not len(originals):
            continue
        columns = min(_COLUMNS, len(originals))
        starts = range(0, len(originals) - columns + 1, columns)  # of whole rows
        pairs = [part[i : i + columns] for i in starts for part in (originals, decoded)]
        name = pictures.slug("reconstructions", run.name)
        pictures.rows(folder / name, np.stack(pairs))
        error = run.metric("distortion")
        text = f": squared error {wording.plain(error)} per image" if error is not None else ""
        alt = f"Held-out images and, below each row, their reconstructions by {run.name}."
        shown.append(Picture(name, alt, f"{run.name}{text}."))
    caption = (
        "Held-out images, and below each row their reconstructions. The error is that of a code drawn from q(z|x)."
    )
    return [Gallery(caption, "pixels", shown)] if shown else []


def codes(dataset: SetResult, folder: Path) -> list[Block]:
    """What the codes hold, whether they are disentangled, and which prior to sample them from."""
    runs = [run for run in dataset.runs if run.metric("distortion") is not None]
    if not runs:
        return []
    blocks: list[Block] = []
    shown = []
    for run in runs:
        traversals, moved = run.probe("traversals"), run.probe("traversal_dimensions")
        if traversals is not None and moved is not None:
            name = pictures.slug("traversals", run.name)
            pictures.rows(folder / name, traversals[:_TRAVERSED])
            alt = f"Images by {run.name} while one dimension of the code changes at a time."
            dimensions = ", ".join(str(j) for j in moved[:_TRAVERSED])
            shown.append(Picture(name, alt, f"{run.name}: dimensions {dimensions}."))
    if shown:
        caption = (
            "Traversals: each row moves one dimension of a held-out image's code from -3 to 3 (for a plain autoencoder, "
            "in standard deviations). The rows are the dimensions that vary most."
        )
        blocks.append(Gallery(caption, "pixels", shown))
    blocks.append(_table(runs, CODES, _codes_caption(runs)))
    if any(run.metric("mig") is not None for run in runs):
        caption = (
            "Disentanglement of the code, measured against the true factors of held-out images. Each score lies in "
            "[0, 1]; 1 means one dimension for each factor."
        )
        blocks.append(_table(runs, FACTORS, caption))
    return [*blocks, *_priors(runs)]


def _codes_caption(runs: list[RunResult]) -> str:
    images = ", ".join(sorted({wording.count(run.metric("codes_n")) for run in runs}))
    bounds = {(run.metric("iwae_n"), run.metric("iwae_samples")) for run in runs if run.metric("iwae_n") is not None}
    text = "; ".join(f"{n} images with K = {k} draws" for n, k in sorted(bounds))
    return f"Codes of {images} held-out images." + (f" IWAE uses {text}." if text else "")


def _table(runs: list[RunResult], columns: tuple[tuple[str, str, int, str], ...], caption: str) -> Table:
    shown = [column for column in columns if any(run.metric(column[0]) is not None for run in runs)]
    cells = [wording.column([run.metric(key) for run in runs], decimals) for key, _, decimals, _ in shown]
    rows = [Row(run.name, [column[i] for column in cells]) for i, run in enumerate(runs)]
    titles = [title for _, title, _, _ in shown]
    explained = {title: text for _, title, _, text in shown}
    return Table(caption, ["run", *titles], rows, [False] + [True] * len(shown), help=explained)


def _priors(runs: list[RunResult]) -> list[Block]:
    """FD of the samples from each prior that was tried."""
    rows = []
    for run in runs:
        used = run.sampling.get("prior")
        for prior, title in PRIORS.items():
            key = "fd_classifier" if prior == used else f"fd_classifier_{prior}"
            if run.metric(key) is None:
                continue
            share = run.metric("accuracy" if prior == used else f"accuracy_{prior}")
            cells = [title, wording.estimated(run.estimate(key)), wording.percent(share)]
            rows.append(Row(run.name, cells, "in the comparison" if prior == used else ""))
    caption = (
        "Samples from different priors: the model's N(0, I), or a density fitted to the codes of training images (Ghosh "
        "et al. 2020). N is the comparison's."
    )
    columns = ["run", "prior", "FD", "accuracy"]
    return [Table(caption, columns, rows, [False, False, True, True])] if rows else []
