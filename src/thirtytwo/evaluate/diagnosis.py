"""One word for the state of a generator, from its scores and those of real images."""

from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate.scorecard import Diagnosis, Score, Scorecard

__all__ = ["diagnose"]

# Shares of the floor, which is the score of real images at the same N.
REALISTIC = 0.5  # of precision: half of what passes for real among real images also does among the samples
UNREAL = 0.1  # of precision: where balls are tight, also samples with visible faults lie outside nearly all of them
DIVERSE = 0.5  # of coverage: half of the neighbourhoods that other real images hit are hit
CLOSE = 0.1  # of the reference variance, by fd_classifier: at small N balls are wide and hold samples that are far off
NARROW = 0.25  # of coverage: a generator of one class of K gets about 1/K, one of a quarter of the data this much
FEW_CLASSES = 0.5  # of the classes: balls may overlap between classes, so that coverage alone can hide a missing half
SAME = 0.005  # of the real features' variance; noise keeps more than 0.01, one image under faint grain less than 0.001
COPIES = 0.1  # of the samples; real images get 0.01, and samples typical of their class somewhat more

_JUDGED = ("precision", "coverage", "modes_covered", "fd_classifier", "reference_variance", "sample_variance")


def diagnose(card: Scorecard) -> Diagnosis:
    """One of five words.

    collapsed: all samples are one image, whatever it shows; or samples pass for real but hit few neighbourhoods of real
    images or few classes, also where they repeat a training image. noise: no sample passes for real, and the samples
    are further from the real images by Fréchet distance than if all were the mean of the real features, which is the
    distance of images that share nothing with them. memorising: many samples are nearer to training images than real
    ones are, and nearer to training than to held-out images. healthy: realistic, diverse, of all classes, near to the
    real images by Fréchet distance and no copies. undecided: samples that are merely poor, or intervals that contain a
    threshold.
    """
    scores, facts = card.measured.scores, card.measured.protocol
    missing = [name for name in _JUDGED if _number(scores.get(name)) is None]
    missing += [f"{name}_floor" for name in ("precision", "coverage") if _number(card.floor.scores.get(name)) is None]
    missing += ["classes"] if facts.get("classes") is None else []
    if missing:
        return Diagnosis("undecided", f"There is no {missing[0]} to judge by.")
    precision, coverage = _beside_floor(card, "precision"), _beside_floor(card, "coverage")
    covered, classes = _known(scores["modes_covered"]), int(facts["classes"] or 0)
    modes = f"{covered:.0f} of {classes} classes are covered"
    varied, real, distance = (
        _known(scores[name]) for name in ("sample_variance", "reference_variance", "fd_classifier")
    )
    low, high = _ends(scores["fd_classifier"])
    if varied < SAME * real:
        return Diagnosis(
            "collapsed", f"All samples are one image: their features vary by {varied:.2g}, real ones by {real:.3g}."
        )
    if _at_most(card, "precision", UNREAL) and low > real:
        distances = f"fd_classifier {distance:.3g}, and {real:.3g} for their mean"
        return Diagnosis(
            "noise", f"Hardly a sample passes for real, and all are far from real images: {precision}, {distances}."
        )
    realistic = _at_least(card, "precision", REALISTIC)
    few = covered <= FEW_CLASSES * classes and classes > 1
    if realistic and (few or _at_most(card, "coverage", NARROW)):
        reason = f"Samples pass for real but are few kinds of them: {precision}, {coverage}, {modes}."
        return Diagnosis("collapsed", reason)
    share, copied = _copied(card)
    if share > COPIES:
        return Diagnosis("memorising", f"Samples repeat training images: {copied}.")
    diverse = _at_least(card, "coverage", DIVERSE) and covered == classes
    if realistic and diverse and high > CLOSE * real:
        distances = f"fd_classifier {distance:.3g}, over a tenth of the {real:.3g} for their mean"
        reason = f"Samples pass for real one by one, but together are far from real ones: {precision}, {distances}."
        return Diagnosis("undecided", reason)
    if realistic and diverse:
        reason = f"Samples pass for real and are diverse: {precision}, {coverage}, {modes}; {copied}."
        return Diagnosis("healthy", reason)
    return Diagnosis("undecided", f"Neither good nor of a known fault: {precision}, {coverage}, {modes}; {copied}.")


def _copied(card: Scorecard) -> tuple[float, str]:
    """The share of copies among the samples by the lower ends of both scores of memorisation, and a phrase for it.

    Among equally many training and held-out images, copies of training images make `train_nearer` exceed 1/2 by
    half their share, less the training images that were left out to make the numbers equal.
    """
    nearer, copies = card.measured.scores.get("train_nearer"), card.measured.scores.get("copies")
    if _number(nearer) is None or _number(copies) is None:
        return 0.0, "copies were not looked for"
    sizes = [float(card.measured.protocol[name] or 0) for name in ("copies_n", "train_nearer_n")]
    excess = (2 * _ends(nearer)[0] - 1) * sizes[0] / sizes[1]
    phrase = (
        f"{_percent(_known(copies))} lie as near to a training image as 1 % of real images do, and "
        f"{_percent(_known(nearer))} nearer to a training than to a held-out image (50 % without copies)"
    )
    return min(excess, _ends(copies)[0]), phrase


def _at_least(card: Scorecard, score: str, share: float) -> bool:
    return _ends(card.measured.scores[score])[0] >= share * _known(card.floor.scores[score])


def _at_most(card: Scorecard, score: str, share: float) -> bool:
    return _ends(card.measured.scores[score])[1] < share * _known(card.floor.scores[score])


def _beside_floor(card: Scorecard, score: str) -> str:
    value, floor = _known(card.measured.scores[score]), _known(card.floor.scores[score])
    return f"{score} {_percent(value)} (real images {_percent(floor)})"


def _number(score: Score) -> float | None:
    return score.value if isinstance(score, Estimate) else score


def _known(score: Score) -> float:
    value = _number(score)
    assert value is not None
    return value


def _ends(score: Score) -> tuple[float, float]:
    assert isinstance(score, Estimate)
    assert score.low is not None
    assert score.high is not None
    return score.low, score.high


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
