"""What is known of one set of samples: scores, how they were measured, their floors and the diagnosis."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from thirtytwo.core.intervals import Estimate, flatten, read

__all__ = [
    "REASONS", "Diagnosis", "Fact", "Floors", "Measured", "Score", "Scorecard", "flat", "flat_floors", "headline", "read_floors",
]  # fmt: skip

Score = Estimate | float | int | None  # a plain number has no interval, None was not measured
Fact = float | int | str | bool | None
REASONS = ("fd_classifier_infinity_reason", "memorisation_reason")  # entries of a protocol: why a score is None


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


# Names and order of the entries in the JSON files. Entries that are not listed stand at the place of `...`.
_FLOOR_PROTOCOL = {
    "fd_classifier_infinity_reason": "fd_classifier_infinity_floor_reason",
    "prdc_k": "prdc_floor_k",
    "prdc_n": "prdc_floor_n",
    "prdc_reference_n": "prdc_floor_reference_n",
    "best_of_5_n": "best_of_5_floor_n",
    "fid_n": "fid_floor_n",
    "fid_reference_n": "fid_floor_reference_n",
    "fid_split": "fid_floor_split",
    "fid_same_n": "fid_floor_same_n",
}
_FLOOR_SIZES = {name: f"fd_classifier_floor_{name}" for name in ("n", "reference_n", "split", "drawn", "same_n")}
_SAMPLES = (
    "fd_classifier", "fd_classifier_infinity", "fd_classifier_infinity_reason", "kid_classifier", "prdc_k", "prdc_n",
    "prdc_reference_n", "precision", "recall", "density", "coverage", "train_nearer", "copies", "memorisation_reason",
    "train_nearer_n", "copies_n", "n", "reference_n", "sample_variance", "reference_variance", "classes",
    "modes_covered", "foreign_share", "class_entropy_bits", "kl_to_uniform", "kl_to_reference", "mean_confidence",
    "best_of_5_n", "accuracy", "best_of_5_accuracy", "reference_split", "resampler", "features_sha256",
)  # fmt: skip
_FLOOR = (
    "fd_classifier_floor", "fd_classifier_infinity_floor", "fd_classifier_infinity_floor_reason",
    "kid_classifier_floor", "prdc_floor_k", "prdc_floor_n", "prdc_floor_reference_n", "precision_floor",
    "recall_floor", "density_floor", "coverage_floor", "best_of_5_floor_n", "accuracy_floor",
    "best_of_5_accuracy_floor", "train_nearer_floor", "copies_floor",
)  # fmt: skip
_FLOOR_ABOUT = ("n", "reference_n", "split", "drawn", "reference_split", "resampler", "features_sha256")
_INCEPTION = (
    "fid", "fid_n", "fid_reference_n", "fid_statistics", "fid_resizer", "fid_features_sha256", "fid_floor",
    "fid_floor_n", "fid_floor_reference_n", "fid_floor_split", "fid_floor_same_n", "kid", "kid_floor",
)  # fmt: skip
_MODEL = (
    "batch_norm", "path_length", "path_length_n", "c2st_accuracy", "js_bound_bits", "c2st_n", "c2st_steps", "d_real", "d_fake",
    "d_accuracy", "d_gap", "bits_per_dim", "bits_per_dim_n", "rate_bits_per_dim", "distortion_bits_per_dim", ..., "codes_n",
    "code_dimensions", "distortion", "active_units", "rate_nats", "code_information_nats", "aggregate_kl_nats",
    "aggregate_mean_largest", "aggregate_variance_smallest", "aggregate_variance_largest", "aggregate_mmd",
    "iwae_bits_per_dim", "elbo_bits_per_dim", "iwae_samples", "iwae_n", "mig", "dci_disentanglement",
    "dci_completeness", "dci_informativeness", "sap", "fd_classifier_standard", "accuracy_standard",
    "fd_classifier_gaussian", "accuracy_gaussian", "fd_classifier_mixture", "accuracy_mixture",
)  # fmt: skip
_ORDER = (
    *_SAMPLES, *_FLOOR, *_FLOOR_SIZES.values(), "diagnosis", "diagnosis_reason", *_INCEPTION, *_MODEL, "seeds",
    "interval_over", "first_seed_only",
)  # fmt: skip
_PLACES = {name: place for place, name in enumerate(_ORDER)}


def flat(card: Scorecard) -> dict[str, Any]:
    """The entries of metrics/<run>.json: the floor of `<score>` is `<score>_floor`.

    Floors of scores that the samples do not have are left out.
    """
    measured = card.measured
    entries: dict[str, Any] = {**measured.scores, **measured.protocol}
    entries |= {f"{name}_floor": value for name, value in card.floor.scores.items() if name in measured.scores}
    for name, value in card.floor.protocol.items():
        if name in _FLOOR_SIZES:
            entries[_FLOOR_SIZES[name]] = value
        elif (name in measured.protocol and name in _FLOOR_PROTOCOL) or name.startswith("fid_"):
            entries[_FLOOR_PROTOCOL[name]] = value
    if card.diagnosis:
        entries |= {"diagnosis": card.diagnosis.word, "diagnosis_reason": card.diagnosis.reason}
    return flatten(_ordered(entries))


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


def flat_floors(floors: Floors) -> dict[str, Any]:
    """The entries of metrics/floor/<set>.json: those of images drawn at random, and the others in `within_classes`."""
    return _flat_floor(floors.at_random) | {"within_classes": _flat_floor(floors.within_classes)}


def _flat_floor(floor: Measured) -> dict[str, Any]:
    entries: dict[str, Any] = {f"{name}_floor": value for name, value in floor.scores.items()}
    entries |= {_FLOOR_PROTOCOL.get(name, name): value for name, value in floor.protocol.items()}
    return flatten({name: entries[name] for name in (*_FLOOR, *_FLOOR_ABOUT) if name in entries})


def read_floors(values: Mapping[str, Any]) -> Floors:
    """The floors in metrics/floor/<set>.json, from the file's values."""
    return Floors(_read_floor(values), _read_floor(values["within_classes"]))


def _read_floor(values: Mapping[str, Any]) -> Measured:
    scores: dict[str, Score] = {}
    for name in _SAMPLES:
        floor = f"{name}_floor"
        if f"{floor}_low" in values:
            scores[name] = read(values, floor)
        elif floor in values:
            scores[name] = values[floor]
    named = {name: values[key] for name, key in _FLOOR_PROTOCOL.items() if key in values}
    return Measured(scores, named | {name: values[name] for name in _FLOOR_ABOUT})


def headline(card: Scorecard) -> str:
    """The main score of a run with its floor, for the console."""
    values = flat(card)
    return (
        f"fd_classifier {values['fd_classifier']:.4g} at N={values['n']} "
        f"(floor {values['fd_classifier_floor']:.4g} at N={values['fd_classifier_floor_n']}), "
        f"{values['modes_covered']:.4g} of {values['classes']} classes, {values['seeds']} training seeds, "
        f"{values['diagnosis']}"
    )


def _ordered(entries: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(entries.items(), key=lambda entry: _PLACES.get(entry[0], _PLACES[...])))
