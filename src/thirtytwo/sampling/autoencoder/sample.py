"""Sample an autoencoder: draw codes from the prior, or from a density fitted to the codes of training images.

The probes are reconstructions, latent traversals, codes and a likelihood bound of held-out images.
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
from thirtytwo.runtime.errors import CheckpointError, ParamsError
from thirtytwo.sampling import noise
from thirtytwo.sampling.autoencoder import densities
from thirtytwo.sampling.drawing import Decode, Draw, Job, Samples, Task, cycle_labels, first, guided_decoder, snapshots
from thirtytwo.settings.autoencoder import AutoencoderSampling, Prior

__all__ = ["Subset", "bits_per_dim", "dequantise", "drawer", "log_weights", "sample"]

_TRAIN_IMAGES = 10_000  # at most, to fit densities of codes
_HELD_OUT_IMAGES = 2_000  # at most, to encode
_RECONSTRUCTIONS = 20
_TRAVERSED_DIMENSIONS, _TRAVERSAL = 10, torch.linspace(-3, 3, 11)
_CHUNK = 500  # images per call of the network
_SEED = 102  # derives the seeds of this module


@dataclass(frozen=True)
class Subset:
    """A random subset of the images of one split.

    Attributes:
        index: [N] int64 positions in the split.
        pixels: [N, 32, 32, C] uint8.
        labels: [N] int64.
    """

    index: np.ndarray
    pixels: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Codes:
    """The codes of images, on the CPU.

    Attributes:
        mu, log_sigma: [N, *latent_shape] parameters of q(z|x); log_sigma is None for a plain autoencoder.
        z: [N, *latent_shape] one draw from each q(z|x), together a sample of the aggregate posterior; mu for a plain
            autoencoder.
    """

    mu: Tensor
    log_sigma: Tensor | None
    z: Tensor


def drawer(model: Autoencoder, task: Task) -> Draw:
    """Return a function that decodes images from codes drawn from `sample.prior`."""
    return _drawer(model, task, _settings(task).prior)


@torch.no_grad()
def sample(model: Autoencoder, job: Job) -> Samples:
    """Draw images with codes from `sample.prior`, and these probes:

    <other>_images [N, 32, 32, C], drawn with another prior: mixture, or standard (variational) or gaussian (plain) if
    `sample.prior` is mixture; reconstruction_originals and reconstructions [20, 32, 32, C] of held-out images from mu,
    and reconstruction_labels [20] of a conditional model; traversals and traversal_dimensions, see `_traversals`;
    code_index [M], positions in the test split of up to 2000 held-out images, their code_means [M, D], code_log_sigmas
    [M, D] (variational only) and code_draws [M, D], z ~ q(z|x); distortion [M], the squared error of the image decoded
    from that z, summed over pixels and channels; iwae_bits, elbo_bits [n] and bound_samples (variational only), see
    `_likelihood_bound`; snapshots.
    """
    count = job.cfg.sampling.images
    labels = cycle_labels(model, count, len(job.data.classes))
    train, held_out = _random_subset(job, "train", _TRAIN_IMAGES), _random_subset(job, "test", _HELD_OUT_IMAGES)
    images = first(drawer(model, job), count, labels)
    simple: Prior = "standard" if model.settings.variational else "gaussian"
    other: Prior = simple if _settings(job).prior == "mixture" else "mixture"
    probes = {f"{other}_images": to_uint8(first(_drawer(model, job, other), count, labels)).numpy()}
    codes = _encode(model, held_out, job, 1)
    probes |= _reconstructions(model, held_out, codes, job) | _traversals(model, held_out, codes, job)
    probes |= {
        "code_index": held_out.index,
        "code_means": codes.mu.flatten(1).numpy(),
        "code_draws": codes.z.flatten(1).numpy(),
        "distortion": _distortion(model, held_out, codes, job).numpy(),
    }
    if codes.log_sigma is not None:
        probes |= {"code_log_sigmas": codes.log_sigma.flatten(1).numpy()} | _likelihood_bound(
            model, train, held_out, job
        )
    return Samples(images, labels, probes | snapshots(model, job, lambda: drawer(model, job), labels))


def _settings(task: Task) -> AutoencoderSampling:
    assert isinstance(task.cfg.sample, AutoencoderSampling)
    return task.cfg.sample


@torch.no_grad()
def _drawer(model: Autoencoder, task: Task, prior: Prior) -> Draw:
    classes = len(task.data.classes) if model.conditional else 0
    decode, shape = guided_decoder(model.draw, _settings(task).decoder_guidance, classes), model.latent_shape
    if prior != "standard":
        decode, shape = _density_decoder(model, task, prior, decode)

    def draw(indices: Sequence[int], labels: Tensor | None) -> Tensor:
        return noise.draw(decode, shape, seed=task.cfg.seed, indices=indices, labels=labels, device=task.device)

    return draw


def _random_subset(task: Task, split: str, limit: int) -> Subset:
    """Draw up to `limit` images of a split at random without replacement."""
    data = task.data.only(split)
    rng = np.random.default_rng(derive_seed(task.cfg.seed, _SEED, {"train": 0, "test": 1}[split]))
    index = rng.permutation(len(data.images))[:limit]
    return Subset(index, torch.from_numpy(data.images[index]), torch.from_numpy(data.labels[index]))


def _encode(model: Autoencoder, images: Subset, task: Task, purpose: int) -> Codes:
    """Encode images; each `purpose` has independent draws of z.

    Raises:
        CheckpointError: a code is not finite.
    """
    pairs = [model.encode(to_float(pixels.to(task.device))) for pixels in images.pixels.split(_CHUNK)]
    mu = torch.cat([pair[0] for pair in pairs]).cpu()
    codes = Codes(mu, None, mu)
    if model.settings.variational:
        log_sigma = torch.cat([pair[1] for pair in pairs if pair[1] is not None]).cpu()
        rng = np.random.default_rng(derive_seed(task.cfg.seed, _SEED, 2, purpose))
        z = mu + log_sigma.exp() * torch.from_numpy(rng.standard_normal(mu.shape, np.float32))
        codes = Codes(mu, log_sigma, z)
    if not torch.isfinite(codes.z).all():
        raise CheckpointError(
            f"{task.cfg.run}: codes of images are not finite because the training diverged; lower lr and train again"
        )
    return codes


def _density_decoder(model: Autoencoder, task: Task, prior: Prior, decode: Decode) -> tuple[Decode, tuple[int]]:
    """Fit a density to the aggregate posterior of training images; return a decoder of its draws and the noise shape.

    A conditional model has one density per class, q(z|y), because in training its decoder receives the codes of a class
    together with its label.

    Raises:
        ParamsError: guidance is requested of a model that takes no labels.
    """
    s = _settings(task)
    if s.guidance and not model.conditional:
        raise ParamsError(f"sample.guidance: {s.guidance:g}, but this run's model takes no labels; set guidance: 0.0")
    train = _random_subset(task, "train", _TRAIN_IMAGES)
    z = _encode(model, train, task, 0).z.flatten(1)
    groups = train.labels if model.conditional else torch.zeros_like(train.labels)
    components = 1 if prior == "gaussian" else s.components
    seed = derive_seed(task.cfg.seed, _SEED, 3)
    choice = densities.choose(z.numpy(), groups.numpy(), components, seed)
    print(
        f"prior {prior}: {choice.components} Gaussian{'' if choice.components == 1 else 's'} with {choice.covariance}"
        f" covariance{' for each class' if model.conditional else ''}, log-likelihood of a held-out code"
        f" {choice.held_out_nats:.1f} nats{'' if choice.converged else ', not converged'}"
    )
    density = densities.fit(z.numpy(), groups.numpy(), choice, s.guidance, seed, task.device)

    def decode_noise(noise: Tensor, labels: Tensor | None) -> Tensor:
        groups = torch.zeros(len(noise), dtype=torch.int64, device=noise.device) if labels is None else labels
        return decode(density.draw(noise, groups).unflatten(1, model.latent_shape), labels)

    return decode_noise, (z.shape[1] + 1,)


def _decode(model: Autoencoder, z: Tensor, labels: Tensor, job: Job) -> Tensor:
    """Decode z [N, *latent_shape] with labels [N] to images [N, C, 32, 32] on the CPU."""
    chunks = zip(z.split(_CHUNK), labels.split(_CHUNK), strict=True)
    return torch.cat([model.draw(a.to(job.device), b.to(job.device)).cpu() for a, b in chunks])


def _reconstructions(model: Autoencoder, held_out: Subset, codes: Codes, job: Job) -> dict[str, np.ndarray]:
    """Return the first held-out images and their reconstructions from mu."""
    labels, originals = held_out.labels[:_RECONSTRUCTIONS], held_out.pixels[:_RECONSTRUCTIONS]
    images = to_uint8(_decode(model, codes.mu[:_RECONSTRUCTIONS], labels, job))
    probes = {"reconstruction_originals": originals.numpy(), "reconstructions": images.numpy()}
    return probes | ({"reconstruction_labels": labels.numpy()} if model.conditional else {})


def _traversals(model: Autoencoder, held_out: Subset, codes: Codes, job: Job) -> dict[str, np.ndarray]:
    """Decode the code of the first held-out image with one dimension at a time varied over [-3, 3].

    The codes of a plain autoencoder have no natural unit, so they are varied by -3 to 3 standard deviations about their
    mean.

    Returns:
        traversals [d, 11, 32, 32, C] uint8 and traversal_dimensions [d] of the flattened code, d <= 10: those whose mu
        varies most among held-out images, in descending order.
    """
    mu = codes.mu.flatten(1)
    std, mean = mu.std(0), mu.mean(0)
    dimensions = std.argsort(descending=True, stable=True)[:_TRAVERSED_DIMENSIONS]
    z = mu[0].repeat(len(dimensions), len(_TRAVERSAL), 1)  # [d, 11, D]
    for row, j in enumerate(dimensions):
        z[row, :, j] = _TRAVERSAL if model.settings.variational else mean[j] + std[j] * _TRAVERSAL
    labels = held_out.labels[:1].expand(len(dimensions) * len(_TRAVERSAL))
    images = to_uint8(_decode(model, z.flatten(0, 1).unflatten(1, model.latent_shape), labels, job))
    return {
        "traversals": images.unflatten(0, z.shape[:2]).numpy(),
        "traversal_dimensions": dimensions.numpy(),
    }


def _distortion(model: Autoencoder, images: Subset, codes: Codes, job: Job) -> Tensor:
    """Return the squared error between each image in [-1, 1] and E[x|z] at its draw z: [N]."""
    return squared_error(to_float(images.pixels), _decode(model, codes.z, images.labels, job))


def _likelihood_bound(model: Autoencoder, train: Subset, held_out: Subset, job: Job) -> dict[str, np.ndarray]:
    """Bound the code length of each 8-bit held-out image from above, in bits per dimension (channel of a pixel).

    Returns:
        iwae_bits [n], the bound with K importance samples; elbo_bits [n], the mean of the bounds with one sample over
        the same draws, never lower than iwae_bits; bound_samples, K.
    """
    s = _settings(job)
    rng = np.random.default_rng(derive_seed(job.cfg.seed, _SEED, 4))
    pixels, labels = held_out.pixels[: s.bound_images], held_out.labels[: s.bound_images]
    x = dequantise(pixels, torch.from_numpy(rng.random(pixels.shape, np.float32)))
    # Variance 1/2 makes the squared error -log p(x|z) up to a constant; sigma_vae uses the optimum on training images.
    variance = 0.5
    if model.settings.likelihood == "sigma_vae":
        codes = _encode(model, train, job, 5)
        variance = _distortion(model, train, codes, job).cpu().double().mean().item() / x[0].numel()
    batch_size = max(1, _CHUNK // s.bound_samples)
    batches = list(zip(x.to(job.device).split(batch_size), labels.to(job.device).split(batch_size), strict=True))
    weights = []
    for images, y in tqdm(batches, "likelihood bound", unit="batch", delay=2):
        shape = (s.bound_samples, len(images), *model.latent_shape)
        epsilon = torch.from_numpy(rng.standard_normal(shape, np.float32)).to(job.device)
        weights.append(log_weights(model, images, y, epsilon, variance))
    log_w = torch.cat(weights, dim=1).cpu().double()  # [K, n]
    iwae = log_w.logsumexp(0) - math.log(s.bound_samples)
    return {
        "iwae_bits": bits_per_dim(iwae, x[0].numel()).numpy(),
        "elbo_bits": bits_per_dim(log_w.mean(0), x[0].numel()).numpy(),
        "bound_samples": np.array(s.bound_samples),
    }


def log_weights(model: Autoencoder, x: Tensor, labels: Tensor, epsilon: Tensor, variance: float) -> Tensor:
    """Return log importance weights log p(x, z_k) - log q(z_k|x) in nats at z_k = mu + sigma epsilon_k: [K, B].

    The logarithm of the mean weight over k is L_K (Burda et al. 2016, eq. 8), in expectation a lower bound on log p(x)
    that increases with K; the mean of the log weights estimates the ELBO. A conditional model uses p(x|z, y).

    Args:
        x: [B, C, 32, 32] in [-1, 1].
        labels: [B] int64.
        epsilon: [K, B, *latent_shape] standard normal.
        variance: see `models.autoencoder.model.log_density`.
    """
    mu, log_sigma = model.encode(x)
    assert log_sigma is not None, "a plain autoencoder has no density"
    z = mu + log_sigma.exp() * epsilon
    # log p(z) - log q(z|x); the constants cancel
    log_ratio = (0.5 * (epsilon.square() - z.square()) + log_sigma).flatten(2).sum(2)
    count = len(epsilon)
    outputs = model.decode(z.flatten(0, 1), labels.repeat(count))
    log_x = log_density(model.settings.likelihood, x.repeat(count, 1, 1, 1), outputs, variance)
    return log_x.unflatten(0, (count, len(x))) + log_ratio


def dequantise(pixels: Tensor, u: Tensor) -> Tensor:
    """Add uniform noise u in [0, 1) to levels [N, 32, 32, C] uint8 and return [N, C, 32, 32] in [-1, 1].

    Level v fills the interval [v, v + 1) / 128 - 1, so that a density on [-1, 1] assigns each level a probability
    (Theis et al. 2016, section 3.1).
    """
    return ((pixels.float() + u) / 128 - 1).permute(0, 3, 1, 2).contiguous()


def bits_per_dim(log_density: Tensor, dimensions: int) -> Tensor:
    """Return 7 - log2 p(x) / D >= -log2 P(v) / D for log p(x) in nats of dequantised x, with levels 1/128 wide."""
    return 7 - log_density / (dimensions * math.log(2))
