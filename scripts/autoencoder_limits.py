"""Whether the code or the training limits a plain autoencoder of the likelihood gaussian, such as ae_1024.

    python scripts/autoencoder_limits.py RUN EPOCHS

Prints the squared error of held-out images, summed over an image: by PCA with as many components as the code has
values, which is the best that a linear encoder and decoder can do; by the trained run; and after each of EPOCHS
further epochs at a tenth of its learning rate. What the pipeline has made is left as it is.
"""  # fmt: skip

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from thirtytwo import checkpoint, config, families, trained
from thirtytwo.data import batches
from thirtytwo.device import set_up
from thirtytwo.families.autoencoder import Autoencoder, squared_error

ROOT = Path(__file__).resolve().parents[1]


def pca_error(train: np.ndarray, held_out: np.ndarray, components: int) -> float:
    """Mean squared error of `held_out` [M, D] by the first principal components of `train` [N, D], summed over D."""
    pca = PCA(components, svd_solver="covariance_eigh").fit(train)
    return float(np.square(held_out - pca.inverse_transform(pca.transform(held_out))).sum(1).mean())


def error(model: Autoencoder, images: Tensor) -> float:
    """Mean over the uint8 images [N, 32, 32, C]."""
    with torch.no_grad():
        total = sum(_error(model, part).sum().item() for part in images.split(250))
    return total / len(images)


def _error(model: Autoencoder, images: Tensor) -> Tensor:
    x = batches.to_float(images)
    return squared_error(x, model.decode(model.encode(x)[0], None))


def main(run: str, epochs: int) -> None:
    """Prints the errors."""
    cfg = families.read_config(run, ROOT)
    device = set_up(cfg.compute)
    data = batches.load(ROOT / "data/prepared" / f"{cfg.dataset}.npz")
    model = trained.load(run, "raw", ROOT, device)
    if not isinstance(model, Autoencoder) or model.settings.variational or model.conditional:
        sys.exit(f"error: {run} is no plain autoencoder; expected a run with variational: false")
    s = model.settings
    flat = [batches.to_float(torch.from_numpy(data.only(part).images)).flatten(1).numpy() for part in ("train", "test")]
    print(f"PCA, {s.latent_dim} components: {pca_error(flat[0], flat[1], s.latent_dim):.4g}")

    train, held_out = (torch.from_numpy(data.only(part).images).to(device) for part in ("train", "test"))
    print(f"{run} as trained: {error(model, held_out):.4g}", flush=True)
    weights = list(model.modules.parameters())
    for weight in weights:
        weight.requires_grad_(True)
    adam = torch.optim.Adam(weights, lr=s.lr / 10, betas=(s.betas[0], s.betas[1]), fused=True)
    rng = torch.Generator().manual_seed(cfg.seed)
    for epoch in range(1, epochs + 1):
        order = torch.randperm(len(train), generator=rng).to(device)
        for part in order[: len(order) // s.batch_size * s.batch_size].split(s.batch_size):
            adam.zero_grad()
            _error(model, train[part]).mean().backward()
            if s.clip_norm:
                nn.utils.clip_grad_norm_(weights, s.clip_norm)
            adam.step()
        print(f"epoch {epoch} at a learning rate of {s.lr / 10:g}: {error(model, held_out):.4g}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 3 or not sys.argv[2].isdigit():
        sys.exit("usage: python scripts/autoencoder_limits.py RUN EPOCHS")
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except (config.ParamsError, checkpoint.CheckpointError) as problem:
        sys.exit(f"error: {problem}")
