"""All scores and tables of a run, from its samples and probes.

Where a run is trained by several seeds, the samples of each training are scored; all else is of the first.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from thirtytwo.evaluate import frechet
from thirtytwo.evaluate.classes import confusion
from thirtytwo.evaluate.disentanglement import disentanglement
from thirtytwo.evaluate.edges import edge_strength, edges
from thirtytwo.evaluate.equilibrium import equilibrium
from thirtytwo.evaluate.fid import by_class, inception_scores, read_inception_floor
from thirtytwo.evaluate.latent_space import FactorReader, class_directions, directions, path_length
from thirtytwo.evaluate.likelihood import bits_per_dim
from thirtytwo.evaluate.lines import along_lines
from thirtytwo.evaluate.posterior import bound_scores, code_scores
from thirtytwo.evaluate.real import Real, Scored, Seen
from thirtytwo.evaluate.scorecard import Floors, Measured, Score, Scorecard
from thirtytwo.evaluate.scores import frechet_score, label_scores, per_class, score, second_scores, some_of
from thirtytwo.evaluate.trainings import combine, seed_table

__all__ = ["Extractors", "Factors", "Network", "Rules", "score_run", "trajectory"]

Extract = Callable[[np.ndarray, str], tuple[np.ndarray, np.ndarray]]
_PRIORS = ("standard", "gaussian", "mixture")


@dataclass(frozen=True)
class Rules:
    """How a run is scored; the fields are those of the settings."""

    train_on: str
    mode_share: float
    bootstrap_resamples: int
    seed: int


@dataclass(frozen=True)
class Extractors:
    """The classifiers of the data set, as functions of images and of their name in messages.

    Attributes:
        images: features [N, D] and class probabilities [N, K] of [N, 32, 32, C] uint8.
        floats: features of [N, 32, 32, C] float32 in [-1, 1].
        second: as `images`, by the second classifier.
    """

    images: Extract
    floats: Callable[[np.ndarray, str], np.ndarray]
    second: Extract


@dataclass(frozen=True)
class Network:
    """A network whose features FID or its like is measured in, and what was computed on the reference images.

    Attributes:
        features: of images and of their name in messages.
        reference: [M, 2048].
        mu, sigma: of the reference.
        status: the values of data/fid_stats/<set>/<score>.json.
    """

    features: Callable[[np.ndarray, str], np.ndarray]
    reference: np.ndarray
    mu: np.ndarray
    sigma: np.ndarray
    status: Mapping[str, Any]


@dataclass(frozen=True)
class Factors:
    """Ground-truth factors of real images.

    Attributes:
        names: F names.
        train, test: images [N, 32, 32, C] uint8 and their factors [N, F].
    """

    names: tuple[str, ...]
    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]


def score_run(
    trainings: Sequence[tuple[np.ndarray, np.ndarray]], probes: Mapping[str, np.ndarray], reference: np.ndarray,
    real: Real, second: Seen, floors: Floors, rules: Rules, extract: Extractors, networks: Mapping[str, Network],
    factors: Factors | None,
) -> tuple[Scorecard, dict[str, pd.DataFrame]]:  # fmt: skip
    """The scorecard, and tables by their folder in plots/.

    Args:
        trainings: images [N, 32, 32, C] uint8 and labels [N] of each training, the first one first.
        probes: what else was drawn from the first training's model, by name.
        reference: [M, 32, 32, C] uint8, the real images that samples are scored against.
        second: the images of `real` as the second classifier sees them.
        networks: by the name of the Fréchet distance in its features: "fid", "fid_legacy" or "fd_<name>".
        factors: None where they are not known.

    Raises:
        EvaluationError: samples or probes cannot be scored.
    """
    cards, real_edges = [], float(edge_strength(reference).mean())
    for training, (images, labels) in enumerate(trainings):
        where, places = f"samples of training {training}", real.places(labels)
        samples = Scored(*extract.images(images, where), places)
        card, nearest = score(
            samples, real, floors.of(samples.strata), train_on=rules.train_on, mode_share=rules.mode_share,
            resamples=rules.bootstrap_resamples, seed=rules.seed,
        )  # fmt: skip
        by_second = Scored(*extract.second(images, where), places)
        measured = second_scores(by_second, second, resamples=rules.bootstrap_resamples, seed=rules.seed)
        measured |= Measured({"edges": edges(images, real_edges, samples.strata)})
        card = replace(card, measured=card.measured | measured)
        seen = {name: network.features(images, where) for name, network in networks.items()}
        for name, network in networks.items():
            card = _with_network(name, card, seen[name], samples.strata, network)
        cards.append(card)
        if training == 0:
            tables = {
                "classes": per_class(samples, real.reference, real.classes),
                "confusion": confusion(samples.predicted, samples.labels, real.classes),
                "neighbours": nearest,
            }
            if samples.strata is not None:
                for name, network in networks.items():
                    labelled = (seen[name], samples.labels, network.reference, real.reference.labels)
                    tables["classes"][name] = by_class(*labelled, len(real.classes))
            predicted = samples.predicted
    images, labels = trainings[0]
    model = _latent_scores(images, probes, rules, extract, factors) | _code_scores(probes, factors)
    model |= _line_scores(probes, len(images), real, rules, extract)
    if "latents" in probes and not factors and (labels < 0).all():
        model |= class_directions(predicted, len(real.classes), probes["latents"][: len(labels)])
    model |= _other_priors(probes, labels, real, rules, extract)
    tables |= {"scores": trajectory(probes, labels, real, extract, networks), "seeds": seed_table(cards)}
    return combine(cards, model), tables


def trajectory(
    probes: Mapping[str, np.ndarray], labels: np.ndarray, real: Real, extract: Extractors,
    networks: Mapping[str, Network],
) -> pd.DataFrame:  # fmt: skip
    """fd_classifier, FID where it is measured, and accuracy of requested labels, of images from each snapshot.

    Args:
        labels: [N] of the run's images, the first of which each snapshot draws again; -1 where none was requested.
    """
    mu, sigma = frechet.statistics(real.reference.features)
    rows, conditional = [], (labels >= 0).all()
    for step, images in zip(probes.get("snapshot_steps", ()), probes.get("snapshot_images", ()), strict=True):
        row: dict[str, float] = {"step": int(step), "n": len(images)}
        features, probabilities = extract.images(images, f"step {step}")
        row["fd_classifier"] = frechet.distance_to(features, mu, sigma)
        if conditional:
            row["accuracy"] = (probabilities.argmax(axis=1) == real.places(labels[: len(images)])).mean()
        for name, network in networks.items():
            row[name] = frechet.distance_to(network.features(images, f"step {step}"), network.mu, network.sigma)
        rows.append(row)
    return pd.DataFrame(rows, columns=["step", "n", "fd_classifier", *(["accuracy"] if conditional else []), *networks])


def _with_network(
    name: str, card: Scorecard, features: np.ndarray, strata: np.ndarray | None, network: Network
) -> Scorecard:
    """The scorecard with the Fréchet distance `name` and the other scores of its features beside their floors."""
    status = network.status
    measured = inception_scores(name, features, network.reference, network.mu, network.sigma, status, strata)
    floor = read_inception_floor(status, within_classes=strata is not None)
    same = floor.protocol[f"{name}_n"] == len(features)
    return replace(
        card, measured=card.measured | measured, floor=card.floor | floor | Measured({}, {f"{name}_same_n": same})
    )


def _latent_scores(
    images: np.ndarray, probes: Mapping[str, np.ndarray], rules: Rules, extract: Extractors, factors: Factors | None
) -> Measured:
    """Scores of the latent space, of the discriminators and of the likelihood."""
    measured = Measured()
    if "batch_norm" in probes:
        measured |= Measured({}, {"batch_norm": str(probes["batch_norm"])})
    if "path_start" in probes:
        start, end = (extract.floats(probes[name], name) for name in ("path_start", "path_end"))
        measured |= path_length(start, end, float(probes["path_epsilon"]), rules.bootstrap_resamples, rules.seed)
    if "d_held_out" in probes:
        trained, tested = ((probes[f"{who}_held_out"], probes[f"{who}_samples"]) for who in ("d", "c2st"))
        low, high = map(float, probes["d_targets"])
        probability = bool(probes["d_gives_probability"])
        measured |= equilibrium(trained, tested, int(probes["c2st_steps"]), probability, (low, high))
    if "bound_bits" in probes:
        measured |= bits_per_dim(probes["bound_bits"])
    if "latents" in probes and factors:
        reader = FactorReader(*factors.train, list(factors.names))
        measured |= directions(reader, images, probes["latents"][: len(images)], factors.test)
    return measured


def _line_scores(
    probes: Mapping[str, np.ndarray], count: int, real: Real, rules: Rules, extract: Extractors
) -> Measured:
    """Scores of a GAN's images along lines through its latent space, beside as many real images as there are samples."""
    if (lines := probes.get("interpolation_lines")) is None:
        return Measured()
    features, probabilities = extract.images(lines.reshape(-1, *lines.shape[2:]), "interpolation_lines")
    near = some_of(real.reference.features, count, rules.seed)
    return along_lines(
        features.reshape(*lines.shape[:2], -1), probabilities.argmax(axis=1).reshape(lines.shape[:2]), near
    )


