"""How the numbers of the page were computed, in words and equations."""

from thirtytwo.report import edm, wording
from thirtytwo.report.blocks import Block, Equation, Row, Section, Table, Text
from thirtytwo.report.results import Results

__all__ = ["SPLITS", "section"]

SPLITS = {"train": "training images", "test": "test images", "all": "training and test images"}

FRECHET = Equation(
    r"\mathrm{FD} = \lVert \mu_r - \mu_g \rVert^2 + \mathrm{Tr}\big(\Sigma_r + \Sigma_g"
    r" - 2 (\Sigma_r \Sigma_g)^{1/2}\big)"
)
KERNEL = Equation(
    r"\mathrm{KID} = \frac{1}{m(m-1)} \sum_{i \ne j} k(x_i, x_j) + \frac{1}{n(n-1)} \sum_{i \ne j} k(y_i, y_j)"
    r" - \frac{2}{mn} \sum_{i,j} k(x_i, y_j), \quad k(x, y) = \left(\frac{x \cdot y}{d} + 1\right)^3"
)
VALUE = Equation(r"V(D) = \int p(x) \log D(x) + q(x) \log (1 - D(x))\, dx")
BEST_DISCRIMINATOR = Equation(
    r"\frac{p}{D} - \frac{q}{1 - D} = 0 \quad \Rightarrow \quad D^*(x) = \frac{p(x)}{p(x) + q(x)}"
)
AT_BEST = Equation(r"V(D^*) = 2\, \mathrm{JS}(p, q) - \log 4")
BETA_VAE = Equation(r"L = \lVert x - \hat x(z) \rVert^2 + \beta\, \mathrm{KL}\big(q(z|x) \,\Vert\, p(z)\big)")
FORWARD = Equation(r"x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \varepsilon")
DDIM = Equation(
    r"x_s = \sqrt{\bar\alpha_s}\, \hat x_0 + \sqrt{1 - \bar\alpha_s - \sigma^2}\, \hat\varepsilon + \sigma z, \quad"
    r"\sigma = \eta \sqrt{\frac{1 - \bar\alpha_s}{1 - \bar\alpha_t} \left(1 - \frac{\bar\alpha_t}{\bar\alpha_s}\right)}"
)
GUIDANCE = Equation(r"\hat x_w = \hat x_0(x_t, y) + w \big(\hat x_0(x_t, y) - \hat x_0(x_t, \varnothing)\big)")
FLOW = Equation(r"x_t = (1 - t)\, x_0 + t\, \varepsilon, \quad L = \lVert v(x_t, t) - (\varepsilon - x_0) \rVert^2")
MEAN_VELOCITY = Equation(
    r"u(x_t, r, t) = \frac{1}{t - r} \int_r^t v(x_\tau, \tau)\, d\tau, \quad x_r = x_t - (t - r)\, u(x_t, r, t)"
)
MEAN_IDENTITY = Equation(
    r"v(x_t, t) = u(x_t, r, t) + (t - r) \frac{d}{dt} u(x_t, r, t), \quad \frac{d}{dt} u = v\, \partial_x u + \partial_t u"
)
VELOCITY_GUIDANCE = Equation(r"v_w = v(x_t, t, y) + w \big(v(x_t, t, y) - v(x_t, t, \varnothing)\big)")
CODE_GUIDANCE = Equation(r"q_w(z|y) \propto \frac{q(z|y)^{1 + w}}{q(z)^w}")
DECODER_GUIDANCE = Equation(r"\hat x_w = \hat x(z, y) + w \left(\hat x(z, y) - \frac{1}{K} \sum_k \hat x(z, k)\right)")

ACCEPTANCE = Equation(r"\min\left(1, \frac{p(x')\, q(x)}{q(x')\, p(x)}\right), \quad \frac{p}{q} = \frac{D}{1 - D}")

