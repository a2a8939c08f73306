"""The tables of a data set's section."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from thirtytwo.report import numbers
from thirtytwo.report.blocks import Row, Table
from thirtytwo.report.results import RunResult, SetResult
from thirtytwo.report.verdict import Verdict

__all__ = [
    "all_metrics",
    "by_label",
    "classifier_text",
    "comparison",
    "facts",
    "per_class",
    "ranked",
    "removed",
    "sampler_text",
]

FOLD_ABOVE = 12  # rows; longer tables open on request


def comparison(dataset: SetResult, verdict: Verdict) -> Table:
    """One row a run and one for the floor; columns that no run has a value for are left out."""
    runs = ranked(dataset.runs, verdict)
    scores = [run.metrics or {} for run in runs]
    if dataset.floor:
        names = {"fd_classifier_floor": "fd_classifier", "fd_classifier_floor_low": "fd_classifier_low",
                 "fd_classifier_floor_high": "fd_classifier_high", "n": "n"}  # fmt: skip
        scores.append({new: dataset.floor.get(old) for old, new in names.items()})
    frame = pd.DataFrame(index=range(len(scores)))
    _score(frame, "FD", "fd_classifier", scores)
    frame["N"] = [numbers.count(score.get("n")) for score in scores]
    _score(frame, "FID", "fid", scores)
    frame["entropy, bits"] = numbers.column([score.get("class_entropy_bits") for score in scores], 2)
    frame["classes"] = [_covered(score) for score in scores]
    frame["accuracy"] = [numbers.percent(score.get("accuracy")) for score in scores]
    frame["accuracy, 95 %"] = [
        numbers.interval(score.get("accuracy_low"), score.get("accuracy_high"), 1, 100) for score in scores
    ]
    frame["family"] = _pad([run.family for run in runs], frame)
    frame["net"] = _pad([run.net for run in runs], frame)
    frame["parameters"] = _pad([numbers.count(_parameters(run)) for run in runs], frame)
    for key, title in (("steps", "steps"), ("images_seen", "images seen")):
        frame[title] = _pad([numbers.count((run.training or {}).get(key)) for run in runs], frame)
    frame["sampler"] = _pad([sampler_text(run) for run in runs], frame)
    frame = frame.loc[:, (frame != numbers.MISSING).any()]
    heads = [(run.name, verdict.mark(run)) for run in runs] + [("real images", "floor")] * (dataset.floor is not None)
    return Table(
        caption=_comparison_caption(dataset, frame),
        columns=["run", *frame.columns],
        rows=[Row(name, list(frame.iloc[i]), mark) for i, (name, mark) in enumerate(heads)],
        numeric=[False, *(title not in ("family", "net", "sampler") for title in frame.columns)],
    )


def ranked(runs: list[RunResult], verdict: Verdict) -> list[RunResult]:
    """Lowest score first where the scores can be compared, else as they are; runs without a score last."""
    if verdict.kind in ("incomparable", "none"):
        return runs
    return sorted(runs, key=lambda run: (run.metric("fd_classifier") is None, run.metric("fd_classifier")))


def _comparison_caption(dataset: SetResult, frame: pd.DataFrame) -> str:
    words = "FD: `fd_classifier`, the Fréchet distance of classifier features, lower is better, with its 95 % interval."
    if floor := dataset.floor:
        words += f" Real images: the floor, {numbers.count(floor.get('n'))} real images held against "
        words += f"{numbers.count(floor.get('reference_n'))} others ({floor.get('split', 'split unknown')})."
    if "classes" in frame:
        words += " Entropy and classes: of the samples' classes by the classifier."
    if "FID" in frame:
        sizes = sorted({run.metric("fid_n") for run in dataset.runs if run.metric("fid") is not None})
        floors = {run.metric("fid_floor") for run in dataset.runs} - {None}
        words += f" FID: Inception features, by clean-fid, N = {', '.join(map(numbers.count, sizes))}"
        words += "".join(f"; real against real {numbers.plain(floor)}" for floor in sorted(floors))
        words += "; not on the scale of FD."
    return f"{words} Parameters: of all networks trained. Steps: of the first of them."


def _pad(cells: list[str], frame: pd.DataFrame) -> list[str]:
    """A column of the runs, with nothing in the floor's row."""
    return cells + [numbers.MISSING] * (len(frame) - len(cells))


def _score(frame: pd.DataFrame, title: str, key: str, scores: list[dict[str, Any]]) -> None:
    """Adds a score's column and its interval's."""
    values, lows, highs = ([score.get(f"{key}{end}") for score in scores] for end in ("", "_low", "_high"))
    halves = [(high - low) / 2 for low, high in zip(lows, highs, strict=True) if low is not None and high is not None]
    decimals = numbers.decimals_for([value for value in values if value is not None], halves)
    frame[title] = numbers.column(values, decimals)
    frame[f"{title}, 95 %"] = [numbers.interval(low, high, decimals) for low, high in zip(lows, highs, strict=True)]


def _parameters(run: RunResult) -> int | None:
    sizes = [value for key, value in (run.training or {}).items() if key.startswith("parameters_")]
    return sum(sizes) if sizes else None


def _covered(score: dict[str, Any]) -> str:
    if score.get("modes_covered") is None:
        return numbers.MISSING
    return f"{score['modes_covered']} of {score['classes']}" if "classes" in score else str(score["modes_covered"])


def sampler_text(run: RunResult) -> str:
    """How a run's samples were drawn, such as "ddim, 50 steps, eta 0, EMA weights"."""
    words = []
    if "sampler" in run.sampling:
        words.append(str(run.sampling["sampler"]))
        words += [f"{run.sampling['steps']} steps"] if "steps" in run.sampling else []
        words += [f"eta {run.sampling['eta']:g}"] if "eta" in run.sampling else []
    else:
        words.append("one pass")
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
    return Table(caption, ["label", "N", "accuracy", "FD"], rows, [False, True, True, True])


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
