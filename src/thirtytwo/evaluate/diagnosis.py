"""One word for the state of a generator, from its metrics alone, each held against what real images get."""

from collections.abc import Mapping
from typing import Any, Literal

__all__ = ["Diagnosis", "diagnose"]

Diagnosis = Literal["healthy", "collapsed", "memorising", "noise", "undecided"]

# Parts of the floor, which is what real images get at the same N.
REALISTIC = 0.5  # of precision: half of what passes for real among real images also does among the samples
UNREAL = 0.1  # of precision: where balls are tight, also samples with visible faults lie outside nearly all of them
DIVERSE = 0.5  # of coverage: half of the neighbourhoods that other real images hit are hit
NEAR = (
    0.1  # of the reference variance, by fd_classifier: balls are wide where N is small, and hold also what is far off
)
NARROW = 0.25  # of coverage: a generator of one class of K gets about 1/K, one of a quarter of the data this much
FEW_CLASSES = 0.5  # of the classes: balls may overlap between classes, so that coverage alone can hide a missing half
SAME = 0.005  # of the real features' variance; noise keeps more than 0.01, one image under faint grain less than 0.001
COPIES = 0.1  # of the samples; real images get 0.01, and what is typical of its class somewhat more


def diagnose(metrics: Mapping[str, Any]) -> tuple[Diagnosis, str]:
    """The word and one sentence with the numbers behind it.

    collapsed: all samples are one image, whatever it shows; or samples pass for real but hit few neighbourhoods of real
    images or few classes, which is said also where what they repeat is a training image. noise: no sample passes for
    real, and the samples are further from the real images by Fréchet distance than if all were the mean of the real
    features, which is what images without anything in common with them are. memorising: many samples are nearer to
    training images than real ones are, and nearer to training than to held-out images. healthy: realistic, diverse,
    of all classes, near to the real images by Fréchet distance and no copies. Thresholds must lie outside the intervals; where they do not, and for samples that
    are merely poor: undecided.
    """
    needed = ("precision", "precision_floor", "coverage", "coverage_floor", "modes_covered", "classes",
              "fd_classifier_low", "reference_variance", "sample_variance")  # fmt: skip
    if missing := [key for key in needed if metrics.get(key) is None]:
        return "undecided", f"There is no {missing[0]} to judge by."
    precision, coverage = _told(metrics, "precision"), _told(metrics, "coverage")
    modes = f"{metrics['modes_covered']} of {metrics['classes']} classes are covered"
    varied, real = metrics["sample_variance"], metrics["reference_variance"]
    if varied < SAME * real:
        return "collapsed", f"All samples are one image: their features vary by {varied:.2g}, real ones by {real:.3g}."
    if _at_most(metrics, "precision", UNREAL) and metrics["fd_classifier_low"] > real:
        distance = f"fd_classifier {metrics['fd_classifier']:.3g}, and {real:.3g} for their mean"
        return "noise", f"Hardly a sample passes for real, and all are far from real images: {precision}, {distance}."
    realistic = _at_least(metrics, "precision", REALISTIC)
    few = metrics["modes_covered"] <= FEW_CLASSES * metrics["classes"] and metrics["classes"] > 1
    if realistic and (few or _at_most(metrics, "coverage", NARROW)):
        return "collapsed", f"Samples pass for real but are few kinds of them: {precision}, {coverage}, {modes}."
    share, copied = _copied(metrics)
    if share > COPIES:
        return "memorising", f"Samples repeat training images: {copied}."
    diverse = _at_least(metrics, "coverage", DIVERSE) and metrics["modes_covered"] == metrics["classes"]
    if realistic and diverse and metrics["fd_classifier_high"] > NEAR * real:
        distance = f"fd_classifier {metrics['fd_classifier']:.3g}, over a tenth of the {real:.3g} for their mean"
        return (
            "undecided",
            f"Samples pass for real one by one, but together are far from real ones: {precision}, {distance}.",
        )
    if realistic and diverse:
        return "healthy", f"Samples pass for real and are diverse: {precision}, {coverage}, {modes}; {copied}."
    return "undecided", f"Neither good nor of a known fault: {precision}, {coverage}, {modes}; {copied}."


def _copied(metrics: Mapping[str, Any]) -> tuple[float, str]:
    """The share of copies among the samples by the lower ends of both scores of memorisation, and the words for it.

    Among equally many training and held-out images, copies of training images make `train_nearer` exceed 1/2 by
    half their share, less the training images that were left out to make the numbers equal.
    """
    if metrics.get("train_nearer_low") is None or metrics.get("copies_low") is None:
        return 0.0, "copies were not looked for"
    excess = (2 * metrics["train_nearer_low"] - 1) * metrics["copies_n"] / metrics["train_nearer_n"]
    told = (
        f"{_percent(metrics['copies'])} lie as near to a training image as 1 % of real images do, and "
        f"{_percent(metrics['train_nearer'])} nearer to a training than to a held-out image (50 % without copies)"
    )
    return min(excess, metrics["copies_low"]), told


def _at_least(metrics: Mapping[str, Any], score: str, part: float) -> bool:
    return metrics[f"{score}_low"] >= part * metrics[f"{score}_floor"]


def _at_most(metrics: Mapping[str, Any], score: str, part: float) -> bool:
    return metrics[f"{score}_high"] < part * metrics[f"{score}_floor"]


def _told(metrics: Mapping[str, Any], score: str) -> str:
    return f"{score} {_percent(metrics[score])} (real images {_percent(metrics[f'{score}_floor'])})"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
