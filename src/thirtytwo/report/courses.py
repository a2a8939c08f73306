"""The report in the order of one course: each question with its number, the runs that it is about, and the answer."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from thirtytwo.report import autoencoders, comparison, cost, curves, diffusion, gans, samples
from thirtytwo.report.blocks import Block, Gallery, Notice, Section, Text
from thirtytwo.report.methods import section as methods
from thirtytwo.report.questions import QUESTIONS, answered
from thirtytwo.report.results import Results, SetResult
from thirtytwo.report.targets import CATS, CMPUT, CMU, TSINGHUA
from thirtytwo.report.targets import section as targets

__all__ = ["COURSES", "Course", "Item", "sections"]

Part = Callable[[SetResult, Results, Path], list[Block]]


def _scores(dataset: SetResult, results: Results, folder: Path) -> list[Block]:
    return [comparison.headline(dataset)] if any(run.scored for run in dataset.runs) else []


_PARTS: dict[str, Part] = {
    "scores": _scores,
    "samples": samples.grids,
    "classes": samples.histograms,
    "requested": lambda dataset, _, folder: samples.confusions(dataset, folder),
    "sampling": lambda dataset, _, folder: cost.sweeps(dataset, folder),
    "schedules": lambda dataset, _, folder: diffusion.noise_schedules(dataset, folder),
    "reconstructions": lambda dataset, _, folder: autoencoders.reconstructions(dataset, folder),
    "along": lambda dataset, _, folder: gans.along_training(dataset, folder),
    "latent": lambda dataset, _, folder: gans.latent_space(dataset, folder),
    "equilibrium": lambda dataset, _, folder: gans.equilibrium(dataset, folder),
    "floor": lambda dataset, _, folder: curves.floors(dataset, folder),
    "validation": lambda dataset, _, folder: curves.validation(dataset, folder),
    "curves": lambda dataset, _, folder: curves.training(dataset, folder),
    "cost": lambda dataset, _, folder: cost.runs(dataset, folder),
}


class Item(NamedTuple):
    """One question of a course.

    Attributes:
        number: of the document.
        asked: what it asks for, in a few words.
        runs: names of the runs that it is about; those that the results lack are named as missing.
        parts: what shows the answer, in order: keys of `_PARTS`.
        questions: texts of the questions in `questions.QUESTIONS` that answer it in words.
    """

    number: str
    asked: str
    runs: tuple[str, ...]
    parts: tuple[str, ...]
    questions: tuple[str, ...] = ()


class Course(NamedTuple):
    """A document, and its questions in its order."""

    title: str
    items: tuple[Item, ...]


_JUMPS = "Why does the score of the cross-entropy GAN jump, and are least squares and WGAN-GP steadier?"
_AXES = "Is the latent space disentangled?"
_SIZE = "What does the size of the code do?"
_BETA = "For which beta is a VAE an autoencoder?"
_ANNEAL = "Does annealing beta help?"
_SCHEDULE = "What does the noise schedule do?"
_UNET = "What does the size of a UNet do?"
_TIMESTEPS = "What does the number of timesteps T do?"
_STEPS = "What do the number of steps S and eta trade?"
_FAMILIES = "How do diffusion models compare with GANs and VAEs?"
_MODULES = "What do BatchNorm and LeakyReLU do?"
_NASH = "Has the GAN reached its Nash equilibrium?"
_COLLAPSE = "Do the GANs suffer from mode collapse?"
_DENSE = "What do convolutions do for a GAN?"
_FLOOR = "How much does the score depend on the sample size?"
_GRADE = "Does a classifier recognise the requested class?"
_GAN = ("scores", "along", "samples", "latent")
_BETAS = ("vae_beta08", "vae", "vae_beta12")
_FOUR = ("dcgan", "dcgan_z100", "dcgan_h100", "dcgan_z100_h100")
_CATS = ("ddpm_cats_half", "ddpm_cats_2ud", "ddpm_cats_2ud_cosine", "ddpm_cats", "ddpm_cats_cosine")
_CONDITIONAL = ("cddpm", "cddpm_epsilon", "cddpm_quadratic", "cvae", "cvae_standard", "lddpm")

COURSES = {
    "cmu": Course(CMU, (
        Item("1.3", "a GAN with the losses of Algorithm 1", ("gan_minimax", "gan"), _GAN, (_JUMPS, _AXES)),
        Item("1.4", "a GAN with least-squares losses", ("lsgan",), _GAN, (_JUMPS, _AXES)),
        Item("1.5", "a GAN with the losses of WGAN-GP", ("wgan_gp",), _GAN, (_JUMPS, _AXES)),
        Item("2.1", "an autoencoder with latent sizes 16, 128 and 1024", ("ae_16", "ae_128", "ae_1024"),
             ("validation", "reconstructions"), (_SIZE,)),
        Item("2.2", "a variational autoencoder", ("vae",), ("validation", "reconstructions", "samples")),
        Item("2.3.1", "beta of 0.8, 1 and 1.2", _BETAS, ("validation", "reconstructions", "samples"), (_BETA,)),
        Item("2.3.2", "beta that grows from 0", ("vae", "vae_anneal"), ("validation", "reconstructions", "samples"),
             (_ANNEAL,)),
        Item("3.1", "samples of a pretrained diffusion model by DDPM", ("ddpm_pretrained", "ddpm"), ("samples",)),
        Item("3.2.1 to 3.2.4", "DDIM: the number of steps, eta, and another sampler", ("ddpm_pretrained", "ddpm"),
             ("sampling",), (_STEPS,)),
        Item("3.2.5", "diffusion against GANs and VAEs", ("ddpm_pretrained", "ddpm", "wgan_gp_cifar10", "vae"),
             ("scores", "samples"), (_FAMILIES,)),
    )),
    "cifar10_diffusion": Course(CATS, (
        Item("Essential 2", "diffusion models of cats: architecture and schedule", _CATS,
             ("scores", "floor", "samples", "schedules"), (_UNET, _SCHEDULE, _FLOOR)),
        Item("Essential 3", "DCGANs of cats, default and smoothed",
             ("dcgan_cats", "dcgan_cats_1024", "dcgan_cats_smooth"), ("scores", "samples"), (_FAMILIES,)),
        Item("Desirable 1", "UNets against a plain convolutional network", ("ddpm_cats", "ddpm_cats_cnn"),
             ("scores", "samples")),
        Item("Desirable 2", "schedule, number of timesteps and width", ("ddpm_cats_t500", "ddpm_cats", "ddpm_cats_t1500",
             "ddpm_cats_half"), ("scores", "cost", "samples"), (_TIMESTEPS, _UNET)),
        Item("Desirable 3", "labels: cats and frogs by one diffusion model", ("cddpm_cats_frogs",
             "cddpm_cats_frogs_t500", "cddpm_cats_frogs_t1500"), ("scores", "samples", "requested")),
        Item("Desirable 4", "the conditional GAN beside it", ("cgan_cats_frogs", "cddpm_cats_frogs"),
             ("scores", "samples", "requested"), (_FAMILIES,)),
    )),
    "tsinghua": Course(TSINGHUA, (
        Item("Report 1", "four GANs: latent and hidden size of 16 and 100", _FOUR, ("curves", "along", "samples")),
        Item("Report 2", "their scores", _FOUR, ("scores",)),
        Item("Report 3", "what latent and hidden size do", _FOUR, ("scores",), (_SIZE,)),
        Item("Report 4", "ReLU for LeakyReLU, and no BatchNorm", ("dcgan", "dcgan_relu", "dcgan_nobn"),
             ("scores", "samples"), (_MODULES,)),
        Item("Report 5", "the Nash equilibrium", _FOUR, ("equilibrium", "curves"), (_NASH,)),
        Item("Report 6", "interpolation and extrapolation", ("dcgan",), ("latent",)),
        Item("Report 7", "mode collapse", _FOUR, ("classes",), (_COLLAPSE,)),
        Item("Report 8", "a GAN of fully connected networks", ("mlpgan", "dcgan"), ("scores", "samples"), (_DENSE,)),
    )),
    "cmput328": Course(CMPUT, (
        Item("2.1", "a conditional DDPM", ("cddpm_epsilon", "cddpm", "cddpm_quadratic"),
             ("scores", "samples", "requested", "schedules"), (_SCHEDULE,)),
        Item("2.2", "the same model, sampled by DDIM", ("cddpm_epsilon", "cddpm"), ("sampling",), (_STEPS,)),
        Item("2.3", "a conditional VAE", ("cvae_standard", "cvae"), ("scores", "samples", "requested")),
        Item("2.4", "diffusion on the codes of the VAE", ("lddpm",), ("scores", "samples", "requested")),
        Item("2.5", "accuracy of the classifier", _CONDITIONAL, ("scores", "along"), (_GRADE,)),
    )),
}  # fmt: skip


def sections(results: Results, key: str, folder: Path) -> list[Section]:
    """One section a question of the course `key`, then its published numbers and the methods.

    Pictures are written to `folder`. Runs keep their names at every scale, so a question is answered from the data set at
    hand; the section says which one that is.
    """
    course = COURSES[key]
    listed = [_section(place, item, results, folder) for place, item in enumerate(course.items)]
    names = {name for item in course.items for name in item.runs}
    return [*listed, targets(_only(results, names)), methods(_only(results, names))]


def _section(place: int, item: Item, results: Results, folder: Path) -> Section:
    inner = folder / f"item-{place}"  # a run appears under several questions, each with pictures of its own
    inner.mkdir()
    blocks: list[Block] = []
    found = {run.name for run in results.runs if run.name in item.runs}
    if missing := [name for name in item.runs if name not in found]:
        names = ", ".join(f"`{name}`" for name in missing)
        blocks.append(
            Notice(f"Not in these results: {names}. `make scale SCALE=paper` has every run of this question.")
        )
    asked, done = [question for question in QUESTIONS if question.text in item.questions], set()
    for dataset in results.sets:
        about = _about(dataset, item.runs)
        if not about.runs:
            continue
        names = ", ".join(f"`{run.name}`" for run in about.runs)
        blocks.append(Text(f"{names} on data set {dataset.name}.", "Shown here:"))
        for question in asked:
            if answer := answered(question, dataset, question.text):
                done.add(question.text)
                blocks += answer
        for part in item.parts:
            blocks += [_moved(block, inner.name) for block in _PARTS[part](about, results, inner)]
    lacking = [question for question in asked if question.text not in done]
    blocks += [Text(f"The answer needs {question.needs}.", question.text) for question in lacking]
    return Section(f"{item.number}: {item.asked}", f"item-{place}", blocks)


def _about(dataset: SetResult, names: tuple[str, ...] | set[str]) -> SetResult:
    """The data set with only the runs `names`."""
    return replace(dataset, runs=[run for run in dataset.runs if run.name in names])


def _only(results: Results, names: set[str]) -> Results:
    return replace(results, sets=[one for dataset in results.sets if (one := _about(dataset, names)).runs])


def _moved(block: Block, inner: str) -> Block:
    """The block with its pictures in the folder `inner`."""
    if not isinstance(block, Gallery):
        return block
    return replace(block, pictures=[replace(one, file=f"{inner}/{one.file}") for one in block.pictures])
