"""Numbers that the courses and reports state, with their conditions, beside what was measured here."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from thirtytwo.report import wording
from thirtytwo.report.blocks import Row, Section, Table, Text
from thirtytwo.report.methods import SPLITS
from thirtytwo.report.results import Results, RunResult

__all__ = ["TARGETS", "Target", "judged", "section"]


class Target(NamedTuple):
    """One number of a document.

    Attributes:
        run, kind, classes: the run, the kind of its source and the classes of its data set (none: all).
        metric: a score of the evaluation, or a final term of the training.
        direction: "below" or "above": the measured value should lie there; "near": the document reports the number
            without requiring it.
        n: the number of samples behind it; None if the score has none or the document does not state it.
        split: the images that it was scored against, "train", "test" or "all"; None if the document states neither.
        needs: training settings without which the number cannot be expected.
        assigned: training and sampling settings that the document has; the judgement says which ones differ.
    """

    run: str
    kind: str
    classes: tuple[str, ...]
    metric: str
    direction: str
    limit: float
    conditions: str
    source: str
    n: int | None = None
    split: str | None = None
    needs: Mapping[str, Any] = MappingProxyType({})
    assigned: Mapping[str, Any] = MappingProxyType({})


CMU = "CMU 16-824 HW2"
CMU_RESULTS = "CMU 16-824 HW2, results"
CATS = "CIFAR-10 diffusion report"
TSINGHUA = "Tsinghua DCGAN"
CMPUT = "CMPUT 328 A5"
_RECONSTRUCTION = "validation_reconstruction"
_EPOCHS = "20 epochs, squared error summed over an image"
_PLAIN = {"prediction": "epsilon", "prior": "standard", "guidance": 0.0, "decoder_guidance": 0.0}


def _fid(run: str, limit: float, direction: str, source: str, conditions: str = "") -> Target:
    conditions += "30,000 iterations, N = 50,000 against all images"
    return Target(run, "cub", (), "fid", direction, limit, conditions, source, 50_000, "all", {"steps": 30_000})


def _code(run: str, limit: float, direction: str, source: str, needs: dict[str, Any]) -> Target:
    needs = {"epochs": 20} | needs
    return Target(run, "cifar10", (), _RECONSTRUCTION, direction, limit, _EPOCHS, source, needs=needs)


def _cats(run: str, limit: float, epochs: int | None = None) -> Target:
    conditions = "N = 1,000 against the test images, by pytorch-fid"
    needs = {} if epochs is None else {"epochs": epochs}
    return Target(run, "cifar10", ("cat",), "fid_legacy", "near", limit, conditions, CATS, 1000, "test", needs)


def _class(run: str, label: str, limit: float) -> Target:
    conditions = "of one class, against the test images, by pytorch-fid"
    metric, classes = f"fid_legacy of {label}", ("cat", "frog")
    return Target(run, "cifar10", classes, metric, "near", limit, conditions, CATS, None, "test")


def _parameters(run: str, count: int) -> Target:
    return Target(run, "cifar10", ("cat",), "parameters_denoiser", "near", count, "trainable parameters", CATS)


def _grade(run: str) -> Target:
    conditions = "by the course's classifier, best of 5 evaluations, for full marks"
    return Target(run, "fashion_mnist", (), "best_of_5_accuracy", "above", 0.85, conditions, CMPUT, assigned=_PLAIN)


def _digits(run: str) -> Target:
    return Target(run, "mnist", (), "fid", "below", 60, "required of the best GAN only", TSINGHUA)


TARGETS = (
    _fid("gan", 150, "below", CMU, "jumps between 100 and 150; "),
    _fid("gan", 173, "near", CMU_RESULTS),
    _fid("gan_minimax", 150, "below", CMU, "jumps between 100 and 150; "),
    _fid("gan_minimax", 173, "near", CMU_RESULTS),
    _fid("lsgan", 90, "below", CMU, "about 90; "),
    _fid("lsgan", 78, "near", CMU_RESULTS),
    _fid("wgan_gp", 50, "below", CMU, "about 50; "),
    _fid("wgan_gp", 46, "near", CMU_RESULTS),
    _code("vae", 145, "below", CMU, {"latent_dim": 1024, "beta": 1.0, "beta_schedule": "constant"}),
    _code("vae_beta08", 130, "below", CMU, {"latent_dim": 1024, "beta": 0.8}),
    _code("vae_beta12", 155, "below", CMU, {"latent_dim": 1024, "beta": 1.2}),
    _code("vae_anneal", 125, "below", CMU, {"latent_dim": 1024, "beta_schedule": "linear"}),
    _cats("ddpm_cats", 118.501),
    _cats("ddpm_cats_cosine", 115.949),
    _cats("ddpm_cats_2ud", 100.144),
    _cats("ddpm_cats_2ud_cosine", 97.275),
    _cats("ddpm_cats_half", 114.710),
    _parameters("ddpm_cats", 23_332_729),
    _parameters("ddpm_cats_half", 3_062_531),
    _cats("dcgan_cats", 113.311, epochs=512),
    _cats("dcgan_cats_1024", 109.09, epochs=1024),
    _cats("dcgan_cats_smooth", 125.629, epochs=1024),
    _class("cgan_cats_frogs", "frog", 181.748),
    _class("cgan_cats_frogs", "cat", 231.707),
    _class("cddpm_cats_frogs", "frog", 70.517),
    _class("cddpm_cats_frogs", "cat", 102.894),
    *(_digits(run) for run in ("dcgan", "dcgan_z100", "dcgan_h100", "dcgan_z100_h100")),
    *(_grade(run) for run in ("cddpm", "cddpm_quadratic", "cddpm_epsilon", "cvae", "cvae_standard", "lddpm")),
)


def section(results: Results) -> Section:
    """Every target whose run was measured on the target's data."""
    rows = [
        row
        for target in TARGETS
        for dataset in results.sets
        for run in dataset.runs
        if (run.name, dataset.kind, tuple(dataset.settings["classes"])) == (target.run, target.kind, target.classes)
        for row in _rows(target, run, dataset.name)
    ]
    if not rows:
        text = (
            "The courses and reports state numbers for CUB-200-2011, CIFAR-10, MNIST and Fashion-MNIST. No run here was "
            "scored on those data sets with those metrics. `make scale SCALE=paper` selects runs that are."
        )
        return Section("Published numbers", "targets", [Text(text)])
    caption = (
        "Numbers from the courses and reports under the conditions named, beside what was measured here on the same data. "
        "Targets with other conditions are not judged. `fid` is by clean-fid, `fid_legacy` computed as by pytorch-fid."
    )
    columns = ["run", "data", "metric", "measured", "target", "judgement", "conditions", "source"]
    numeric = [False, False, False, True, True, False, False, False]
    return Section("Published numbers", "targets", [Table(caption, columns, rows, numeric)])


