"""The protocol in words and equations, of what is on the page."""

from thirtytwo.report import equations
from thirtytwo.report.answer import SPLITS
from thirtytwo.report.blocks import Block, Section, Text
from thirtytwo.report.results import Results

__all__ = ["section"]


def section(results: Results) -> Section:
    """How every number was made."""
    parts = [("Scores", "scores", _scores(results)), ("Uncertainty", "uncertainty", _uncertainty(results))]
    parts.append(("Models", "models", _models(results)))
    sections = [Section(title, f"methods-{key}", blocks) for title, key, blocks in parts if blocks]
    return Section("Methods", "methods", [], sections)


def _has(results: Results, key: str) -> bool:
    return any(run.metric(key) is not None for run in results.runs)


def _scores(results: Results) -> list[Block]:
    evaluation, sampling = results.config.evaluation, results.config.sampling
    blocks: list[Block] = [
        Text(
            "A small classifier is trained on each data set. Its last hidden layer gives features, and `fd_classifier` "
            "is the Fréchet distance between two Gaussians fitted to the features of real images (mean μ_r, covariance "
            "Σ_r) and of generated images (μ_g, Σ_g), as in Heusel et al. 2017, eq. 6:"
        ),
        equations.FRECHET,
        Text(
            "It is not FID, which uses Inception features; a score is called `fid` only where those were used. Each "
            f"run draws {sampling.images:,} images; {evaluation.samples:,} of them are scored against the "
            f"{SPLITS[evaluation.reference_split]} images. Seed {results.config.seed} fixes all randomness: each "
            "training step and each image has its own stream. The score depends on N, on the reference, on the "
            "resampling of the data and on the features: scores that differ in one of them are not compared here."
        ),
    ]
    if _has(results, "kid_classifier") or _has(results, "kid"):
        blocks += [
            Text(
                "The kernel distance of features x_i of samples and y_j of real images, unbiased (Binkowski et al. "
                "2018):"
            ),
            equations.KERNEL,
        ]
    if _has(results, "precision"):
        k = next(run.metric("prdc_k") for run in results.runs if run.metric("precision") is not None)
        blocks.append(
            Text(
                f"Precision: samples that lie within the ball around some real image that reaches to its {k}th "
                "neighbour; recall: the same with the sides exchanged (Kynkäänniemi et al. 2019). Density counts the "
                "balls that a sample lies in; coverage is the share of real images whose ball holds a sample (Naeem "
                "et al. 2020)."
            )
        )
    if _has(results, "train_nearer"):
        blocks.append(
            Text(
                "Memorisation: of each sample the nearest training image is held against the nearest of as many "
                "held-out ones. A generator that copies is nearer to training; one that has learnt the distribution is "
                "as often nearer to either."
            )
        )
    words = (
        "Entropy is that of the classes that the classifier sees in the samples, in bits. A class counts as covered "
        f"from {evaluation.mode_share:g} times its share of the real images on. Accuracy is the share of a conditional "
        "generator's samples that the classifier gives the class they were drawn for."
    )
    return [*blocks, Text(words)]


def _uncertainty(results: Results) -> list[Block]:
    several = any((run.metric("seeds") or 1) > 1 for run in results.runs)
    seeds = (
        "Of runs with several training seeds every score is the mean over them and its interval the 95 % t-interval; "
        "intervals of the others do not cover what another training seed would change."
        if several
        else "One training stands behind each score: no interval covers what another training seed would change."
    )
    return [
        Text(
            f"Intervals hold 95 % of {results.config.evaluation.bootstrap_resamples} bootstrap resamples of the images "
            "drawn; those of shares are Wilson's. One run beats another where the interval of their difference, put "
            "together from the two runs' own (Zou & Donner 2008), does not hold 0; otherwise they tie. The floor is "
            f"the score of real images of the same N; below it a generator cannot be told from real images. {seeds}"
        )
    ]


def _models(results: Results) -> list[Block]:
    families = {run.family for run in results.runs}
    blocks: list[Block] = []
    if "gan" in families:
        blocks += [
            Text(
                "GANs: at the best discriminator, densities p of the data and q of the samples (Goodfellow et al. "
                "2014, eq. 2),"
            ),
            equations.BEST_DISCRIMINATOR,
        ]
    if "autoencoder" in families:
        blocks += [
            Text(
                "Autoencoders: reconstruction, here as squared error, and rate, weighted by beta (Kingma & Welling "
                "2014, eq. 7; Higgins et al. 2017, eq. 4),"
            ),
            equations.BETA_VAE,
        ]
    if "diffusion" in families:
        blocks += [
            Text("Diffusion: noise is added by (Ho et al. 2020, eq. 4)"), equations.FORWARD,
            Text("and taken away, from timestep t to s < t, by (Song et al. 2021, eq. 12 and 16)"),
            equations.DDIM, equations.DDIM_SIGMA,
            Text("with eta 0 for the deterministic sampler and eta 1, over all T steps, for that of Ho et al. 2020."),
        ]  # fmt: skip
    guided = {run.family for run in results.runs if run.sampling.get("guidance")}
    if "diffusion" in guided:
        blocks += [Text("Guidance w by the label y, ∅ being none (Ho & Salimans 2022, eq. 6):"), equations.GUIDANCE]
    if "autoencoder" in guided:
        blocks += [
            Text(
                "Guidance w of the codes of an autoencoder, the same for densities, here of Gaussians fitted to the codes "
                "of the training images of one class and of all:"
            ),
            equations.CODE_GUIDANCE,
        ]
    if any(run.sampling.get("decoder_guidance") for run in results.runs):
        blocks += [
            Text(
                "Decoder guidance w, the same for a decoder of codes z, with the mean over all K labels for the decoder "
                "without one; clipped to the range of images:"
            ),
            equations.DECODER_GUIDANCE,
        ]
    return blocks
