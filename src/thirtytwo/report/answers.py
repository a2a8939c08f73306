"""What the courses ask, answered from what was measured here: one pure function a question.

Each takes the runs of one data set and returns what they say in words, or None where the runs that it takes are not
there. A finding names its numbers; an opinion that no number stands behind has no place here.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from thirtytwo.report import numbers
from thirtytwo.report.results import RunResult, SetResult
from thirtytwo.report.sweep import trade_offs
from thirtytwo.report.targets import CATS, CMPUT, CMU, CMU_RESULTS, TSINGHUA
from thirtytwo.report.verdict import judge
from thirtytwo.report.words import beats, besides, groups, listed, lowest, score

__all__ = ["QUESTIONS", "Question"]


class Question(NamedTuple):
    """A question, the documents that ask it, the runs that answering takes, and what answers it."""

    asked: str
    sources: tuple[str, ...]
    takes: str
    answer: Callable[[SetResult], str | None]


def jumps(dataset: SetResult) -> str | None:
    """The mean change of the score from one snapshot to the next in the second half of training, over its mean."""
    told = {}
    for run in dataset.runs:
        loss = run.model.get("loss")
        if run.family == "gan" and run.scores is not None and len(run.scores) > 3 and loss:
            late = run.scores["fd_classifier"].to_numpy()[len(run.scores) // 2 :]
            told[run.name] = (str(loss), float(np.abs(np.diff(late)).mean() / late.mean()), _gradients(run))
    losses = {loss for loss, *_ in told.values()}
    if not losses & {"minimax", "non_saturating"} or len(losses) < 2:
        return None
    parts = [
        f"`{name}` ({loss}) by {numbers.percent(jump)}"
        + (f", its generator's gradient norm by a factor of {spread:.3g}" if spread else "")
        for name, (loss, jump, spread) in told.items()
    ]
    calm = min(told, key=lambda name: told[name][1])
    wild = max(told, key=lambda name: told[name][1])
    as_told = told[wild][0] in ("minimax", "non_saturating")
    end = (
        "as the course expects of cross-entropy"
        if as_told
        else "which is not what the course expects: it names cross-entropy"
    )
    return (
        f"In the second half of training the score changes from one snapshot to the next: {'; '.join(parts)}. The most "
        f"by `{wild}`, {end}; the least by `{calm}`. The factor is that of the 95th to the 5th percentile: a loss that "
        "leaves the generator without a gradient at one step and gives a large one at the next does not let it settle."
        f"{besides([run for run in dataset.runs if run.name in told], ('loss',))}"
    )


def _gradients(run: RunResult) -> float | None:
    if run.curve is None or "grad_norm_generator" not in run.curve:
        return None
    norms = run.curve["grad_norm_generator"].dropna().to_numpy()
    low, high = np.percentile(norms[len(norms) // 2 :], [5, 95]) if len(norms) > 20 else (0.0, 0.0)
    return float(high / low) if low > 0 else None


def latent_size(dataset: SetResult) -> str | None:
    """Autoencoders' distortion, and GANs' score, over the size of the code and of the network."""
    told = []
    for family, key, title in (("autoencoder", "distortion", "squared error an image"), ("gan", "fd_classifier", "FD")):
        for group in groups(dataset, family, key, ("latent_dim", "width")):
            sizes = sorted(group, key=lambda run: (run.model["latent_dim"], run.model["width"]))
            parts = [
                f"`{run.name}` (latent {run.model['latent_dim']}, hidden {run.model['width']}) {score(run, key)}"
                for run in sizes
            ]
            told.append(f"{title}: {', '.join(parts)}. {lowest(group, key)}")
    return " ".join(told) or None


def beta(dataset: SetResult) -> str | None:
    """Distortion and rate over beta, of autoencoders that differ in nothing else."""
    told = []
    for group in groups(dataset, "autoencoder", "distortion", ("beta", "variational")):
        values = sorted(group, key=lambda run: run.model["beta"])
        parts = [
            f"beta {run.model['beta']:g} (`{run.name}`): distortion {score(run, 'distortion')}"
            + (f", rate {run.metric('rate_nats'):.3g} nats" if run.metric("rate_nats") is not None else "")
            for run in values
        ]
        rising = all(a.metric("distortion") < b.metric("distortion") for a, b in pairwise(values))
        end = "the distortion falls with beta" if rising else "the distortion does not fall with beta throughout"
        told.append(
            f"{'; '.join(parts)}. Towards beta = 0 {end}: there the loss is the reconstruction alone, the rate is "
            "free, and the VAE is an autoencoder."
        )
    return " ".join(told) or None


def annealing(dataset: SetResult) -> str | None:
    """A beta that rises over the training against one that stands."""
    told = []
    for group in groups(dataset, "autoencoder", "distortion", ("beta_schedule",)):
        by_schedule = {run.model["beta_schedule"]: run for run in group}
        if {"constant", "linear"} <= by_schedule.keys():
            fixed, rising = by_schedule["constant"], by_schedule["linear"]
            better = rising.metric("distortion") < fixed.metric("distortion")
            told.append(
                f"Squared error of held-out images: {score(rising, 'distortion')} with beta rising from 0 "
                f"(`{rising.name}`), {score(fixed, 'distortion')} with beta fixed (`{fixed.name}`): annealing "
                f"{'helps' if better else 'does not help'} to reconstruct. FD of the samples: "
                f"{score(rising, 'fd_classifier')} and {score(fixed, 'fd_classifier')}; {beats(rising, fixed)}."
            )
    return " ".join(told) or None


def steps_and_eta(dataset: SetResult) -> str | None:
    """What a sweep says of S and eta."""
    told = [
        f"`{run.name}`: {' '.join(trade_offs(run.sweep.table).values())}"
        for run in dataset.runs
        if run.sweep is not None and len(run.sweep.table)
    ]
    return " ".join(told) or None


def modules(dataset: SetResult) -> str | None:
    """What BatchNorm and LeakyReLU do for a GAN."""
    told = []
    for key, title, base in (
        ("activation", "ReLU for LeakyReLU in the discriminator", "leaky_relu"),
        ("batch_norm", "No BatchNorm", True),
    ):
        for group in groups(dataset, "gan", "fd_classifier", (key,)):
            with_it = next((run for run in group if run.model[key] == base), None)
            for run in group:
                if with_it is not None and run is not with_it:
                    covered = (
                        f", {numbers.plain(run.metric('modes_covered'))} of {run.metric('classes')} classes"
                        if run.metric("classes")
                        else ""
                    )
                    told.append(
                        f"{title} (`{run.name}`): FD {score(run, 'fd_classifier')}{covered}, against "
                        f"{score(with_it, 'fd_classifier')} of `{with_it.name}`; {beats(run, with_it)}."
                    )
    return " ".join(told) or None


def convolutions(dataset: SetResult) -> str | None:
    """A GAN without convolutions against one with them."""
    plain = [run for run in dataset.runs if run.net == "mlp" and run.metric("fd_classifier") is not None]
    others = [run for run in dataset.runs if run.net == "dcgan" and run.metric("fd_classifier") is not None]
    if not plain or not others:
        return None
    mlp, dcgan = plain[0], others[0]
    scores = [f"{score(run, 'fd_classifier')}" for run in (mlp, dcgan)]
    text = f"FD {scores[0]} without (`{mlp.name}`), {scores[1]} with (`{dcgan.name}`); {beats(mlp, dcgan)}."
    if mlp.metric("fresh_accuracy") is not None and dcgan.metric("fresh_accuracy") is not None:
        right = [numbers.percent(run.metric("fresh_accuracy")) for run in (mlp, dcgan)]
        text += f" A fresh discriminator, which sees pixels, is right on {right[0]} and {right[1]}."
    return text


def equilibrium(dataset: SetResult) -> str | None:
    """Whether a fresh discriminator can tell samples from held-out images."""
    runs = [run for run in dataset.runs if run.metric("fresh_accuracy") is not None]
    if not runs:
        return None
    reached = [run.name for run in runs if run.metric("fresh_accuracy_low") <= 0.5]
    parts = [f"`{run.name}` {score(run, 'fresh_accuracy')}" for run in runs]
    end = f"so that {listed(reached)} may be there" if reached else "so that none has reached it"
    return (
        "The best discriminator is D* = p / (p + q), 1/2 everywhere at the equilibrium. A fresh discriminator, which "
        f"estimates D* against the finished generator, is right on a share of: {', '.join(parts)}; {end}."
    )


def collapse(dataset: SetResult) -> str | None:
    """Classes that GANs leave out."""
    runs = [run for run in dataset.runs if run.family == "gan" and run.metric("modes_covered") is not None]
    if not runs:
        return None
    parts = [
        f"`{run.name}` draws {numbers.plain(run.metric('modes_covered'))} of {run.metric('classes')} classes, entropy "
        f"{run.metric('class_entropy_bits'):.2f} of {np.log2(run.metric('classes')):.2f} bits"
        + (f" (diagnosis: {run.metric('diagnosis')})" if run.metric("diagnosis") else "")
        for run in runs
    ]
    return f"{'; '.join(parts)}."


def disentangled(dataset: SetResult) -> str | None:
    """Whether axes of the latent space are factors of the images."""
    runs = [run for run in dataset.runs if run.metric("direction_r2") is not None]
    if not runs:
        return None
    parts = [
        f"`{run.name}`: the best axis of z explains {numbers.percent(run.metric('coordinate_r2'))} of a true factor's "
        f"variance, the best direction {numbers.percent(run.metric('direction_r2'))}"
        for run in runs
    ]
    return (
        f"On the mean over the factors, {'; '.join(parts)}. Disentangled would be an axis as good as a direction, near "
        "100 %."
    )


def families(dataset: SetResult) -> str | None:
    """The best run of each family."""
    if judge(dataset).kind in ("incomparable", "none"):
        return None
    best: dict[str, RunResult] = {}
    for run in dataset.runs:
        fd = run.metric("fd_classifier")
        if fd is not None and (run.family not in best or fd < best[run.family].metric("fd_classifier")):
            best[run.family] = run
    if len(best) < 2:
        return None
    order = sorted(best.values(), key=lambda run: run.metric("fd_classifier"))
    parts = [f"{run.family} {score(run, 'fd_classifier')} (`{run.name}`)" for run in order]
    return f"FD of the best of each family: {', '.join(parts)}; {beats(order[0], order[1])}."


def sample_size(dataset: SetResult) -> str | None:
    """The floor over N."""
    table = dataset.floors
    if table is None or len(table) < 2:
        return None
    first, last = table.iloc[0], table.iloc[-1]
    return (
        f"Real images against real ones score {first['fd_classifier']:.3g} at N = {numbers.count(first['n'])} and "
        f"{last['fd_classifier']:.3g} at N = {numbers.count(last['n'])}: a score without its N says nothing."
    )


def grade(dataset: SetResult) -> str | None:
    """Whether a classifier recognises what was asked for."""
    runs = [run for run in dataset.runs if run.metric("accuracy") is not None]
    if not runs:
        return None
    parts = []
    for run in runs:
        best = run.metric("best_of_5_accuracy")
        told = f", best of five {numbers.percent(best)}" if best is not None else ""
        enough = "above" if (run.metric("accuracy") if best is None else best) >= 0.85 else "below"
        parts.append(f"`{run.name}` {numbers.percent(run.metric('accuracy'))}{told} ({enough} 85 %)")
    where = "" if dataset.kind == "fashion_mnist" else " (asked for Fashion-MNIST, measured here on other data)"
    return f"Samples that this data set's classifier sees in the class asked for{where}: {'; '.join(parts)}."


QUESTIONS = (
    Question("Why does the score of the cross-entropy GAN jump, and are least squares and WGAN-GP steadier?",
             (CMU, CMU_RESULTS), "GANs of two losses, with snapshots of the training", jumps),
    Question("Is the latent space disentangled?", (CMU,), "GANs on data with true factors", disentangled),
    Question("What does the size of the code do?", (CMU, TSINGHUA),
             "two runs that differ in `latent_dim` or `width` alone", latent_size),
    Question("For which beta is a VAE an autoencoder?", (CMU,),
             "autoencoders that differ in `beta` alone", beta),
    Question("Does annealing beta help?", (CMU,), "two VAEs that differ in `beta_schedule` alone", annealing),
    Question("What do the number of steps S and eta trade?", (CMU, CMPUT), "an entry under `sweeps:`", steps_and_eta),
    Question("How do diffusion models compare with GANs and VAEs?", (CMU, CATS),
             "scored runs of two families", families),
    Question("What do BatchNorm and LeakyReLU do?", (TSINGHUA,),
             "GANs that differ in `activation` or `batch_norm` alone", modules),
    Question("Has the GAN reached its Nash equilibrium?", (TSINGHUA,), "a GAN", equilibrium),
    Question("Do the GANs suffer from mode collapse?", (TSINGHUA,), "a GAN", collapse),
    Question("What do convolutions do for a GAN?", (TSINGHUA,), "runs with `net: mlp` and `net: dcgan`", convolutions),
    Question("How much does the score depend on the sample size?", (CATS,),
             "the floor at several N", sample_size),
    Question("Does a classifier recognise the class asked for?", (CMPUT,), "a conditional run", grade),
)  # fmt: skip