def _rows(target: Target, run: RunResult, dataset: str) -> list[Row]:
    measured = run.result(target.metric)
    if measured.value is None:
        return []
    word = {"below": "below ", "above": "above ", "near": ""}[target.direction]
    cells = [dataset, f"`{target.metric}`", wording.estimated(measured), f"{word}{target.limit:,.10g}"]
    return [Row(run.name, [*cells, judged(target, run), target.conditions, target.source])]


def judged(target: Target, run: RunResult) -> str:
    """Whether the target is met, or why it is not judged."""
    other = [
        f"{key} is {run.model.get(key)}, not {value}"
        for key, value in target.needs.items()
        if run.model.get(key) != value
    ]
    n = run.metric(f"{target.metric}_n" if target.metric in ("fid", "fid_legacy") else "n")
    if target.n is not None and n != target.n:
        other.append(f"N is {wording.count(n)}, not {wording.count(target.n)}")
    if target.split is not None and (split := run.metric("reference_split")) != target.split:
        other.append(f"scored against the {SPLITS[split]}, not the {SPLITS[target.split]}")
    if other:
        return f"not judged: {'; '.join(other)}"
    value = run.result(target.metric).value
    assert value is not None
    if target.direction == "near":
        return f"reported there; here {value / target.limit - 1:+.0%}".replace("%", " %")
    word = "met" if (value < target.limit) == (target.direction == "below") else "missed"
    settings = run.model | run.sampling
    changed = [
        f"{key} {settings[key]} instead of {value}"
        for key, value in target.assigned.items()
        if settings.get(key, value) != value
    ]
    return f"{word}, with {', '.join(changed)}" if changed else word
