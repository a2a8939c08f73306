"""Tables that list what is there: the data set's facts, scores by label, all metrics."""

from collections.abc import Callable
from typing import Any

from thirtytwo.report import numbers
from thirtytwo.report.blocks import Row, Table
from thirtytwo.report.results import RunResult, SetResult

__all__ = ["all_metrics", "by_label", "classifier_text", "facts", "per_class", "removed", "sampler_text"]

FOLD_ABOVE = 12  # rows; longer tables open on request


def sampler_text(run: RunResult) -> str:
    """How a run's samples were drawn, such as "ddim, 50 steps, eta 0, EMA weights"."""
    words = []
    if "sampler" in run.sampling:
        words.append(str(run.sampling["sampler"]))
        words += [f"{run.sampling['steps']} steps"] if "steps" in run.sampling else []
        words += [f"eta {run.sampling['eta']:g}"] if run.sampling["sampler"] == "ddim" else []
    else:
        words.append("one pass" if run.evaluations == 1 else f"{run.evaluations} passes")
        words += [f"{run.sampling['prior']} prior"] if "prior" in run.sampling else []
    for key in ("guidance", "decoder_guidance"):
        words += [f"{key.replace('_', ' ')} {run.sampling[key]:g}"] if run.sampling.get(key) else []
    weights = {"ema": "EMA weights", "raw": "raw weights"}
    words += [weights.get(run.sampling["weights"], str(run.sampling["weights"]))] if "weights" in run.sampling else []
    return ", ".join(words)


def facts(dataset: SetResult, about: dict[str, Any]) -> Table:
    """What the data set is and how its images became 32x32."""
    fit = {"squash": "squashed to a square", "crop": "cropped at the centre", "pad": "padded with black"}[about["fit"]]
    pairs = {
        "source": about["source"],
        "images": f"{numbers.count(about['images'])} ({numbers.count(about['train'])} training, "
        f"{numbers.count(about['test'])} test)",
        "size": f"32x32, {'RGB' if about['channels'] == 3 else 'grey'}",
        "classes": f"{len(about['classes'])}: {_few(about['classes'])}",
        "resampling": f"{about['resample']}; images that are not square are {fit}",
    }
    if about["factor_names"]:
        pairs["ground-truth factors"] = ", ".join(about["factor_names"])
    converted = {mode: n for mode, n in about["converted"].items() if n}
    pairs["converted"] = ", ".join(f"{n:,} {mode}" for mode, n in sorted(converted.items())) or "none"
    pairs["removed"] = f"{len(about['removed']):,} files"
    pairs["sha256"] = f"`{about['sha256']}`"
    rows = [Row(key, [value]) for key, value in pairs.items()]
    return Table(f"Data set {dataset.name} as prepared.", ["fact", "value"], rows, [False, False])


def _few(names: list[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def per_class(about: dict[str, Any]) -> Table:
    """Images of each class in each split."""
    splits = about["per_class"]
    rows = [
        Row(name, [numbers.count(splits.get(split, {}).get(name, 0)) for split in ("train", "test")])
        for name in about["classes"]
    ]
    return Table("Images of each class.", ["class", "training", "test"], rows, [False, True, True], folded=True)


def by_label(run: RunResult) -> Table | None:
    """Scores of a conditional run for each label asked for, None where none was."""
    if run.classes is None or "asked" not in run.classes:
        return None
    asked = run.classes[run.classes["asked"] > 0]
    distances = [float(value) for value in asked["fd_classifier"]]
    cells = zip(
        asked["class"], asked["asked"], asked["accuracy"], numbers.column(distances, numbers.decimals_for(distances)),
        strict=True,
    )  # fmt: skip
    rows = [Row(str(name), [numbers.count(n), numbers.percent(share), fd]) for name, n, share, fd in cells]
    caption = (
        f"`{run.name}`, by the label asked for: how many samples the classifier sees in that class, and their "
        "`fd_classifier` to the real images of the class alone (another N than in the comparison, and no floor)."
    )
    return Table(caption, ["label", "N", "accuracy", "FD"], rows, [False, True, True, True], folded=True)


def removed(about: dict[str, Any]) -> Table:
    """Every file that was left out, and why."""
    rows = [Row(str(item["file"]), [str(item["class"]), str(item["reason"])]) for item in about["removed"]]
    caption = f"Files removed while the data set was prepared: {len(rows)}."
    return Table(caption, ["file", "class", "reason"], rows, [False] * 3, folded=len(rows) > FOLD_ABOVE)


def classifier_text(dataset: SetResult) -> str:
    """One sentence on the classifier whose features and labels score the runs."""
    scores = dataset.classifier
    if not scores or scores.get("accuracy_test") is None:
        return "The accuracy of this data set's classifier is missing."
    bounds = numbers.interval(scores.get("accuracy_test_low"), scores.get("accuracy_test_high"), 1, 100)
    size = f", {numbers.count(scores['parameters'])} parameters" if scores.get("parameters") else ""
    return (
        f"The classifier that scores the samples reaches {numbers.percent(scores['accuracy_test'])} on "
        f"{numbers.count(scores.get('n_test'))} test images, 95 % Wilson interval {bounds} %{size}."
    )


def all_metrics(runs: list[RunResult]) -> Table:
    """Every number of the runs' training and evaluation files, for the record."""
    files: tuple[tuple[str, Callable[[RunResult], dict[str, Any] | None]], ...] = (
        ("training", lambda run: run.training),
        ("evaluation", lambda run: run.metrics),
    )
    rows = [
        Row(run.name, [origin, key, numbers.plain(value)])
        for run in runs
        for origin, values in files
        for key, value in sorted((values(run) or {}).items())
    ]
    caption = "All metrics of all runs, as in metrics/ and metrics/train/."
    return Table(caption, ["run", "from", "metric", "value"], rows, [False, False, False, True], folded=True)
