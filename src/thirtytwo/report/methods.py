"""How the numbers of the page were computed, in words and equations."""

from thirtytwo.report.blocks import Block, Equation, Section, Text
from thirtytwo.report.results import Results

__all__ = ["SPLITS", "section"]

SPLITS = {"train": "training", "test": "test"}

FRECHET = Equation(
    r"\mathrm{FD} = \lVert \mu_r - \mu_g \rVert^2 + \mathrm{Tr}\big(\Sigma_r + \Sigma_g"
    r" - 2 (\Sigma_r \Sigma_g)^{1/2}\big)"
)
KERNEL = Equation(
    r"\mathrm{KID} = \frac{1}{m(m-1)} \sum_{i \ne j} k(x_i, x_j) + \frac{1}{n(n-1)} \sum_{i \ne j} k(y_i, y_j)"
    r" - \frac{2}{mn} \sum_{i,j} k(x_i, y_j), \quad k(x, y) = \Big(\frac{x \cdot y}{d} + 1\Big)^3"
)
BEST_DISCRIMINATOR = Equation(r"D^*(x) = \frac{p(x)}{p(x) + q(x)}")
BETA_VAE = Equation(r"L = \lVert x - \hat x(z) \rVert^2 + \beta\, \mathrm{KL}\big(q(z|x) \,\Vert\, p(z)\big)")
FORWARD = Equation(r"x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \varepsilon")
DDIM = Equation(
    r"x_s = \sqrt{\bar\alpha_s}\, \hat x_0 + \sqrt{1 - \bar\alpha_s - \sigma^2}\, \hat\varepsilon + \sigma z, \quad"
    r"\sigma = \eta \sqrt{\frac{1 - \bar\alpha_s}{1 - \bar\alpha_t} \Big(1 - \frac{\bar\alpha_t}{\bar\alpha_s}\Big)}"
)
GUIDANCE = Equation(r"\hat x_w = \hat x_0(x_t, y) + w \big(\hat x_0(x_t, y) - \hat x_0(x_t, \varnothing)\big)")
CODE_GUIDANCE = Equation(r"q_w(z|y) \propto \frac{q(z|y)^{1 + w}}{q(z)^w}")
DECODER_GUIDANCE = Equation(r"\hat x_w = \hat x(z, y) + w \Big(\hat x(z, y) - \frac{1}{K} \sum_k \hat x(z, k)\Big)")


def section(results: Results) -> Section:
    """How every number was computed."""
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
            "A small classifier is trained on each data set. Its last hidden layer provides features. FD "
            "(`fd_classifier`) is the Fréchet distance between two Gaussians, one fitted to the features of real images "
            "(mean μ_r, covariance Σ_r) and one to those of samples (μ_g, Σ_g), as in Heusel et al. 2017, eq. 6:"
        ),
        FRECHET,
        Text(
            "FD is not FID: a score is called `fid` only if it uses Inception features. Each run draws "
            f"{sampling.images:,} images; {evaluation.samples:,} of them are scored against the "
            f"{SPLITS[evaluation.reference_split]} images. All randomness derives from seed {results.config.seed}; each "
            "training step and each image has its own stream. The score depends on N, the reference, the resampling of "
            "the data and the features. Scores that differ in any of these are not compared."
        ),
    ]
    if _has(results, "fd_second"):
        blocks.append(
            Text(
                "A second classifier, an MLP-Mixer trained from another seed and on other deformations of the images, "
                "scores the same samples (`fd_second`). Where it does not confirm a difference in FD, the verdict says so: "
                "the difference may then be one of how well runs please a network rather than of how real they look."
            )
        )
    if _has(results, "kid_classifier") or _has(results, "kid"):
        blocks += [
            Text(
                "KID is the unbiased kernel distance between features x_i of samples and y_j of real images (Bińkowski "
                "et al. 2018):"
            ),
            KERNEL,
        ]
    if _has(results, "precision"):
        k = next(run.metric("prdc_k") for run in results.runs if run.metric("precision") is not None)
        blocks.append(
            Text(
                "Each real image is the centre of a ball that reaches to its "
                f"{_ordinal(k)} nearest real neighbour. Precision is the share of samples inside any ball; recall is the "
                "same with samples and real images exchanged (Kynkäänniemi et al. 2019). Density counts the balls that "
                "contain a sample; coverage is the share of balls that contain one (Naeem et al. 2020)."
            )
        )
    if _has(results, "train_nearer"):
        blocks.append(
            Text(
                "Memorisation compares the distance from each sample to its nearest training image with the distance to "
                "the nearest of as many held-out images. Samples of a generator that copies are nearer to training "
                "images; samples of one that learnt the distribution are nearer to either equally often."
            )
        )
    text = (
        "Entropy is that of the classes that the classifier recognises in the samples, in bits. A class counts as "
        f"covered if its share of the samples is at least {evaluation.mode_share:g} times its share of the real images. "
        "Accuracy is the share of a conditional generator's samples that the classifier assigns to the requested class."
    )
    return [*blocks, Text(text)]