CHAIN = (
    "The discriminator can choose among samples. A Metropolis-Hastings chain begins with one sample x and moves to a further "
    "one, x', with the probability below (Turner et al. 2019, section 3); its last sample is the image. A logistic "
    "regression on held-out images and samples calibrates D first. Images cost as many evaluations of both networks as the "
    "chain has samples, and are more like the data as far as D is right. Scores along the training, interpolations and the "
    "path length are of plain samples."
)
CROSS_ENTROPY = (
    "Cross-entropy: where the discriminator tells samples from data with certainty, the divergence is at its maximum however "
    "near or far they are, and the gradient of log(1 - D) with respect to D's logit is -D, which vanishes. That of -log D, "
    "-(1 - D), does not, but depends on a discriminator that changes at every step. Each network has its own loss, and a "
    "step down one may be a step up the other: the two may circle around the equilibrium or move from mode to mode instead "
    "of approaching it (Arjovsky & Bottou 2017; Mescheder et al. 2018)."
)
LOSSES = {  # what each loss of a GAN does to its training
    "minimax": CROSS_ENTROPY,
    "non_saturating": CROSS_ENTROPY,
    "lsgan": "Least squares: D has no sigmoid, and the gradient of (D - 1)^2 / 2 with respect to D is D - 1, which grows "
    "with the distance from the target. Samples that D places far from real images, on either side, are pulled most, and "
    "the gradient does not vanish where cross-entropy is saturated (Mao et al. 2017, section 3).",
    "wgan_gp": "WGAN-GP: the best critic with slopes of at most 1 (1-Lipschitz) measures the Wasserstein distance, which "
    "falls continuously as samples move towards the data, even where the two do not overlap. The penalty pulls the norm of the "
    "critic's gradient to 1 between data and samples, so the generator's gradient neither vanishes nor explodes, however "
    "well the critic is trained (Gulrajani et al. 2017, eq. 3).",
    "relativistic": "Relativistic: D judges a sample against a real image, not alone, which removes local optima in "
    "which modes are missing; penalties on its gradient at data (R1) and samples (R2) make training converge near the "
    "equilibrium (Huang et al. 2024, section 2).",
}
SAMPLERS = {  # how a sampler works, for it, against it
    "ddpm": ("draws x_s from q(x_s | x_t, x_0) at the predicted x_0", "its noise hides the errors of earlier steps",
             "needs hundreds of steps"),
    "ddim": ("moves to noise level s along the predicted noise; eta adds noise", "tens of steps; with eta = 0 the same "
             "noise always gives the same image", "of first order; without noise, errors of early steps stay"),
    "dpm_solver_pp_2m": ("solves the linear part of the equation exactly and extrapolates the last two predictions",
                         "10 to 20 steps at one evaluation each", "extrapolates too far if steps are few or guidance is "
                         "strong"),
    "heun": ("averages the slopes at both ends of a step", "of second order without earlier steps", "two evaluations a "
             "step"),
    "unipc": ("corrects each step of DPM-Solver++ by the next prediction", "a higher order at no further evaluation",
              "needs predictions that change smoothly; does not correct the last step"),
    "euler": ("follows the velocity of a flow, or the slope of an EDM, for one step", "the straighter the paths, the fewer "
              "steps", "of first order"),
    "mean_flow": ("crosses the step with the mean velocity over it", "one or two steps", "the network must have learnt mean "
                  "velocities, which takes longer to train"),
    "consistency": ("predicts the image, and adds less noise to it for the next step", "one or two steps", "the network must "
                    "have been tuned for it; new noise undoes details"),
}  # fmt: skip


def section(results: Results) -> Section:
    """How every number was computed."""
    parts = [("Scores", "scores", _scores(results)), ("Uncertainty", "uncertainty", _uncertainty(results))]
    parts.append(("Models", "models", _models(results)))
    sections = [Section(title, f"methods-{key}", blocks) for title, key, blocks in parts if blocks]
    return Section("Methods", "methods", [], sections)


def _has(results: Results, key: str) -> bool:
    return any(run.metric(key) is not None for run in results.runs)


def _exceptions(results: Results) -> str:
    """The data sets with a protocol of their own, in words."""
    general, words = results.config.evaluation, []
    for dataset in results.sets:
        own = results.config.protocol(dataset.name)
        if (own.samples, own.reference_split) != (general.samples, general.reference_split):
            words.append(f"on {dataset.name} {own.samples:,} against the {SPLITS[own.reference_split]}")
    return f" ({', '.join(words)})" if words else ""


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
            "FD is not FID: a score is called `fid` or `fid_legacy` only if it uses Inception features. Each run draws "
            f"{sampling.images:,} images; {evaluation.samples:,} of them are scored against the "
            f"{SPLITS[evaluation.reference_split]}{_exceptions(results)}. All randomness derives from seed "
            f"{results.config.seed}; each training step and each image has its own stream. The score depends on N, the reference, the resampling of "
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
            "Intervals are of 95 %: of FD as wide as by the delta method, with the shape of a bootstrap of "
            f"{results.config.evaluation.bootstrap_resamples} resamples; of KID, recall and coverage by the jackknife; of "
            "precision and accuracy Wilson's. How often they hold was measured (docs/protocol.md). One run beats another if the interval of their difference, combined "
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
        blocks += _gans(results)
    if "autoencoder" in families:
        text = (
            "Autoencoders. The loss adds the reconstruction, here the squared error, and the rate weighted by beta (Kingma "
            "& Welling 2014, eq. 7; Higgins et al. 2017, eq. 4):"
        )
        size = (
            "A larger code can hold all that a smaller one holds, so the least possible reconstruction error falls with its "
            "size; whether a training reaches it is another question. A larger beta makes each nat of the code dearer: the "
            "rate falls and the error rises. At beta = 0 the code costs nothing."
        )
        blocks += [Text(text), BETA_VAE, Text(size)]
    if "diffusion" in families:
        blocks += [
            Text("Diffusion. Noise is added by (Ho et al. 2020, eq. 4)"), FORWARD,
            Text("and removed, from timestep t to s < t, by (Song et al. 2021, eq. 12 and 16)"), DDIM,
            Text("with eta = 0 for the deterministic sampler; eta = 1 over all T steps is that of Ho et al. 2020."),
        ]  # fmt: skip
    if "flow" in families:
        blocks += _flows(results)
    blocks += edm.explained(results)
    blocks += _samplers(results)
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


