"""Sampling an autoencoder: codes from the prior or from a density fitted to the codes of the training images.

Besides the samples, what its codes show: reconstructions, traversals, a bound on the likelihood of held-out images.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from thirtytwo.core.seeds import derive_seed
from thirtytwo.data.batches import to_float, to_uint8
from thirtytwo.models.autoencoder.model import Autoencoder, log_density, squared_error
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.sampling import noise
from thirtytwo.sampling.autoencoder import densities
from thirtytwo.sampling.drawing import Decode, Draw, Drawn, Job, Task, cycle_labels, first, guided_decoder, snapshots
from thirtytwo.settings.autoencoder import AutoencoderSampling, Prior

__all__ = ["Images", "bits_per_dim", "dequantise", "drawer", "log_weights", "sample"]

_FITTED = 10_000  # training images whose codes a density is fitted to
_HELD_OUT = 2_000  # held-out images whose codes are kept
_SHOWN = 20  # reconstructions
_TRAVERSED, _PLACES = 10, torch.linspace(-3, 3, 11)  # dimensions, and where they are moved to
_CHUNK = 500
_CODES = 102  # what a seed is derived for


@dataclass(frozen=True)
class Images:
    """Some images of one split, in an order of their own.

    Attributes:
        index: [N] int64, their places in the split.
        pixels: [N, 32, 32, C] uint8.
        labels: [N] int64.
    """

    index: np.ndarray
    pixels: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Codes:
    """What images are encoded as, on the CPU.

    Attributes:
        mu, log_sigma: [N, *latent_shape], of q(z|x); log_sigma is None for a plain autoencoder.
        z: one draw of q(z|x) an image, all together draws of the aggregate posterior; mu for a plain autoencoder.
    """

    mu: Tensor
    log_sigma: Tensor | None
    z: Tensor


def drawer(model: Autoencoder, task: Task) -> Draw:
    """Images of z from `sample.prior`."""
    return _drawer(model, task, _settings(task).prior)


@torch.no_grad()
def sample(model: Autoencoder, job: Job) -> Drawn:
    """Images of z from `sample.prior`, and as probes:

    <other>_images [N, 32, 32, C], by another prior: mixture, or where that is the run's own the one without a mixture;
    reconstruction_originals and reconstructions [20, 32, 32, C] of held-out images, through mu, and where conditional
    reconstruction_labels [20]; traversals and traversal_dimensions, see `_traversals`; code_index [M] of up to 2000
    held-out images in the test split, their code_means and, where variational, code_log_sigmas [M, D], and code_draws
    [M, D], z ~ q(z|x); distortion [M], the squared error of the image decoded from that z, summed over pixels and
    channels; where variational iwae_bits, elbo_bits [n] and bound_samples, see `_bound`; snapshots.
    """
    count = job.cfg.sampling.images
    labels = cycle_labels(model, count, len(job.data.classes))
    train, held_out = _some(job, "train", _FITTED), _some(job, "test", _HELD_OUT)
    images = first(drawer(model, job), count, labels)
    plain: Prior = "standard" if model.settings.variational else "gaussian"
    other: Prior = plain if _settings(job).prior == "mixture" else "mixture"
    probes = {f"{other}_images": to_uint8(first(_drawer(model, job, other), count, labels)).numpy()}
    codes = _encoded(model, held_out, job, 1)
    probes |= _reconstructions(model, held_out, codes, job) | _traversals(model, held_out, codes, job)
    probes |= {
        "code_index": held_out.index,
        "code_means": codes.mu.flatten(1).numpy(),
        "code_draws": codes.z.flatten(1).numpy(),
        "distortion": _distortion(model, held_out, codes, job).numpy(),
    }
    if codes.log_sigma is not None:
        probes |= {"code_log_sigmas": codes.log_sigma.flatten(1).numpy()} | _bound(model, train, held_out, job)
    return Drawn(images, labels, probes | snapshots(model, job, lambda: drawer(model, job), labels))


def _settings(task: Task) -> AutoencoderSampling:
    assert isinstance(task.cfg.sample, AutoencoderSampling)
    return task.cfg.sample


@torch.no_grad()
def _drawer(model: Autoencoder, task: Task, prior: Prior) -> Draw:
    classes = len(task.data.classes) if model.conditional else 0
    decode, shape = guided_decoder(model.draw, _settings(task).decoder_guidance, classes), model.latent_shape
    if prior != "standard":
        decode, shape = _fitted(model, task, prior, decode)

    def draw(indices: Sequence[int], labels: Tensor | None) -> Tensor:
        return noise.draw(decode, shape, seed=task.cfg.seed, indices=indices, labels=labels, device=task.device)

    return draw


def _some(task: Task, split: str, most: int) -> Images:
    """Up to `most` images of a split, drawn at random without replacement."""
    data = task.data.only(split)
    rng = np.random.default_rng(derive_seed(task.cfg.seed, _CODES, {"train": 0, "test": 1}[split]))
    index = rng.permutation(len(data.images))[:most]
    return Images(index, torch.from_numpy(data.images[index]), torch.from_numpy(data.labels[index]))


def _encoded(model: Autoencoder, images: Images, task: Task, purpose: int) -> Codes:
    """Codes of images; draws for one `purpose` are other draws than for another."""
    pairs = [model.encode(to_float(pixels.to(task.device))) for pixels in images.pixels.split(_CHUNK)]
    mu = torch.cat([pair[0] for pair in pairs]).cpu()
    if not model.settings.variational:
        return Codes(mu, None, mu)
    log_sigma = torch.cat([pair[1] for pair in pairs if pair[1] is not None]).cpu()
    rng = np.random.default_rng(derive_seed(task.cfg.seed, _CODES, 2, purpose))
    return Codes(mu, log_sigma, mu + log_sigma.exp() * torch.from_numpy(rng.standard_normal(mu.shape, np.float32)))


def _fitted(model: Autoencoder, task: Task, prior: Prior, decode: Decode) -> tuple[Decode, tuple[int]]:
    """`decode` of draws of a density fitted to the aggregate posterior of training images; the shape of its noise.

    A conditional model has one density for each class, q(z|y): that is what its decoder has met with the label.

    Raises:
        ParamsError: guidance of a model without labels.
    """
    s = _settings(task)
    if s.guidance and not model.conditional:
        raise ParamsError(f"sample.guidance: {s.guidance:g}, but this run's model takes no labels; set it to 0")
    train = _some(task, "train", _FITTED)
    z = _encoded(model, train, task, 0).z.flatten(1)
    groups = train.labels if model.conditional else torch.zeros_like(train.labels)
    components = 1 if prior == "gaussian" else s.components
    seed = derive_seed(task.cfg.seed, _CODES, 3)
    density = densities.fit(z.numpy(), groups.numpy(), components, s.guidance, seed, task.device)

    def decode_noise(noise: Tensor, labels: Tensor | None) -> Tensor:
        own = torch.zeros(len(noise), dtype=torch.int64, device=noise.device) if labels is None else labels
        return decode(density.draw(noise, own).unflatten(1, model.latent_shape), labels)

    return decode_noise, (z.shape[1] + 1,)


def _drawn(model: Autoencoder, z: Tensor, labels: Tensor, job: Job) -> Tensor:
    """Images [N, C, 32, 32] of z [N, *latent_shape] and labels [N], on the CPU."""
    parts = zip(z.split(_CHUNK), labels.split(_CHUNK), strict=True)
    return torch.cat([model.draw(a.to(job.device), b.to(job.device)).cpu() for a, b in parts])


def _reconstructions(model: Autoencoder, held_out: Images, codes: Codes, job: Job) -> dict[str, np.ndarray]:
    """The first held-out images and what is decoded from their mu."""
    labels = held_out.labels[:_SHOWN]
    images = to_uint8(_drawn(model, codes.mu[:_SHOWN], labels, job))
    shown = {"reconstruction_originals": held_out.pixels[:_SHOWN].numpy(), "reconstructions": images.numpy()}
    return shown | ({"reconstruction_labels": labels.numpy()} if model.conditional else {})


def _traversals(model: Autoencoder, held_out: Images, codes: Codes, job: Job) -> dict[str, np.ndarray]:
    """The code of the first held-out image with one dimension at a time moved over [-3, 3].

    A plain autoencoder's codes have no unit: there it is -3 to 3 standard deviations about their mean.

    Returns:
        traversals [d, 11, 32, 32, C] uint8 and traversal_dimensions [d] of the flattened code, d <= 10: those whose mu
        varies most among held-out images, the most active first.
    """
    mu = codes.mu.flatten(1)
    spread, centre = mu.std(0), mu.mean(0)
    dimensions = spread.argsort(descending=True, stable=True)[:_TRAVERSED]
    z = mu[0].repeat(len(dimensions), len(_PLACES), 1)  # [d, 11, D]
    for row, j in enumerate(dimensions):
        z[row, :, j] = _PLACES if model.settings.variational else centre[j] + spread[j] * _PLACES
    labels = held_out.labels[:1].expand(len(dimensions) * len(_PLACES))
    images = to_uint8(_drawn(model, z.flatten(0, 1).unflatten(1, model.latent_shape), labels, job))
    return {
        "traversals": images.unflatten(0, z.shape[:2]).numpy(),
        "traversal_dimensions": dimensions.numpy(),
    }


def _distortion(model: Autoencoder, images: Images, codes: Codes, job: Job) -> Tensor:
    """Squared error of each image in [-1, 1] against E[x|z] at its draw z: [N]."""
    return squared_error(to_float(images.pixels), _drawn(model, codes.z, images.labels, job))


def _bound(model: Autoencoder, train: Images, held_out: Images, job: Job) -> dict[str, np.ndarray]:
    """Upper bounds on the code length of held-out 8-bit images, in bits a value (channel of a pixel), by image.

    Returns:
        iwae_bits [n], from K = `bound_samples` (K as an array: bound_samples); elbo_bits [n], the mean of the bound
        for K = 1 over the same draws, hence never below.
    """
    s = _settings(job)
    rng = np.random.default_rng(derive_seed(job.cfg.seed, _CODES, 4))
    pixels, labels = held_out.pixels[: s.bound_images], held_out.labels[: s.bound_images]
    x = dequantise(pixels, torch.from_numpy(rng.random(pixels.shape, np.float32)))
    # That of I/2, whose negative logarithm the squared error is; or the best for the training images.
    variance = 0.5
    if model.settings.likelihood == "sigma_vae":
        codes = _encoded(model, train, job, 5)
        variance = _distortion(model, train, codes, job).double().mean().item() / x[0].numel()
    group = max(1, _CHUNK // s.bound_samples)  # images whose draws are decoded together
    parts = list(zip(x.to(job.device).split(group), labels.to(job.device).split(group), strict=True))
    weights = []
    for images, own in tqdm(parts, "likelihood bound", unit="batch", delay=2):
        shape = (s.bound_samples, len(images), *model.latent_shape)
        epsilon = torch.from_numpy(rng.standard_normal(shape, np.float32)).to(job.device)
        weights.append(log_weights(model, images, own, epsilon, variance))
    log_w = torch.cat(weights, dim=1).cpu().double()  # [K, n]
    iwae = log_w.logsumexp(0) - math.log(s.bound_samples)
    return {
        "iwae_bits": bits_per_dim(iwae, x[0].numel()).numpy(),
        "elbo_bits": bits_per_dim(log_w.mean(0), x[0].numel()).numpy(),
        "bound_samples": np.array(s.bound_samples),
    }


def log_weights(model: Autoencoder, x: Tensor, labels: Tensor, epsilon: Tensor, variance: float) -> Tensor:
    """log p(x, z_k) - log q(z_k|x) in nats at z_k = mu + sigma epsilon_k: [K, B].

    The logarithm of their mean over k is L_K (Burda et al. 2016, eq. 8), a lower bound on log p(x) in expectation that
    rises with K; their mean is the ELBO. In a conditional model p(x|z) is given the label.

    Args:
        x: [B, C, 32, 32] in [-1, 1], `labels` [B].
        epsilon: [K, B, *latent_shape] standard normal.
        variance: see `models.autoencoder.model.log_density`.
    """
    mu, log_sigma = model.encode(x)
    assert log_sigma is not None, "a plain autoencoder has no density"
    z = mu + log_sigma.exp() * epsilon
    # log p(z) - log q(z|x), in which the constants cancel
    log_ratio = (0.5 * (epsilon.square() - z.square()) + log_sigma).flatten(2).sum(2)
    count = len(epsilon)
    outputs = model.decode(z.flatten(0, 1), labels.repeat(count))
    log_x = log_density(model.settings.likelihood, x.repeat(count, 1, 1, 1), outputs, variance)
    return log_x.unflatten(0, (count, len(x))) + log_ratio


def dequantise(pixels: Tensor, u: Tensor) -> Tensor:
    """Grey levels [N, 32, 32, C] uint8 with uniform noise u in [0, 1) added, as [N, C, 32, 32] in [-1, 1].

    Level v fills the interval [v, v + 1) / 128 - 1, so that a density on [-1, 1] gives each level a probability
    (Theis et al. 2016, section 3.1).
    """
    return ((pixels.float() + u) / 128 - 1).permute(0, 3, 1, 2).contiguous()


def bits_per_dim(log_density: Tensor, dimensions: int) -> Tensor:
    """-log2 P(v) / D <= 7 - log2 p(x) / D for log p(x) in nats of dequantised x, whose levels are 1/128 wide."""
    return 7 - log_density / (dimensions * math.log(2))
