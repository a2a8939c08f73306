"""Numbers that the courses' and reports' own pages name, with the conditions they were named under. Data only."""

from typing import Any, NamedTuple

__all__ = ["TARGETS", "Target"]


class Target(NamedTuple):
    """One number of a document.

    Attributes:
        run, kind, classes: for which run, on which kind of source, of which classes (none: all).
        metric: its name in metrics/<run>.json, else in metrics/train/<run>.json.
        direction: "below" or "above" which the measured value should be; "near": it is reported, and not asked for.
        n: the number of samples that it was measured with; None where the score has none, or it is not named.
        needs: training settings without which the number cannot be expected.
    """

    run: str
    kind: str
    classes: tuple[str, ...]
    metric: str
    direction: str
    limit: float
    n: int | None
    needs: dict[str, Any]
    conditions: str
    source: str


CMU = "CMU 16-824 HW2"
CMU_RESULTS = "CMU 16-824 HW2, results"
CATS = "CIFAR-10 diffusion report"
TSINGHUA = "Tsinghua DCGAN"
CMPUT = "CMPUT 328 A5"
_RECONSTRUCTION = "validation_reconstruction"
_EPOCHS = "20 epochs, squared error summed over an image"


def _fid(run: str, limit: float, direction: str, source: str, conditions: str) -> Target:
    return Target(run, "cub", (), "fid", direction, limit, None, {}, conditions, source)


def _code(run: str, limit: float, direction: str, source: str, needs: dict[str, Any]) -> Target:
    return Target(run, "cifar10", (), _RECONSTRUCTION, direction, limit, None, {"epochs": 20} | needs, _EPOCHS, source)


def _cats(run: str, limit: float) -> Target:
    return Target(run, "cifar10", ("cat",), "fid", "near", limit, 1000, {}, "N = 1,000 against the test images", CATS)


def _grade(run: str) -> Target:
    conditions = "the course's own classifier, the best of 5 evaluations, for the full mark"
    return Target(run, "fashion_mnist", (), "best_of_5_accuracy", "above", 0.85, None, {}, conditions, CMPUT)


def _digits(run: str) -> Target:
    return Target(run, "mnist", (), "fid", "below", 60, None, {}, "asked of the best GAN alone", TSINGHUA)


TARGETS = (
    _fid("gan", 150, "below", CMU, "jumps between 100 and 150; 30 000 iterations"),
    _fid("gan", 173, "near", CMU_RESULTS, "30 000 iterations"),
    _fid("lsgan", 90, "below", CMU, "about 90; 30 000 iterations"),
    _fid("lsgan", 78, "near", CMU_RESULTS, "30 000 iterations"),
    _fid("wgan_gp", 50, "below", CMU, "about 50; 30 000 iterations"),
    _fid("wgan_gp", 46, "near", CMU_RESULTS, "30 000 iterations"),
    _code("vae", 145, "below", CMU, {"latent_dim": 1024, "beta": 1.0, "beta_schedule": "constant"}),
    _code("vae_beta08", 130, "below", CMU, {"latent_dim": 1024, "beta": 0.8}),
    _code("vae_beta12", 155, "below", CMU, {"latent_dim": 1024, "beta": 1.2}),
    _code("vae_anneal", 125, "below", CMU, {"latent_dim": 1024, "beta_schedule": "linear"}),
    _cats("ddpm_cats", 118.501),
    _cats("ddpm_cats_cosine", 115.949),
    _cats("ddpm_cats_2ud", 100.144),
    _cats("ddpm_cats_2ud_cosine", 97.275),
    _cats("ddpm_cats_half", 114.710),
    _cats("dcgan_cats", 113.311),
    _cats("dcgan_cats_1024", 109.09),
    _cats("dcgan_cats_smooth", 125.629),
    *(_digits(run) for run in ("dcgan", "dcgan_z100", "dcgan_h100", "dcgan_z100_h100")),
    *(_grade(run) for run in ("cddpm", "cddpm_quadratic", "cvae", "lddpm")),
)
