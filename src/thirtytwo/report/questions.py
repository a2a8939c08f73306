"""Questions that the courses ask, answered from what was measured here: one function for each question.

A function takes a data set and returns a text, perhaps with a table of its numbers, or None if the runs that it needs are
missing.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from thirtytwo.report import wording
from thirtytwo.report.blocks import Block, Row, Section, Table, Text
from thirtytwo.report.cost import trade_offs
from thirtytwo.report.curves import equal_sizes
from thirtytwo.report.ranking import judge
from thirtytwo.report.results import Results, RunResult, SetResult
from thirtytwo.report.targets import CATS, CMPUT, CMU, CMU_RESULTS, TSINGHUA
from thirtytwo.report.variations import annealing, architecture, beta, latent_size, modules, noise_schedule, timesteps
from thirtytwo.report.wording import beats, judged_by, listed, percent

__all__ = ["QUESTIONS", "Answer", "Question", "answered", "section"]


class Answer(NamedTuple):
    """An answer in words, and the numbers of each run behind it."""

    text: str
    table: Table


class Question(NamedTuple):
    """A question, the documents that ask it, the runs that an answer needs, and the function that answers."""

    text: str
    sources: tuple[str, ...]
    needs: str
    answer: Callable[[SetResult], Answer | str | None]


def answered(question: Question, dataset: SetResult, lead: str) -> list[Block]:
    """The answer of a data set, opened by `lead`; nothing if the runs that it needs are missing."""
    answer = question.answer(dataset)
    if isinstance(answer, Answer):
        return [Text(answer.text, lead), answer.table]
    return [Text(answer, lead)] if answer else []


def _table(caption: str, columns: Sequence[str], rows: list[Row], words: int = 0) -> Table:
    """A table of runs whose first `words` columns are text."""
    return Table(caption, ["run", *columns], rows, [place > words for place in range(len(columns) + 1)])


def jumps(dataset: SetResult) -> Answer | None:
    """The mean change of the score between snapshots in the second half of training, relative to its mean."""
    changes = {}
    for run in dataset.runs:
        loss = run.model.get("loss")
        if run.family == "gan" and run.snapshots is not None and len(run.snapshots) > 3 and loss:
            late = run.snapshots["fd_classifier"].to_numpy()[len(run.snapshots) // 2 :]
            changes[run.name] = (str(loss), float(np.abs(np.diff(late)).mean() / late.mean()), _gradients(run))
    losses = {loss for loss, *_ in changes.values()}
    if not losses & {"minimax", "non_saturating"} or len(losses) < 2:
        return None
    rows = [
        Row(name, [loss, f"{100 * change:.1f}", f"{spread:.2f}" if spread else wording.MISSING])
        for name, (loss, change, spread) in changes.items()
    ]
    calm = min(changes, key=lambda name: changes[name][1])
    wild = max(changes, key=lambda name: changes[name][1])
    shown = [run for run in dataset.runs if run.name in changes]
    as_taught = changes[wild][0] in ("minimax", "non_saturating")
    end = (
        "as the course expects of the cross-entropy loss"
        if as_taught
        else "which is not what the course expects: it names the cross-entropy loss"
    )
    text = (
        f"In the second half of training, the score of `{wild}` changes most between snapshots, {end}; that of `{calm}` changes "
        "least. A loss whose gradient vanishes at one step and is large at the next keeps the generator from settling: see the "
        "ratio of the 95th to the 5th percentile of the gradient's norm, and Methods for each loss. These are single trainings "
        f"without intervals, so whether the losses cause the difference is not known.{wording.other_settings(shown, ('loss',))}"
    )
    return Answer(
        text, _table("The second half of each training.", ["loss", "change, %", "gradient, 95th / 5th"], rows, words=1)
    )


def _gradients(run: RunResult) -> float | None:
    if run.curve is None or "grad_norm_generator" not in run.curve:
        return None
    norms = run.curve["grad_norm_generator"].dropna().to_numpy()
    low, high = np.percentile(norms[len(norms) // 2 :], [5, 95]) if len(norms) > 20 else (0.0, 0.0)
    return float(high / low) if low > 0 else None


def steps_and_eta(dataset: SetResult) -> str | None:
    """What a sweep shows about S and eta."""
    texts = [
        f"`{run.name}`: {' '.join(trade_offs(run.sweep.table).values())}"
        for run in dataset.runs
        if run.sweep is not None and len(run.sweep.table)
    ]
    reservation = (
        " These are points of one trained model, drawn from the same noise. Only the differences from the best point have "
        "intervals; others, and those of other trainings, are not known."
    )
    return " ".join(texts) + reservation if texts else None


def convolutions(dataset: SetResult) -> str | None:
    """A GAN without convolutions against one with them."""
    mlps = [run for run in dataset.runs if run.net == "mlp" and run.scored]
    others = [run for run in dataset.runs if run.net == "dcgan" and run.scored]
    if not mlps or not others:
        return None
    return f"Without convolutions against with them: {wording.samples_of_both(mlps[0], others[0])}."


def equilibrium(dataset: SetResult) -> Answer | None:
    """Lower bounds on how often the best discriminator tells samples from held-out images."""
    runs = [run for run in dataset.runs if run.metric("c2st_accuracy") is not None]
    if not runs:
        return None
    apart = [run for run in runs if (run.estimate("c2st_accuracy").low or 0.0) > 0.5]
    rest = [run.name for run in runs if run not in apart]
    text = "At the equilibrium the best discriminator D* = p / (p + q) is 1/2 everywhere and right 50 % of the time. "
    if apart:
        text += f"{listed([run.name for run in apart])} {'has' if len(apart) == 1 else 'have'} not reached the equilibrium: "
        text += (
            "a two-sample classifier is right more often, and the best discriminator is right at least as often as it. "
        )
    if rest:
        text += f"For {listed(rest)} this classifier is too weak to tell: the question stays open."
    rows = [Row(run.name, [wording.at_least(run.estimate("c2st_accuracy"))]) for run in runs]
    return Answer(text.strip(), _table("By the two-sample classifier.", ["the best discriminator is right"], rows))


def collapse(dataset: SetResult) -> Answer | None:
    """Classes that GANs leave out."""
    runs = [run for run in dataset.runs if run.family == "gan" and run.metric("modes_covered") is not None]
    if not runs:
        return None
    collapsed = [run.name for run in runs if run.diagnosis == "collapsed"]
    missing = [
        run.name for run in runs if run.metric("modes_covered") < run.metric("classes") and run.name not in collapsed
    ]
    text = f"Diagnosed as collapsed: {listed(collapsed)}." if collapsed else "No GAN is diagnosed as collapsed."
    text += f" {listed(missing)} {'leaves' if len(missing) == 1 else 'leave'} classes out." if missing else ""
    text += f" A uniform histogram has {np.log2(runs[0].metric('classes')):.2f} bits."
    rows = [Row(run.name, [wording.cover(run), f"{run.metric('class_entropy_bits'):.2f}"]) for run in runs]
    return Answer(text, _table("Classes among the samples.", ["classes", "entropy, bits"], rows, words=1))


def disentangled(dataset: SetResult) -> Answer | None:
    """Whether axes of the latent space are factors of the images."""
    for suffix, what in (
        ("", "How much of a true factor's variance does the best axis of z explain, and how much the best directions, averaged "
         "over factors?"),
        ("_class", "The true factors of these data are not known. How much of the class that the classifier sees does the best "
         "axis of z explain, and how much the best directions?"),
    ):  # fmt: skip
        rows = [
            Row(run.name, [f"{100 * run.metric(f'{kind}_r2{suffix}'):.1f}" for kind in ("coordinate", "direction")])
            for run in dataset.runs
            if run.metric(f"direction_r2{suffix}") is not None
        ]
        if rows:
            text = f"{what} In a disentangled space, an axis would do as well as a direction, near 100 %."
            return Answer(text, _table("Variance that is explained.", ["axis, %", "directions, %"], rows))
    return None


def families(dataset: SetResult) -> Answer | None:
    """The best run of each family."""
    if judge(dataset).kind in ("incomparable", "none"):
        return None
    scored = [run for run in dataset.runs if run.scored]
    key, title = judged_by(scored)
    best: dict[str, RunResult] = {}
    for run in sorted(scored, key=lambda run: run.metric(key)):
        best.setdefault(run.family, run)
    if len(best) < 2:
        return None
    order = list(best.values())
    rows = [Row(run.name, [run.family, wording.estimated(run.estimate(key))]) for run in order]
    first, second = (f"`{run.name}` ({run.family})" for run in order[:2])
    text = f"The two lowest by {title} are {first} and {second}: {beats(order[0], order[1])}."
    return Answer(text, _table("The best run of each family.", ["family", title], rows, words=1))


def sample_size(dataset: SetResult) -> str | None:
    """The floor over N."""
    curve, texts = dataset.floor.curves.get("fd_classifier", []), []
    if len(curve) > 1:
        parts = [f"{score.value:.3g} at N = {wording.count(n)}" for n, score in (curve[0], curve[-1])]
        texts.append(f"By FD, real images against other real images score {parts[0]} and {parts[1]}.")
    for key, values in equal_sizes(dataset).items():
        sizes = ", ".join(f"{value:.3g} at N = {wording.count(n)}" for n, value in values)
        texts.append(f"`{key}` of N real images against N others is {sizes}.")
    if texts and dataset.kind == "cifar10":
        texts.append(
            "The CIFAR-10 diffusion report has 87 at N = 500, 49.838 at 1,000 and 0.05 at 10,000, by pytorch-fid."
        )
    return f"{' '.join(texts)} A score means little without its N." if texts else None


def grade(dataset: SetResult) -> Answer | None:
    """Whether a classifier recognises the requested classes."""
    runs = [run for run in dataset.runs if run.metric("accuracy") is not None]
    if not runs:
        return None
    rows, passed = [], []
    for run in runs:
        best = run.metric("best_of_5_accuracy")
        passed += [run.name] if (run.metric("accuracy") if best is None else best) >= 0.85 else []
        rows.append(Row(run.name, [percent(run.metric("accuracy")), percent(best)]))
    where = "" if dataset.kind == "fashion_mnist" else ", which sets it for Fashion-MNIST"
    text = (
        f"Above the 85 % of the course{where}: {listed(passed) if passed else 'none'}, of {len(runs)} conditional runs."
    )
    return Answer(
        text,
        _table("Samples that the classifier recognises as the requested class.", ["all", "best of five"], rows),
    )


QUESTIONS = (
    Question("Why does the score of the cross-entropy GAN jump, and are least squares and WGAN-GP steadier?",
             (CMU, CMU_RESULTS), "GANs with two losses and snapshots of the training", jumps),
    Question("Is the latent space disentangled?", (CMU,), "GANs without labels", disentangled),
    Question("What does the size of the code do?", (CMU, TSINGHUA),
             "two runs that differ only in `latent_dim` or `width`", latent_size),
    Question("For which beta is a VAE an autoencoder?", (CMU,), "autoencoders that differ only in `beta`", beta),
    Question("Does annealing beta help?", (CMU,), "two VAEs that differ only in `beta_schedule`", annealing),
    Question("What does the noise schedule do?", (CATS, CMPUT), "diffusion runs that differ only in `schedule`",
             noise_schedule),
    Question("What does the size of a UNet do?", (CATS,),
             "diffusion runs that differ only in `width`, `width_multipliers`, `blocks` or `attention_resolutions`",
             architecture),
    Question("What does the number of timesteps T do?", (CATS,), "diffusion runs that differ only in `timesteps`",
             timesteps),
    Question("What do the number of steps S and eta trade?", (CMU, CMPUT), "an entry under `sweeps:`", steps_and_eta),
    Question("How do diffusion models compare with GANs and VAEs?", (CMU, CATS),
             "scored runs of two families", families),
    Question("What do BatchNorm and LeakyReLU do?", (TSINGHUA,),
             "GANs that differ only in `activation` or `batch_norm`", modules),
    Question("Has the GAN reached its Nash equilibrium?", (TSINGHUA,), "a GAN", equilibrium),
    Question("Do the GANs suffer from mode collapse?", (TSINGHUA,), "a GAN", collapse),
    Question("What do convolutions do for a GAN?", (TSINGHUA,), "runs with `net: mlp` and `net: dcgan`", convolutions),
    Question("How much does the score depend on the sample size?", (CATS,), "the floor for several N", sample_size),
    Question("Does a classifier recognise the requested class?", (CMPUT,), "a conditional run", grade),
)  # fmt: skip


def section(results: Results) -> Section:
    """The questions that these results answer, and what the others need."""
    parts, unanswered = [], []
    for place, question in enumerate(QUESTIONS):
        blocks = [block for dataset in results.sets for block in answered(question, dataset, f"{dataset.name}:")]
        sources = listed(question.sources, "")
        if blocks:
            parts.append(
                Section(question.text, f"question-{place}", [*blocks, Text(f"Source: {sources}.")], folded=True)
            )
        else:
            unanswered.append(Row(question.text, [sources, question.needs]))
    intro = "The answers use only the numbers of this page. Where they contradict what is taught, trust the numbers."
    blocks = [Text(intro)]
    if unanswered:
        caption = "Questions that these runs cannot answer."
        blocks.append(Table(caption, ["question", "source", "needs"], unanswered, [False] * 3, folded=True))
    return Section("Questions the courses ask", "questions", blocks, parts)
