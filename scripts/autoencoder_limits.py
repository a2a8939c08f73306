"""Whether the code or the training limits a plain autoencoder of the likelihood gaussian, such as ae_1024.

    python scripts/autoencoder_limits.py RUN EPOCHS

Prints the squared error of held-out images, summed over an image: by PCA with as many components as the code has
values, which is the best that a linear encoder and decoder can do; by the trained run; and after each of EPOCHS (at
least 1) further epochs at a tenth of its learning rate. What the pipeline has made is left as it is.
"""  # fmt: skip

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA

from thirtytwo import models
from thirtytwo.core.device import set_up
from thirtytwo.data import batches
from thirtytwo.models.autoencoder.model import Autoencoder
from thirtytwo.runtime.errors import CheckpointError, ParamsError
from thirtytwo.training import loading
from thirtytwo.training.loop import train

ROOT = Path(__file__).resolve().parents[1]


def pca_error(train: np.ndarray, held_out: np.ndarray, components: int) -> float:
    """Mean squared error of `held_out` [M, D] by the first principal components of `train` [N, D], summed over D."""
    pca = PCA(components, svd_solver="covariance_eigh").fit(train)
    return float(np.square(held_out - pca.inverse_transform(pca.transform(held_out))).sum(1).mean())


def main(run: str, epochs: int) -> None:
    """Prints the errors."""
    cfg = models.read_config(run, ROOT)
    device = set_up(cfg.compute)
    data = batches.load(ROOT / "data/prepared" / f"{cfg.dataset}.npz")
    model = loading.load(run, "raw", ROOT, device)
    if not isinstance(model, Autoencoder) or model.settings.variational or model.conditional:
        sys.exit(f"error: {run} is no plain autoencoder; expected a run with variational: false")
    size = model.settings.latent_dim
    parts = [batches.to_float(torch.from_numpy(data.only(part).images)).flatten(1) for part in ("train", "test")]
    print(f"PCA, {size} components: {pca_error(parts[0].numpy(), parts[1].numpy(), size):.4g}")
    curve = pd.read_csv(ROOT / "plots/validation" / f"{run}.csv")
    print(f"{run} as trained: {curve['reconstruction'].iloc[-1]:.4g}", flush=True)

    model.modules.requires_grad_(True)
    changed = {"lr": model.settings.lr / 10, "epochs": epochs, "steps": 0, "validate_every": 0}
    model.settings = model.settings.model_copy(update=changed)
    with TemporaryDirectory() as folder:
        state = train(
            model, data, model.settings, seed=cfg.seed, device=device, precision=cfg.compute.precision,
            checkpoints=Path(folder), exit_code=lambda: 0,
        )  # fmt: skip
    for row in state.validation:
        print(f"further epoch {row['epoch']:g} at a learning rate of {changed['lr']:g}: {row['reconstruction']:.4g}")


if __name__ == "__main__":
    if len(sys.argv) != 3 or not sys.argv[2].isdigit() or sys.argv[2] == "0":
        sys.exit("usage: python scripts/autoencoder_limits.py RUN EPOCHS")
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except (ParamsError, CheckpointError) as problem:
        sys.exit(f"error: {problem}")
