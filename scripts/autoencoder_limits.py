"""Test whether code size or training limits a plain autoencoder with gaussian likelihood, such as ae_1024.

    python scripts/autoencoder_limits.py RUN EPOCHS

Prints the squared error of held-out images, summed over each image: of PCA with as many components as the code has
values, the optimum of a linear autoencoder; of the trained run; and after each of EPOCHS (at least 1) further epochs at
a tenth of its learning rate. Outputs of the pipeline are not changed.
"""  # fmt: skip

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA

from thirtytwo.core.device import set_up
from thirtytwo.data import batches
from thirtytwo.models import build
from thirtytwo.models.autoencoder.model import Autoencoder
from thirtytwo.runtime.errors import ThirtyTwoError
from thirtytwo.runtime.project import Project
from thirtytwo.settings.families import read_train
from thirtytwo.training.loop import train


def pca_error(train: np.ndarray, held_out: np.ndarray, components: int) -> float:
    """Return the mean squared error, summed over D, of `held_out` [M, D] by principal components of `train` [N, D]."""
    pca = PCA(components, svd_solver="covariance_eigh").fit(train)
    return float(np.square(held_out - pca.inverse_transform(pca.transform(held_out))).sum(1).mean())


def main(run: str, epochs: int) -> None:
    """Print the errors."""
    project = Project.containing(Path.cwd())
    cfg = read_train(run, project)
    device = set_up(cfg.compute)
    data = batches.load(project.prepared(cfg.dataset))
    model = build.load(cfg, project.model(run), "raw", device)
    if not isinstance(model, Autoencoder) or model.settings.variational or model.conditional:
        sys.exit(f"error: {run}: expected a plain autoencoder (variational: false, unconditional)")
    size = model.settings.latent_dim
    x = [batches.to_float(torch.from_numpy(data.only(split).images)).flatten(1).numpy() for split in ("train", "test")]
    print(f"PCA, {size} components: {pca_error(*x, size):.4g}")
    curve = pd.read_csv(project.plot("validation", run))
    print(f"{run} as trained: {curve['reconstruction'].iloc[-1]:.4g}", flush=True)

    model.modules.requires_grad_(True)
    changed = {"lr": model.settings.lr / 10, "epochs": epochs, "steps": 0, "validate_every": 0}
    model.settings = model.settings.model_copy(update=changed)
    with TemporaryDirectory() as folder:
        state = train(
            model, data, model.settings, seed=cfg.seed, device=device, precision=cfg.compute.precision,
            folder=Path(folder), exit_code=lambda: 0,
        )  # fmt: skip
    for row in state.validation:
        print(f"further epoch {row['epoch']:g} at a learning rate of {changed['lr']:g}: {row['reconstruction']:.4g}")


if __name__ == "__main__":
    if len(sys.argv) != 3 or not sys.argv[2].isdigit() or sys.argv[2] == "0":
        sys.exit("usage: python scripts/autoencoder_limits.py RUN EPOCHS")
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except ThirtyTwoError as error:
        sys.exit(f"error: {error}")
