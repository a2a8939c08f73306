"""One word for the state of a generator, from its scores and those of real images."""

from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate.scorecard import Diagnosis, Score, Scorecard

__all__ = ["diagnose", "passes_for_noise"]

# Shares of the floor, which is the score of real images at the same N.
REALISTIC = 0.5  # of precision: half of what passes for real among real images also does among the samples
UNREAL = 0.1  # of precision: where balls are tight, also samples with visible faults lie outside nearly all of them
DIVERSE = 0.5  # of coverage: half of the neighbourhoods that other real images hit are hit
CLOSE = 0.1  # of the reference variance, by fd_classifier: at small N balls are wide and hold samples that are far off
NARROW = 0.25  # of coverage: a generator of one class of K gets about 1/K, one of a quarter of the data this much
FEW_CLASSES = 0.5  # of the classes: balls may overlap between classes, so that coverage alone can hide a missing half
SAME = 0.005  # of the real features' variance; noise keeps more than 0.01, one image under faint grain less than 0.001
COPIES = 0.1  # of the samples; real images get 0.01

_JUDGED = ("precision", "coverage", "modes_covered", "fd_classifier", "reference_variance", "sample_variance")


def diagnose(card: Scorecard) -> Diagnosis:
    """One of seven words.

    collapsed: all samples are one image, whatever it shows; or samples pass for real but hit few neighbourhoods of real
    images or few classes, also where they repeat a training image. noise: no sample passes for real, and the samples
    are further from the real images by Fréchet distance than if all were the mean of the real features, which is the
    distance of images that share nothing with them. memorising: many samples are far nearer to a training image
    than to any held-out one. healthy: realistic, diverse, of all classes, near to the
    real images by Fréchet distance and no copies. poor: too few samples pass for real. narrow: they pass for real and hit
    too few neighbourhoods of real images, or miss a class. undecided: an interval contains a threshold.
    """
    scores, facts = card.measured.scores, card.measured.protocol
    missing = [name for name in _JUDGED if _number(scores.get(name)) is None]
    missing += [f"{name}_floor" for name in ("precision", "coverage") if _number(card.floor.scores.get(name)) is None]
    missing += ["classes"] if facts.get("classes") is None else []
    if missing:
        return Diagnosis("undecided", f"The score {missing[0]} is missing.")
    precision, coverage = _beside_floor(card, "precision"), _beside_floor(card, "coverage")
    covered, classes = _known(scores["modes_covered"]), int(facts["classes"] or 0)
    modes = f"{covered:.0f} of {classes} classes are covered"
    varied, real, distance = (
        _known(scores[name]) for name in ("sample_variance", "reference_variance", "fd_classifier")
    )
    low, high = _ends(scores["fd_classifier"])
    if varied < SAME * real:
        return Diagnosis(
            "collapsed",
            f"All samples are one image: the variance of their features is {varied:.2g}, that of real images {real:.3g}.",
        )
    if passes_for_noise(scores["precision"], card.floor.scores["precision"]) and low > real:
        distances = (
            f"fd_classifier is {distance:.3g}; it would be {real:.3g} if all samples were the mean of the real features"
        )
        return Diagnosis("noise", f"Hardly any sample resembles a real image: {precision}, {distances}.")
    realistic = _at_least(card, "precision", REALISTIC)
    few = covered <= FEW_CLASSES * classes and classes > 1
    if realistic and (few or _at_most(card, "coverage", NARROW)):
        reason = f"Samples resemble real images, but only few kinds of them: {precision}, {coverage}, {modes}."
        return Diagnosis("collapsed", reason)
    copied = _copies(card)
    if _number(scores.get("copies")) is not None and _ends(scores["copies"])[0] > COPIES:
        return Diagnosis("memorising", f"Samples repeat training images: {copied}.")
    diverse = _at_least(card, "coverage", DIVERSE) and covered == classes
    if realistic and diverse and high > CLOSE * real:
        distances = f"fd_classifier is {distance:.3g}, more than a tenth of the real features' variance {real:.3g}"
        reason = f"Each sample resembles a real image, but as a set they are far from the real images: {precision}, {distances}."
        return Diagnosis("undecided", reason)
    if realistic and diverse:
        reason = f"Samples resemble real images and are diverse: {precision}, {coverage}, {modes}; {copied}."
        return Diagnosis("healthy", reason)
    numbers = f"{precision}, {coverage}, {modes}; {copied}"
    if _at_most(card, "precision", REALISTIC):
        return Diagnosis("poor", f"Too few samples resemble a real image: {numbers}.")
    if realistic and (_at_most(card, "coverage", DIVERSE) or covered < classes):
        return Diagnosis("narrow", f"Samples resemble real images, but not all kinds of them: {numbers}.")
    return Diagnosis("undecided", f"An interval contains half of what real images get: {numbers}.")


def passes_for_noise(precision: Score, floor: Score) -> bool:
    """Whether precision is so far below that of real images that no sample resembles one."""
    return _ends(precision)[1] < UNREAL * _known(floor)


def _copies(card: Scorecard) -> str:
    """A phrase for both scores of memorisation."""
    nearer, copies = card.measured.scores.get("train_nearer"), card.measured.scores.get("copies")
    if _number(nearer) is None or _number(copies) is None:
        return "copies were not looked for"
    return (
        f"{_percent(_known(copies))} are as near to a training image as copies (of real images 1 %), and "
        f"{_percent(_known(nearer))} are nearer to a training image than to a held-out one (without copies 50 %)"
    )


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
