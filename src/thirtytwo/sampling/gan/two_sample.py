"""Classifier two-sample test (C2ST; Lopez-Paz & Oquab 2017): can a classifier tell samples from real images?

The same small network, optimiser and budget judge every GAN, whatever its own discriminator. The network has no
BatchNorm, which would let it see the statistics of a batch instead of one image, and it sees pixels of 8 bits, as all
other scores do: the generator's exact values would give it away. Several networks are trained from different seeds, each
keeps the weights with the lowest cross-entropy on images held back from training, and their probabilities are averaged.
Tested on images and samples that neither training nor stopping has used, the accuracy is a lower bound on that of the
best possible discriminator.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from thirtytwo.core.seeds import derive_seed

__all__ = ["NETWORKS", "Labelled", "Network", "probabilities", "train"]

NETWORKS = 3  # trained from different seeds
_WIDTH, _BATCH, _LEARNING_RATE = 12, 32, 6e-3  # the learning rate falls linearly to 0
_CHECKS = 5  # of the cross-entropy on the validation part
_VALIDATION = 0.125  # share of the images held back to choose the weights
_CHUNK = 500


@dataclass(frozen=True)
class Labelled:
    """Images [N, C, 32, 32] in [-1, 1] of 8-bit levels, and their labels [N] int64 (zeros without labels)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def at(self, places: np.ndarray | slice) -> "Labelled":
        return Labelled(self.images[places], self.labels[places])


class Network(nn.Module):
    """Images [B, C, 32, 32] to logits [B]: three convolutions without normalisation.

    Labels enter by projection (Miyato & Koyama 2018): the logit is w h + e_y h for the last features h.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        w, slope = _WIDTH, 0.2
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2),  # [B, 4 C, 16, 16]
            nn.Conv2d(4 * channels, w, 3, padding=1), nn.LeakyReLU(slope),
            nn.Conv2d(w, 2 * w, 4, 2, 1), nn.LeakyReLU(slope),  # [B, 2w, 8, 8]
            nn.Conv2d(2 * w, 4 * w, 4, 2, 1), nn.LeakyReLU(slope),  # [B, 4w, 4, 4]
            nn.Flatten(),
        )  # fmt: skip
        self.output = nn.Linear(64 * w, 1)
        self.embedding = nn.Embedding(classes, 64 * w)
        nn.init.zeros_(self.embedding.weight)
        self.to(memory_format=torch.channels_last)  # faster convolutions

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        h = self.layers(x)
        return self.output(h)[:, 0] + (self.embedding(labels) * h).sum(1)


@torch.enable_grad()
def train(real: Labelled, fake: Labelled, classes: int, *, steps: int, seed: int) -> list[Network]:
    """Train the networks to tell real images from as many samples; each takes at most `steps` steps.

    Args:
        real, fake: of equal length; a share of both is held back to choose the weights.
        classes: number of labels; 1 without labels.
        seed: of the initial weights, of the held-back part and of the batches.
    """
    order = np.random.default_rng(derive_seed(seed, 0)).permutation(len(real))
    held = max(1, int(_VALIDATION * len(real)))
    kept, validation = order[held:], order[:held]
    networks = []
    with tqdm(total=NETWORKS * steps, desc="two-sample classifier", unit="step", mininterval=1.0) as bar:
        for number in range(1, NETWORKS + 1):
            torch.manual_seed(derive_seed(seed, number, 0))
            network = Network(real.images.shape[1], classes).to(real.images.device)
            best = copy.deepcopy(network.state_dict())
            lowest = _cross_entropy(network, real.at(validation), fake.at(validation))
            rng = np.random.default_rng(derive_seed(seed, number, 1))
            for step in _steps(network, real.at(kept), fake.at(kept), steps, rng):
                bar.update()
                if step % max(1, steps // _CHECKS) and step < steps:
                    continue
                error = _cross_entropy(network, real.at(validation), fake.at(validation))
                if error < lowest:
                    best, lowest = copy.deepcopy(network.state_dict()), error
            network.load_state_dict(best)
            networks.append(network.eval())
    return networks


def _steps(network: Network, real: Labelled, fake: Labelled, steps: int, rng: np.random.Generator) -> Iterator[int]:
    """Take `steps` steps of Adam on the cross-entropy; yields the number of each."""
    adam = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE, fused=True)
    for step in range(1, steps + 1):
        for group in adam.param_groups:
            group["lr"] = _LEARNING_RATE * (1 - (step - 1) / steps)
        x, y = (part.at(rng.integers(len(part), size=_BATCH)) for part in (real, fake))
        logits = network(torch.cat([x.images, y.images]), torch.cat([x.labels, y.labels]))
        loss = F.softplus(-logits[:_BATCH]).mean() + F.softplus(logits[_BATCH:]).mean()
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        yield step


@torch.no_grad()
def _cross_entropy(network: Network, real: Labelled, fake: Labelled) -> float:
    total = F.softplus(-_logits(network, real)).mean() + F.softplus(_logits(network, fake)).mean()
    return float(total)


@torch.no_grad()
def probabilities(networks: list[Network], images: Labelled) -> np.ndarray:
    """Return the mean probability of the networks that each image is real: [N] float64."""
    logits = torch.stack([_logits(network, images) for network in networks]).cpu()  # MPS has no float64
    return logits.double().sigmoid().mean(0).numpy()


def _logits(network: Network, images: Labelled) -> Tensor:
    chunks = zip(images.images.split(_CHUNK), images.labels.split(_CHUNK), strict=True)
    return torch.cat([network(x, y) for x, y in chunks])
