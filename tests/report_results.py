"""Plausible results of two data sets and six runs, written in the layout that the stages leave behind.

`make` writes what results of any age have, `add_newer` what those of the present evaluation have besides.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from thirtytwo.core.intervals import Estimate
from thirtytwo.core.tiling import grid_png, rows_png
from thirtytwo.evaluate.scorecard import Diagnosis, Floors, Measured, Scorecard
from thirtytwo.runtime.files import read_json, write_arrays, write_json
from thirtytwo.runtime.project import Project

QUICK = Path(__file__).parents[1] / "scales/quick.yaml"
SHAPES = ["circle", "square", "triangle", "star", "cross"]
DIGITS = [str(digit) for digit in range(10)]
TERMS = {
    "gan": [
        "discriminator_loss",
        "generator_loss",
        "d_real",
        "d_fake_before",
        "d_fake_after",
        "grad_norm_discriminator",
    ],
    "autoencoder": ["loss", "reconstruction", "kl", "grad_norm_autoencoder"],
    "diffusion": ["loss", "grad_norm_denoiser"],
    "flow": ["loss", "grad_norm_velocity"],
    "edm": ["loss", "grad_norm_denoiser"],
}
VALIDATION = {"gan": ["d_real"], "autoencoder": ["reconstruction", "kl"], "diffusion": ["loss"], "flow": ["loss"],
              "edm": ["loss"]}  # fmt: skip
RUNS = {  # name: family, net, data set, FD, half-width, sampling settings
    "wgan_gp": ("gan", "resnet_gan", "shapes", 41.37, 2.1, {"weights": "ema"}),
    "vae": ("autoencoder", "conv_vae", "shapes", 88.02, 2.9, {"weights": "raw", "prior": "standard"}),
    "vae_beta08": ("autoencoder", "conv_vae", "shapes", 83.11, 2.8,
                   {"weights": "raw", "prior": "mixture", "guidance": 0.75, "decoder_guidance": 0.5}),
    "ddpm": ("diffusion", "unet", "shapes", 12.64, 0.93,
             {"weights": "ema", "sampler": "ddim", "steps": 50, "eta": 0.0, "spacing": "uniform", "clip": True,
              "guidance": 0.0}),
    "dcgan": ("gan", "dcgan", "digits5k", 6.712, 0.41, {"weights": "raw"}),
    "dcgan_z100": ("gan", "dcgan", "digits5k", 6.438, 0.39, {"weights": "raw"}),
}  # fmt: skip

FLOWS = {  # of the same form, in reports that ask for them
    "flow": ("flow", "unet", "shapes", 14.05, 0.88,
             {"weights": "ema", "sampler": "heun", "steps": 4, "spacing": "uniform", "clip": True, "guidance": 1.0}),
    "meanflow": ("flow", "unet", "shapes", 20.11, 1.2,
                 {"weights": "ema", "sampler": "mean_flow", "steps": 2, "spacing": "uniform", "clip": False,
                  "guidance": 0.0}),
    "edm": ("edm", "unet", "shapes", 13.03, 0.9,
            {"weights": "ema", "sampler": "heun", "steps": 6, "spacing": "karras", "clip": False, "guidance": 1.0}),
    "ect": ("edm", "unet", "shapes", 17.42, 1.1,
            {"weights": "ema", "sampler": "consistency", "steps": 2, "spacing": "karras", "clip": True, "guidance": 0.0}),
}  # fmt: skip

MODELS = {  # training settings that the report looks at
    "wgan_gp": {"loss": "wgan_gp", "latent_dim": 32, "width": 24},
    "vae": {"beta": 1.0, "beta_schedule": "constant", "latent_dim": 16, "width": 16, "variational": True},
    "vae_beta08": {"beta": 0.8, "beta_schedule": "constant", "latent_dim": 16, "width": 16, "variational": True},
    "ddpm": {"schedule": "linear", "timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02},
    "flow": {"objective": "flow_matching", "width": 32},
    "meanflow": {"objective": "mean_flow", "width": 32, "training_guidance": 1.0},
    "edm": {"objective": "denoising", "width": 32},
    "ect": {"objective": "consistency", "width": 32},
    "dcgan": {"loss": "non_saturating", "latent_dim": 16, "width": 16, "batch_norm": True, "activation": "leaky_relu"},
    "dcgan_z100":
        {"loss": "non_saturating", "latent_dim": 100, "width": 16, "batch_norm": True, "activation": "leaky_relu"},
}  # fmt: skip
SWEEP = {"family": "diffusion", "net": "unet", "dataset": "shapes", "images": 50, "samplers": {"ddim": "uniform", "ddpm": "uniform"},
         "steps": [4, 8, 16], "etas": [0.0, 0.5, 1.0]}  # fmt: skip
# What runs of the present evaluation have besides: score, half-width of its interval.
NEWER = {
    "fd_classifier_infinity": (11.9, 0.9), "kid_classifier": (0.0412, 0.002), "precision": (0.812, 0.02),
    "recall": (0.643, 0.02), "density": (0.75, 0.03), "coverage": (0.7, 0.02), "train_nearer": (0.512, 0.02),
    "copies": (0.013, 0.004),
}  # fmt: skip


GAN_SCORES = {
    "path_length": Estimate(309.6, 240.7, 366.2),
    "c2st_accuracy": Estimate(0.953, 0.944, 0.961), "js_bound_bits": Estimate(0.839, 0.801, 0.877),
    "d_real": 0.815, "d_fake": 0.040, "d_accuracy": 0.896, "d_gap": 0.093, "direction_r2": 0.448,
    "line_precision_i0": Estimate(0.79, 0.73, 0.84), "line_precision_i4": Estimate(0.76, 0.7, 0.82),
    "line_precision_i12": Estimate(0.61, 0.54, 0.68), "line_precision_i14": Estimate(0.42, 0.35, 0.49),
    "line_classes": Estimate(2.31, 2.2, 2.42), "coordinate_r2": 0.069, "direction_r2_hue": 0.415, "coordinate_r2_hue": 0.071, "readable_r2_hue": 0.99,
}  # fmt: skip


CODE_SCORES = {
    "distortion": Estimate(88.25, 87.05, 89.45), "rate_nats": 21.5, "aggregate_kl_nats": 13.75, "active_units": 9,
    "aggregate_mmd": 0.0021, "iwae_bits_per_dim": 5.123, "elbo_bits_per_dim": 5.234, "mig": 0.123, "dci_disentanglement": 0.234, "dci_completeness": 0.345,
    "dci_informativeness": 0.456, "sap": 0.067, "fd_classifier_mixture": Estimate(31.4, 30.1, 32.7),
}  # fmt: skip


BOUND_SCORES = {
    "bits_per_dim": Estimate(5.432, 5.4, 5.464), "rate_bits_per_dim": 3.3, "distortion_bits_per_dim": 2.132,
}  # fmt: skip


FACTS = {
    "gan": {"path_length_n": 500, "line_n": 200, "c2st_n": 1000, "c2st_steps": 100},
    "autoencoder": {"code_dimensions": 16, "iwae_n": 100, "iwae_samples": 50, "codes_n": 1200},
    "diffusion": {"bits_per_dim_n": 200},
    "flow": {},
    "edm": {},
}


def make(root: Path, names: tuple[str, ...] = tuple(RUNS)) -> Path:
    """Writes the results of the runs `names` below `root` and returns it."""
    sets = {"shapes": (SHAPES, 3, 6000), "digits5k": (DIGITS, 1, 5000)}
    for name, (classes, channels, images) in sets.items():
        _dataset(root, name, classes, channels, images)
    runs = {}
    for name in names:
        family, net, dataset, *scores = (RUNS | FLOWS)[name]
        _run(root, name, family, net, dataset, sets[dataset][0], sets[dataset][1], *scores)
        runs[name] = {
            "family": family,
            "net": net,
            "settings": family,
            "dataset": dataset,
            "parent": "data/models/edm" if name == "ect" else ".no-parent",
            "seeds": 1,
            "set": {},
        }
    quick = YAML(typ="safe").load(QUICK)
    datasets = {name: quick["datasets"]["shapes"] | {"channels": channels} for name, (_, channels, _) in sets.items()}
    datasets["digits5k"] |= {"source": "digits5k", "classifier": "digits5k"}
    unchanged = {key: quick[key] for key in ("seed", "compute", "sources", "classifiers", "evaluation", "sampling")}
    write_report_config(root, unchanged | {"runs": runs, "datasets": datasets, "sweeps": {}})
    return root


def add_newer(root: Path, names: tuple[str, ...] = tuple(RUNS)) -> None:
    """Adds what older results lack: more scores, neighbours, seeds, confusions, floors by N, a sweep, times."""
    rng = np.random.default_rng(5)
    settings = read_report_config(root)
    if "ddpm" in names:
        write_report_config(root, settings | {"sweeps": {"ddpm": SWEEP}})
        _sweep(root, rng)
    for name in names:
        scores = {key: Estimate(value, value - half, value + half) for key, (value, half) in NEWER.items()}
        seeds = 3 if name == "vae" else 1
        if seeds > 1:
            scores["retraining_ratio"] = Estimate(3.2, 1.7, 20.1)
        facts = {"prdc_k": 5, "seeds": seeds, "interval_over": "training seeds" if seeds > 1 else "samples"}
        edit_card(root, name, scores, facts, Diagnosis("healthy", f"coverage 0.70 of {name}"))
        _write_csv(root / f"plots/seeds/{name}.csv", "seed,fd_classifier", [(k, 10.5 + k) for k in range(seeds)])
        pairs = [(k, 7 * k, 1 + k / 10, 1.5 + k / 10) for k in range(10)]
        _write_csv(root / f"plots/neighbours/{name}.csv", "sample,neighbour,distance,held_out_distance", pairs)
        channels = 3 if RUNS[name][2] == "shapes" else 1
        _write_samples(root, name, _pictures(rng, np.arange(20) % 5, channels))
        write_json(root / f"logs/train/{name}.json", {"seconds": 155.6, "device": "cpu", "threads": 2})
        write_json(root / f"logs/sample/{name}.json", {"seconds": 21.5, "device": "cpu", "images": 2000})
    for name in ("shapes", "digits5k"):
        rows = [(n, 60 / n, 40 / n, 90 / n, 1e-4) for n in (125, 500, 2000)]
        _write_csv(root / f"plots/floor/{name}.csv",
                   "n,fd_classifier,fd_classifier_low,fd_classifier_high,kid_classifier", rows)  # fmt: skip
        edit_floor(root, name, dict.fromkeys(NEWER, 0.5), {})
    if "dcgan" in names:
        rows = [(digit, *(190 if k == digit else 5 if k == 1 else 0 for k in range(10))) for digit in range(10)]
        _write_csv(root / "plots/confusion/dcgan.csv", ",".join(["asked", *DIGITS]), rows)


def _sweep(root: Path, rng: np.random.Generator) -> None:
    ends = {"ddim": SWEEP["etas"], "ddpm": [0.0]}
    points = [(sampler, steps, eta) for sampler, etas in ends.items() for eta in etas for steps in SWEEP["steps"]]
    rows = [
        (sampler, steps, eta, "uniform", steps, 50, (10 + 40 / steps) * (1 + eta)) for sampler, steps, eta in points
    ]
    _write_csv(root / "plots/sweep/ddpm.csv", "sampler,steps,eta,spacing,evaluations,n,fd_classifier", rows)
    pictures = np.stack([_pictures(rng, np.arange(10) % 5, 3) for _ in points])
    (root / "plots/sweep/ddpm.png").write_bytes(rows_png(pictures))
    timed = [{"sampler": sampler, "steps": steps, "eta": eta, "seconds": 0.5 * steps} for sampler, steps, eta in points]
    write_json(root / "logs/sweep/ddpm.json", {"device": "cpu", "threads": 2, "points": timed})


def edit_card(
    root: Path, run: str, scores: dict | None = None, protocol: dict | None = None, diagnosis: Diagnosis | None = None
) -> None:
    """Add or replace scores, facts and the diagnosis of a run."""
    path = Project(root).scores(run)
    card = read_json(path, Scorecard)
    measured = card.measured | Measured(scores or {}, protocol or {})
    write_json(path, replace(card, measured=measured, diagnosis=diagnosis or card.diagnosis), sealed=True)


def edit_floor(root: Path, dataset: str, scores: dict, protocol: dict) -> None:
    """Add or replace scores and facts of the floor of images drawn at random."""
    path = Project(root).scores(dataset, "floor")
    floors = read_json(path, Floors)
    write_json(path, replace(floors, at_random=floors.at_random | Measured(scores, protocol)), sealed=True)


def read_report_config(root: Path) -> dict:
    return json.loads((root / "configs/report/report.yaml").read_text(encoding="utf-8"))


def write_report_config(root: Path, values: dict) -> None:
    write_json(root / "configs/report/report.yaml", values, sort_keys=True)  # JSON is YAML as well


def _dataset(root: Path, name: str, classes: list[str], channels: int, n: int) -> None:
    rng = np.random.default_rng(len(name))
    labels = np.sort(np.arange(n) % len(classes))
    split = (np.arange(n) % 5 == 0).astype(np.uint8)
    path = root / f"data/prepared/{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"images": _pictures(rng, labels, channels), "labels": labels.astype(np.int64), "split": split}
    if channels == 3:
        arrays["factors"] = np.zeros((n, 3), np.float32)
    write_arrays(path, arrays, compressed=False)
    removed = [
        {"file": f"{classes[k % len(classes)]}/image_{k:04d}.jpg", "class": classes[k % len(classes)], "reason": reason}
        for k, reason in enumerate(["grayscale"] * 8 + ["does not decode: truncated"] * 6)
    ]
    per_class = {
        key: {c: int(((labels == k) & (split == value)).sum()) for k, c in enumerate(classes)}
        for key, value in (("train", 0), ("test", 1))
    }
    write_json(path.with_suffix(".json"), {
        "name": name, "source": name, "classes": classes, "factor_names": ["x", "y", "hue"] if channels == 3 else [],
        "images": n, "train": int((split == 0).sum()), "test": int((split == 1).sum()), "per_class": per_class,
        "channels": channels, "resample": "bicubic", "fit": "squash", "sha256": _sha(path.read_bytes()),
        "removed": removed if channels == 3 else [], "converted": {"palette": 12, "rgba": 7} if channels == 3 else {},
    }, sealed=True)  # fmt: skip
    write_json(Project(root).scores(name, "classifier"), {
        "accuracy_test": Estimate(0.981, 0.9719, 0.9872), "n_test": n // 5, "parameters": 287_434,
        "accuracy_test_second": Estimate(0.974, 0.9641, 0.9812), "parameters_second": 50_026,
    }, sealed=True)  # fmt: skip
    facts = {"n": 2000, "reference_n": 2000, "split": "train-vs-train", "reference_split": "train",
             "resampler": "bicubic", "features_sha256": _sha(name.encode())}  # fmt: skip
    write_json(Project(root).scores(name, "floor"), Floors(Measured(_floor(channels), facts), Measured()), sealed=True)


def _floor(channels: int) -> dict:
    value = 0.8213 if channels == 3 else 0.4127
    return {"fd_classifier": Estimate(value, value - 0.2, value + 0.2)}


def _run(root: Path, name: str, family: str, net: str, dataset: str, classes: list[str], channels: int,
         fd: float, half: float, sampling: dict) -> None:  # fmt: skip
    rng = np.random.default_rng(int(fd * 100))
    settings = {"lr": 2e-4, "epochs": 8, "batch_size": 32, **MODELS[name]}
    for stage, values in {
        "train": {"run": name, "family": family, "net": net, "settings": settings},
        "sample": {"run": name, "family": family, "seed": 1, "sample": sampling},
        "evaluate": {"run": name, "dataset": dataset, "samples": 2000},
    }.items():
        write_json(root / f"configs/{stage}/{name}.yaml", values)
    _probes(root, name, family, channels, rng)
    for path in (f"data/models/{name}/0.pt", f"data/samples/{name}/0.npz"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / f"data/models/{name}/0.pt").write_bytes(name.encode())
    _write_samples(root, name, np.zeros((1, 32, 32, channels), np.uint8))
    shares = rng.dirichlet(np.full(len(classes), 30.0))
    counts = rng.multinomial(2000, shares)
    _write_csv(root / f"plots/classes/{name}.csv", "class,count,share",
               [(c, int(k), float(k / 2000)) for c, k in zip(classes, counts, strict=True)])  # fmt: skip
    scores = {
        "fd_classifier": Estimate(fd, fd - half, fd + half), "kl_to_uniform": 0.0213,
        "class_entropy_bits": float(-(shares * np.log2(shares)).sum()), "modes_covered": int((counts > 0).sum()),
        **{"gan": GAN_SCORES, "autoencoder": CODE_SCORES, "diffusion": BOUND_SCORES, "flow": {}, "edm": {}}[family],
    }  # fmt: skip
    facts = {"n": 2000, "reference_n": 4000, "reference_split": "train", "resampler": "bicubic",
             "features_sha256": _sha(dataset.encode()), "classes": len(classes), **FACTS[family]}  # fmt: skip
    write_json(Project(root).scores(name), Scorecard(Measured(scores, facts), Measured(_floor(channels))), sealed=True)
    write_json(Project(root).scores(name, "train"), {
        **({"parameters_generator": 1_197_443, "parameters_discriminator": 1_052_033} if family == "gan"
           else {f"parameters_{family}": 1_634_211}),
        "steps": 1200, "images_seen": 38_400,
        **{term: float(rng.normal(1, 0.1)) for term in TERMS[family]},
    }, sealed=True)  # fmt: skip
    _curves(root, name, family, rng)
    path = root / f"plots/samples/{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    images = _pictures(rng, np.arange(100) % len(classes), channels)
    path.write_bytes(grid_png(images, 10))


def _curves(root: Path, name: str, family: str, rng: np.random.Generator) -> None:
    steps = np.arange(6, 1201, 6)
    terms = {
        t: (k + 1) * (np.exp(-steps / 300) + 0.3 + 0.1 * rng.normal(size=len(steps)))
        for k, t in enumerate(TERMS[family])
    }
    rows = []
    for i, step in enumerate(steps):
        # the generator has no value at every step
        values = ["" if t == "generator_loss" and i % 5 else f"{v[i]:.6g}" for t, v in terms.items()]
        rows.append((step, step // 150, *values))
    _write_csv(root / f"plots/train/{name}.csv", ",".join(["step", "epoch", *terms]), rows)
    ends = range(39, 200, 40)
    rows = [(steps[i], steps[i] // 150, *(f"{terms[t][i]:.6g}" for t in VALIDATION[family])) for i in ends]
    _write_csv(root / f"plots/validation/{name}.csv", ",".join(["step", "epoch", *VALIDATION[family]]), rows)


def _probes(root: Path, name: str, family: str, channels: int, rng: np.random.Generator) -> None:
    """What a GAN's sampling leaves besides its samples; nothing for the others."""
    arrays, rows = {}, []
    if family == "gan":
        steps = np.arange(200, 1201, 200)
        pictures = _pictures(rng, np.arange(64) % 5, channels)
        arrays = {"snapshot_steps": steps, "snapshot_images": np.stack([pictures] * len(steps)),
                  "interpolation_grid": pictures[:16].reshape(4, 4, 32, 32, channels),
                  "interpolation_lines": pictures[:40].reshape(2, 20, 32, 32, channels)}  # fmt: skip
        arrays |= {f"{who}_{what}": rng.random(50) for who in ("d", "c2st") for what in ("held_out", "samples")}
        arrays |= {"c2st_steps": np.array(9), "d_targets": np.array([0.0, 1.0]), "d_gives_probability": np.array(True)}
        rows = [(step, 64, 1000 / step) for step in steps]
    if family == "diffusion":
        frames = np.stack([_pictures(rng, np.arange(10) % 5, channels)] * 4)
        arrays = {"trajectory_frames": frames, "trajectory_estimates": frames,
                  "trajectory_timesteps": np.array([1000, 500, 20, 0])}  # fmt: skip
    if family in ("flow", "edm"):
        frames = np.stack([_pictures(rng, np.arange(10) % 5, channels)] * 3)
        arrays = {"flow_frames": frames, "flow_estimates": frames, "flow_times": np.array([1.0, 0.25, 0.0])}
    if family == "autoencoder":
        pictures = _pictures(rng, np.arange(20) % 5, channels)
        arrays = {"reconstruction_originals": pictures, "reconstructions": pictures[::-1],
                  "traversals": pictures[:6].reshape(2, 3, 32, 32, channels),
                  "traversal_dimensions": np.array([7, 2])}  # fmt: skip
    _write_csv(root / f"plots/scores/{name}.csv", "step,n,fd_classifier", rows)
    path = root / f"data/probes/{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(path, arrays)


def _write_samples(root: Path, name: str, images: np.ndarray) -> None:
    write_arrays(Project(root).samples(name), {"images": images, "labels": np.full(len(images), -1)})


def _write_csv(path: Path, header: str, rows: list[tuple]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "\n".join([header, *(",".join(str(cell) for cell in row) for row in rows)]) + "\n", encoding="utf-8"
    )


def _pictures(rng: np.random.Generator, labels: np.ndarray, channels: int) -> np.ndarray:
    """[N, 32, 32, C] uint8: a disc for each image, the larger the higher its label."""
    y, x = np.mgrid[:32, :32]
    cx, cy = rng.integers(10, 22, (2, len(labels), 1, 1))
    inside = (x - cx) ** 2 + (y - cy) ** 2 < (4 + labels[:, None, None]) ** 2
    colour = rng.integers(90, 256, (len(labels), 1, 1, channels))
    return np.where(inside[..., None], colour, 24).astype(np.uint8)


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