def _ordinal(k: int) -> str:
    return f"{k}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(k, 'th') }"


def _uncertainty(results: Results) -> list[Block]:
    several = any((run.metric("seeds") or 1) > 1 for run in results.runs)
    seeds = (
        "For runs with several training seeds, every score is the mean over the trainings with a 95 % t-interval; the "
        "intervals of all other runs do not cover what another training seed would change."
        if several
        else "Every run was trained once, so the intervals do not cover what another training seed would change."
    )
    return [
        Text(
            f"Intervals contain 95 % of {results.config.evaluation.bootstrap_resamples} bootstrap resamples of the "
            "samples; those of shares are Wilson's. One run beats another if the interval of their difference, combined "
            "from both runs' intervals (Zou & Donner 2008) and widened so that the intervals of all pairs of runs hold at "
            "once (Tukey-Kramer), excludes 0; otherwise they tie. The floor is the score of "
            "as many real images against other real images: a generator at the floor is indistinguishable from data by "
            f"this score. {seeds}"
        )
    ]


def _models(results: Results) -> list[Block]:
    families = {run.family for run in results.runs}
    blocks: list[Block] = []
    if "gan" in families:
        text = (
            "GANs. With density p of the data and q of the samples, the best discriminator is (Goodfellow et al. 2014, "
        )
        blocks += [Text(text + "eq. 2)"), BEST_DISCRIMINATOR]
    if "autoencoder" in families:
        text = (
            "Autoencoders. The loss adds the reconstruction, here the squared error, and the rate weighted by beta (Kingma "
            "& Welling 2014, eq. 7; Higgins et al. 2017, eq. 4):"
        )
        blocks += [Text(text), BETA_VAE]
    if "diffusion" in families:
        blocks += [
            Text("Diffusion. Noise is added by (Ho et al. 2020, eq. 4)"), FORWARD,
            Text("and removed, from timestep t to s < t, by (Song et al. 2021, eq. 12 and 16)"), DDIM,
            Text("with eta = 0 for the deterministic sampler; eta = 1 over all T steps is that of Ho et al. 2020."),
        ]  # fmt: skip
    guided = {run.family for run in results.runs if run.sampling.get("guidance")}
    if "diffusion" in guided:
        blocks += [
            Text("Guidance of strength w towards label y (Ho & Salimans 2022, eq. 6); ∅ means no label:"), GUIDANCE,
        ]  # fmt: skip
    if "autoencoder" in guided:
        text = (
            "Guidance of an autoencoder's codes with strength w applies the same rule to densities, here Gaussians fitted "
            "to the codes of one class and of all classes:"
        )
        blocks += [Text(text), CODE_GUIDANCE]
    if any(run.sampling.get("decoder_guidance") for run in results.runs):
        text = (
            "Decoder guidance of strength w applies the rule to the decoded images, with the mean over all K labels in "
            "place of the unlabelled prediction, clipped to the range of images:"
        )
        blocks += [Text(text), DECODER_GUIDANCE]
    return blocks
