"""evaluate: scores of a run's samples, each with its N, split, features and floor; histograms; scores in training.

Where a run is trained by several seeds, the samples of each are scored; all else is of the first.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from thirtytwo.core.device import set_up
from thirtytwo.data.batches import load
from thirtytwo.evaluate import frechet, inception
from thirtytwo.evaluate.classes import confusion
from thirtytwo.evaluate.diagnosis import diagnose
from thirtytwo.evaluate.disentanglement import disentanglement
from thirtytwo.evaluate.equilibrium import equilibrium
from thirtytwo.evaluate.latent_space import FactorReader, directions, path_length
from thirtytwo.evaluate.likelihood import bits_per_dim
from thirtytwo.evaluate.posterior import bound_scores, code_scores
from thirtytwo.evaluate.scores import (
    Real,
    Scored,
    Scores,
    classifier_scores,
    frechet_scores,
    join_floor,
    label_scores,
    per_class,
)  # fmt: skip
from thirtytwo.evaluate.training_seeds import over_seeds, seed_files, seed_table
from thirtytwo.features.checks import read_arrays
from thirtytwo.features.extraction import extract, extract_floats, file_sha256, load_classifier
from thirtytwo.nets.classifier import Classifier
from thirtytwo.runtime import files
from thirtytwo.runtime.errors import CheckpointError, EvaluationError, ParamsError
from thirtytwo.settings import configs
from thirtytwo.settings.evaluation import EvaluateConfig

ROOT = Path(__file__).resolve().parents[1]
REAL = ("features", "probabilities", "labels")
ABOUT = ("classes", "class_places", "split", "features_sha256", "resampler", "kernel_mean", "copy_distance")


def main(name: str) -> None:
    """Writes metrics/<run>.json and plots/{classes,confusion,neighbours,scores,seeds}/<run>.csv."""
    settings = configs.read(EvaluateConfig, "evaluate", name, ROOT)
    device = set_up(settings.compute)
    paths = seed_files(ROOT / "data" / "samples" / name, settings.seeds)
    with np.load(ROOT / "data" / "probes" / f"{name}.npz", allow_pickle=False) as file:
        probes = dict(file)
    weights = ROOT / "data" / "features" / f"{settings.dataset}.pt"
    classifier, _ = load_classifier(weights, device)
    real, about = reference(settings, file_sha256(weights))
    found = [score_samples(path, classifier, real, about, settings, device) for path in paths]
    rows, tables = [row for row, _ in found], found[0][1]
    images, labels = drawn(paths[0], settings)
    first = by_probes(images, probes, classifier, settings) | by_codes(probes, settings)
    first |= by_other_prior(probes, labels, classifier, real, about, settings)
    scores = over_seeds(rows, first)
    tables["scores"] = trajectory(probes, classifier, real, settings, device)
    tables["seeds"] = seed_table(rows)
    files.write(ROOT / "metrics" / f"{name}.json", f"{json.dumps(scores, indent=1)}\n".encode())
    for folder, table in tables.items():
        files.write(ROOT / "plots" / folder / f"{name}.csv", table.to_csv(index=False).encode())
    print(
        f"{name}: fd_classifier {scores['fd_classifier']:.4g} at N={scores['n']} "
        f"(floor {scores['fd_classifier_floor']:.4g} at N={scores['fd_classifier_floor_n']}), "
        f"{scores['modes_covered']:.4g} of {scores['classes']} classes, {scores['seeds']} training seeds, "
        f"{scores['diagnosis']}"
    )


def drawn(path: Path, settings: EvaluateConfig) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels to be scored, of one training seed."""
    images, labels = read_arrays(path, ("images", "labels"))
    if len(images) < settings.samples:
        raise EvaluationError(
            f"{path}: {len(images)} images, evaluation.samples asks for {settings.samples}; raise sampling.images"
        )
    return images[: settings.samples], labels[: settings.samples]


def reference(settings: EvaluateConfig, found: str) -> tuple[Real, dict[str, np.ndarray]]:
    """The real images as the classifier sees them, and what is known of their features."""
    cached = ROOT / "data" / "features" / f"{settings.dataset}.npz"
    arrays = read_arrays(cached, (*REAL, *ABOUT))
    about = dict(zip(ABOUT, arrays[len(REAL) :], strict=True))
    if found != str(about["features_sha256"]):
        raise EvaluationError(f"{cached}: features of another classifier ({about['features_sha256']}) than {found}")
    known = float(about["kernel_mean"]), float(about["copy_distance"])
    return Real(Scored(*arrays[: len(REAL)]), about["split"], settings.reference_split, *known), about


def score_samples(
    path: Path, classifier: Classifier, real: Real, about: dict[str, np.ndarray], settings: EvaluateConfig,
    device: torch.device,
) -> tuple[Scores, dict[str, pd.DataFrame]]:  # fmt: skip
    """All scores of one training seed's samples, beside their floors, and its tables by their folders in plots/."""
    images, labels = drawn(path, settings)
    asked = np.where(labels < 0, -1, about["class_places"][labels])
    samples = Scored(*extract(images, classifier, str(path)), asked)
    scores, closest = classifier_scores(
        samples, real, mode_share=settings.mode_share, resamples=settings.bootstrap_resamples, seed=settings.seed
    )
    scores |= {
        "reference_split": settings.reference_split,
        "resampler": str(about["resampler"]),
        "features_sha256": str(about["features_sha256"]),
    }
    floor = json.loads((ROOT / "metrics" / "floor" / f"{settings.dataset}.json").read_text(encoding="utf-8"))
    scores = join_floor(scores, floor)
    scores |= dict(zip(("diagnosis", "diagnosis_reason"), diagnose(scores), strict=True))
    if settings.fid:
        scores |= by_inception(images, settings, device, path)
    names, predicted = [str(name) for name in about["classes"]], samples.probabilities.argmax(axis=1)
    tables = {
        "classes": per_class(samples, real.reference, names),
        "confusion": confusion(predicted, asked, names),
        "neighbours": closest,
    }
    return scores, tables