def _flows(results: Results) -> list[Block]:
    """Flow matching, mean flows where a run is one, and the guidance of both."""
    runs = [run for run in results.runs if run.family == "flow"]
    blocks: list[Block] = [
        Text(
            "Flows. A network learns the velocity of straight paths from the image at t = 0 to noise at t = 1 (Lipman et al. "
            "2023, eq. 22 and 23; Liu et al. 2023, eq. 1, both with t from noise to image):"
        ),
        FLOW,
        Text(
            "Many paths cross at a point, and the best v is the mean of their velocities. Samples follow it from 1 to 0."
        ),
    ]
    if any(run.model.get("objective") == "mean_flow" for run in runs):
        start = "A mean flow learns the mean velocity over an interval, which crosses it in one step (Geng et al. 2025, eq. 3):"
        end = (
            "It holds the identity of eq. 6, whose right-hand side is trained as v is above, with the derivative along the "
            "network's own v computed forward and kept out of the gradient (Geng et al. 2025b, algorithm 1):"
        )
        blocks += [Text(start), MEAN_VELOCITY, Text(end), MEAN_IDENTITY]
        if text := wording.begun_with(results, runs):
            blocks.append(Text(text))
    if any(run.sampling.get("guidance") or run.model.get("training_guidance") for run in runs):
        text = (
            "Guidance of strength w towards label y applies the rule of Ho & Salimans 2022, eq. 6, to velocities, when a flow "
            "is sampled, or in the target of a mean flow (Geng et al. 2025, eq. 19):"
        )
        blocks += [Text(text), VELOCITY_GUIDANCE]
    return blocks


def _gans(results: Results) -> list[Block]:
    """The best discriminator, the equilibrium, and what the losses do."""
    start = (
        "GANs. With density p of the data and q of the samples, the discriminator of a cross-entropy GAN maximises "
        "(Goodfellow et al. 2014, eq. 3)"
    )
    best = "At each x the integrand is concave in D and largest where its derivative is 0 (proposition 1), which gives"
    end = (
        "Against this discriminator, the minimax loss of the generator is the Jensen-Shannon divergence (eq. 6), which is 0 "
        "if and only if q = p. D* is then 1/2 everywhere, and neither network gains by a change of its own: the Nash "
        "equilibrium."
    )
    losses = dict.fromkeys(LOSSES.get(str(run.model.get("loss"))) for run in results.runs if run.family == "gan")
    blocks: list[Block] = [
        Text(start), VALUE, Text(best), BEST_DISCRIMINATOR, AT_BEST, Text(end), *(Text(text) for text in losses if text),
    ]  # fmt: skip
    chosen = [run.name for run in results.runs if run.sampling.get("proposals", 1) > 1]
    if chosen:
        names = ", ".join(f"`{name}`" for name in chosen)
        blocks += [Text(f"{CHAIN} This holds for {names}; other GANs draw plain samples."), ACCEPTANCE]
    return blocks


def _samplers(results: Results) -> list[Block]:
    """How the samplers of runs and sweeps work."""
    sweeps = results.config.sweeps.values()
    used = {run.sampling.get("sampler") for run in results.runs} | {name for sweep in sweeps for name in sweep.samplers}
    rows = [Row(wording.sampler_name(name), [name, *words]) for name, words in SAMPLERS.items() if name in used]
    columns = ["sampler", "setting", "step", "for it", "against it"]
    return [Table("How the samplers work.", columns, rows, [False] * 5)] if rows else []