def _code_scores(probes: Mapping[str, np.ndarray], factors: Factors | None) -> Measured:
    """Scores of an autoencoder's codes of held-out images, also against the images' true factors where known."""
    if "code_means" not in probes:
        return Measured()
    arrays = (probes["code_means"], probes["code_draws"], probes["distortion"])
    measured = code_scores(*arrays, probes.get("code_log_sigmas"))
    if "iwae_bits" in probes:
        measured |= bound_scores(probes["iwae_bits"], probes["elbo_bits"], int(probes["bound_samples"]))
    if factors:
        measured |= Measured(disentanglement(probes["code_means"], factors.test[1][probes["code_index"]]))
    return measured


def _other_priors(
    probes: Mapping[str, np.ndarray], labels: np.ndarray, real: Real, rules: Rules, extract: Extractors
) -> Measured:
    """fd_classifier_<prior> and accuracy_<prior> of an autoencoder's samples from another prior than the run's."""
    measured = Measured()
    for prior in _PRIORS:
        if (images := probes.get(f"{prior}_images")) is not None:
            drawn = images[: len(labels)]
            samples = Scored(*extract.images(drawn, f"{prior}_images"), real.places(labels))
            distance = frechet_score(samples, real.reference, rules.bootstrap_resamples, rules.seed)
            scores: dict[str, Score] = {f"fd_classifier_{prior}": distance}
            if "accuracy" in (by_label := label_scores(samples, rules.seed).scores):
                scores[f"accuracy_{prior}"] = by_label["accuracy"]
            measured |= Measured(scores)
    return measured