def by_probes(
    images: np.ndarray, probes: dict[str, np.ndarray], classifier: Classifier, settings: EvaluateConfig
) -> Scores:
    """Scores of what else was made with the model: its latent space, its discriminators."""
    scores: Scores = {}
    if "batch_norm" in probes:
        scores["batch_norm"] = str(probes["batch_norm"])
    if "path_start" in probes:
        ends = [extract_floats(probes[key], classifier, key) for key in ("path_start", "path_end")]
        epsilon = float(probes["path_epsilon"])
        scores |= path_length(*ends, epsilon, settings.bootstrap_resamples, settings.seed)
    if "d_held_out" in probes:
        own, fresh = ((probes[f"{who}_held_out"], probes[f"{who}_samples"]) for who in ("d", "fresh"))
        scores |= equilibrium(own, fresh, bool(probes["d_gives_probability"]))
    if "bound_bits" in probes:
        scores |= bits_per_dim(probes["bound_bits"])
    if "latents" in probes:
        data = load(ROOT / "data" / "prepared" / f"{settings.dataset}.npz")
        if data.factor_names:
            train, test = data.only("train"), data.only("test")
            reader = FactorReader(train.images, train.factors, list(data.factor_names))
            scores |= directions(reader, images, probes["latents"][: len(images)], (test.images, test.factors))
    return scores


def by_codes(probes: dict[str, np.ndarray], settings: EvaluateConfig) -> Scores:
    """Scores of an autoencoder's codes of held-out images, also against the images' true factors where known."""
    if "code_means" not in probes:
        return {}
    arrays = (probes["code_means"], probes["code_draws"], probes["distortion"])
    scores: Scores = dict(code_scores(*arrays, probes.get("code_log_sigmas")))
    if "iwae_bits" in probes:
        scores |= bound_scores(probes["iwae_bits"], probes["elbo_bits"], int(probes["bound_samples"]))
    data = load(ROOT / "data" / "prepared" / f"{settings.dataset}.npz")
    if data.factor_names:
        scores |= disentanglement(probes["code_means"], data.only("test").factors[probes["code_index"]])
    return scores


def by_other_prior(
    probes: dict[str, np.ndarray], labels: np.ndarray, classifier: Classifier, real: Real,
    about: dict[str, np.ndarray], settings: EvaluateConfig,
) -> Scores:  # fmt: skip
    """fd_classifier_<prior> and accuracy_<prior> of an autoencoder's samples from another prior than the run's own."""
    scores: Scores = {}
    for prior in ("standard", "gaussian", "mixture"):
        if (images := probes.get(f"{prior}_images")) is not None:
            asked = np.where(labels < 0, -1, about["class_places"][labels])
            samples = Scored(*extract(images[: settings.samples], classifier, f"{prior}_images"), asked)
            own = (samples.features, real.reference.features, settings.bootstrap_resamples, settings.seed)
            found = frechet_scores(*own) | label_scores(samples, settings.seed)
            keep = ("fd_classifier", "accuracy")
            scores |= {key.replace(k, f"{k}_{prior}"): found[key] for k in keep for key in found if key.startswith(k)}
    return scores


def trajectory(
    probes: dict[str, np.ndarray], classifier: Classifier, real: Real, settings: EvaluateConfig, device: torch.device
) -> pd.DataFrame:
    """fd_classifier, and FID where it is measured, of the images drawn from each snapshot of the training."""
    mu, sigma = frechet.statistics(real.reference.features)
    if settings.fid:
        folder = ROOT / "data" / "fid_stats" / settings.dataset
        fid_statistics = read_arrays(folder / "statistics.npz", ("mu", "sigma"))
    rows = []
    for step, images in zip(probes.get("snapshot_steps", ()), probes.get("snapshot_images", ()), strict=True):
        row = {"step": int(step), "n": len(images)}
        row["fd_classifier"] = frechet.distance_to(extract(images, classifier, f"step {step}")[0], mu, sigma)
        if settings.fid:
            row["fid"] = frechet.distance_to(inception_features(images, device, f"step {step}"), *fid_statistics)
        rows.append(row)
    return pd.DataFrame(rows, columns=["step", "n", "fd_classifier", *(["fid"] if settings.fid else [])])


def by_inception(images: np.ndarray, settings: EvaluateConfig, device: torch.device, path: Path) -> Scores:
    """FID and KID by clean-fid's network against what fid_stats measured, beside their floors."""
    folder = ROOT / "data" / "fid_stats" / settings.dataset
    status = json.loads((folder / "status.json").read_text(encoding="utf-8"))
    features = inception_features(images, device, str(path))
    data = load(ROOT / "data" / "prepared" / f"{settings.dataset}.npz")
    real = inception_features(data.only(settings.reference_split).images, device, f"real images of {settings.dataset}")
    return inception.scores(features, folder / "statistics.npz", status) | inception.kid_scores(features, real, status)


def inception_features(images: np.ndarray, device: torch.device, where: str) -> np.ndarray:
    """[N, 2048], from the cache where these very images have been seen before."""
    weights = inception.find_weights(ROOT / "data" / "downloads")
    return inception.cached_features(images, weights, device, ROOT / "data" / "inception", where)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (ParamsError, EvaluationError, CheckpointError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")
