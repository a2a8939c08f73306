"""What is known of one set of samples: scores, how they were measured, their floors and the diagnosis.

scores/<run>.json is a `Scorecard` and scores/floor/<set>.json are `Floors`, field for field.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from thirtytwo.core.intervals import Estimate

__all__ = ["REASONS", "Diagnosis", "Fact", "Floors", "Measured", "Score", "Scorecard", "headline", "metrics"]

Score = Estimate | float | int | None  # a plain number has no interval, None was not measured
Fact = float | int | str | bool | None
REASONS = (
    "fd_classifier_infinity_reason",
    "memorisation_reason",
    "fid_reason",
    "fid_legacy_reason",
)  # why a score or interval is None

# Entries of metrics/<run>.json, in the order in which they are dropped from the end where there are more than eight.
_METRICS = {
    "fd": "fd_classifier", "precision": "precision", "coverage": "coverage", "accuracy": "accuracy", "fid": "fid",
    "fid_legacy": "fid_legacy", "distortion": "distortion", "rate_nats": "rate_nats",
}  # fmt: skip
_MOST = 8


@dataclass(frozen=True)
class Measured:
    """Scores, and the conditions under which they were measured.

    Attributes:
        scores: numbers that describe the images, by name.
        protocol: counts, names and hashes that scores must share to be compared, and reasons why a score is None.
    """

    scores: Mapping[str, Score] = field(default_factory=dict)
    protocol: Mapping[str, Fact] = field(default_factory=dict)

    def __or__(self, other: "Measured") -> "Measured":
        return Measured({**self.scores, **other.scores}, {**self.protocol, **other.protocol})

    def estimate(self, name: str) -> Estimate:
        """A score with its interval; without a value if it was not measured."""
        score = self.scores.get(name)
        return score if isinstance(score, Estimate) else Estimate(score)


@dataclass(frozen=True)
class Diagnosis:
    """One word for the state of a generator, and one sentence with the numbers behind it."""

    word: str
    reason: str | None


@dataclass(frozen=True)
class Scorecard:
    """All that is known of one set of samples, or of a run.

    Attributes:
        measured: scores of the samples, and of what else was drawn from the model.
        floor: the same scores of real images that take the samples' place.
        diagnosis: None before there is one.
    """

    measured: Measured
    floor: Measured = field(default_factory=Measured)
    diagnosis: Diagnosis | None = None


@dataclass(frozen=True)
class Floors:
    """Scores of real images in the place of samples, for samples without and with requested labels.

    Attributes:
        at_random: real images drawn at random.
        within_classes: the same number of real images drawn from each class.
    """

    at_random: Measured
    within_classes: Measured

    def of(self, strata: object | None) -> Measured:
        """The floor of samples with these `strata`, None where no labels were requested."""
        return self.at_random if strata is None else self.within_classes


def metrics(card: Scorecard) -> dict[str, float]:
    """The entries of metrics/<run>.json: at most eight numbers, rounded to what their intervals support.

    fd is fd_classifier, with both ends of its interval; the others keep their names. Scores without a value are omitted.
    """
    entries: dict[str, float | None] = {}
    for short, name in _METRICS.items():
        estimate = card.measured.estimate(name).rounded()
        entries[short] = estimate.value
        if short == "fd":
            entries |= {"fd_low": estimate.low, "fd_high": estimate.high}
    known = {name: value for name, value in entries.items() if value is not None}
    return dict(list(known.items())[:_MOST])


def headline(card: Scorecard) -> str:
    """The main score of a run with its floor, for the console."""
    score, floor = (part.estimate("fd_classifier").rounded() for part in (card.measured, card.floor))
    covered, about = card.measured.estimate("modes_covered").value, card.measured.protocol
    interval = f" [{score.low:g}, {score.high:g}]" if score.low is not None and score.high is not None else ""
    trainings = f", mean of {about['seeds']} trainings" if (about["seeds"] or 1) != 1 else ""
    return (
        f"fd_classifier {score.value:g}{interval} at N = {about['n']}{trainings} "
        f"(real images {floor.value:g} at N = {card.floor.protocol['n']}), {covered:.4g} of {about['classes']} classes"
        + (f", {card.diagnosis.word}" if card.diagnosis else "")
    )
