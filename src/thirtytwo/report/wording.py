"""Numbers, intervals and runs as text."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from thirtytwo.core.intervals import Estimate, decimals
from thirtytwo.evaluate.comparison import compare, rank, second_opinion, subtract
from thirtytwo.report.results import Results, RunResult, SetResult

__all__ = [
    "MISSING", "at_least", "beats", "begun_with", "capital", "column", "count", "cover", "decimals_for", "difference", "estimated", "groups", "inline",
    "judged_by", "listed", "lowest", "multiple", "one_training", "other_settings", "percent", "plain", "sampler", "sampler_name", "samples_of_both", "score", "seconds", "size",
    "times_floor", "trained_on_all",
]  # fmt: skip

MISSING = "\N{EN DASH}"
_BOOKKEEPING = ("validate_every", "checkpoint_every", "snapshot_every")  # settings that change no weights
_MANY = 5  # settings, more of which are counted and not listed
_SAMPLERS = {
    "ddpm": "DDPM", "ddim": "DDIM", "dpm_solver_pp_2m": "DPM-Solver++(2M)", "heun": "Heun", "unipc": "UniPC", "euler": "Euler",
    "mean_flow": "mean flow", "consistency": "consistency",
}  # fmt: skip


def decimals_for(values: Sequence[float], width: float | None = None) -> int:
    """Decimals that show two significant digits of an interval's `width`; without one, three of the smallest value."""
    if width and math.isfinite(width):
        return decimals(width)
    sizes = [abs(value) for value in values if value and math.isfinite(value)]
    return min(max(2 - math.floor(math.log10(min(sizes))), 0), 4) if sizes else 0


def estimated(score: Estimate, scale: float = 1.0) -> str:
    """A score times `scale` with its interval on a second line, rounded to two digits of the interval's width."""
    if score.value is None:
        return MISSING
    if score.low is None or score.high is None:
        return f"{scale * score.value:,.{decimals_for([scale * score.value])}f}"
    digits = decimals_for([scale * score.value], scale * (score.high - score.low))
    value, low, high = (_signed(scale * end, digits) for end in (score.value, score.low, score.high))
    return f"{value}\n[{low}, {high}]"


def _signed(value: float, digits: int) -> str:
    """A number with `digits` decimals and thousands separators; one that rounds to zero has no sign."""
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text


def inline(score: Estimate, scale: float = 1.0) -> str:
    """A score with its interval for a sentence, such as "0.961 [0.952, 0.969]"."""
    return estimated(score, scale).replace("\n", " ")


def column(values: Sequence[float | None], digits: int) -> list[str]:
    """Each number with the same number of decimals."""
    return [MISSING if value is None else _signed(value, digits) for value in values]


def seconds(value: float | None) -> str:
    """A duration, to three digits."""
    if value is None:
        return MISSING
    return f"{value:,.0f} s" if value >= 100 else f"{value:.3g} s"


def count(value: float | None) -> str:
    """A whole number with thousands separators."""
    return MISSING if value is None else f"{round(value):,}"


def percent(value: float | None) -> str:
    """A share in [0, 1] in percent."""
    return MISSING if value is None else f"{100 * value:.1f} %"


def at_least(share: Estimate) -> str:
    """A lower bound on how often one of two is told from the other: an interval's low end, and no less than guessing."""
    return MISSING if share.low is None else f"at least {percent(max(share.low, 0.5))}"


def plain(value: object) -> str:
    """Any value of a file of scores; numbers that are not whole to four significant digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return MISSING if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def multiple(ratio: float | None) -> str:
    """A ratio to two digits, or to a whole number from 10 on."""
    if ratio is None:
        return MISSING
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}"


def times_floor(ratio: float | None) -> str:
    """How many times the floor a score is: "2.1 × floor"."""
    return "floor unknown" if ratio is None else f"{multiple(ratio)}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}floor"


def capital(text: str) -> str:
    """`text` with a capital first letter."""
    return text[:1].upper() + text[1:]


def listed(names: Sequence[str], quote: str = "`") -> str:
    """Names as `a`, `b` and `c`."""
    quoted = [f"{quote}{name}{quote}" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def sampler_name(setting: str) -> str:
    """The name of a sampler in papers, by its value in params.yaml."""
    return _SAMPLERS.get(setting, setting)


def sampler(run: RunResult) -> str:
    """How a run's samples were drawn, such as "DDIM, 50 steps, eta 0, EMA weights"."""
    words, settings = [], run.sampling
    if "sampler" in settings:
        words.append(sampler_name(settings["sampler"]))
        words += [f"{settings['steps']} steps"] if "steps" in settings else []
        words += [f"eta {settings['eta']:g}"] if settings["sampler"] == "ddim" else []
    elif settings.get("proposals", 1) > 1:
        words.append(f"Metropolis-Hastings, {settings['proposals']} proposals")
    else:
        words.append("one pass" if run.evaluations == 1 else f"{run.evaluations} passes")
        words += [f"{settings['prior']} prior"] if "prior" in settings else []
    for key in ("guidance", "decoder_guidance"):
        words += [f"{key.replace('_', ' ')} {settings[key]:g}"] if settings.get(key) else []
    weights = {"ema": "EMA weights", "raw": "raw weights"}
    words += [weights.get(settings["weights"], str(settings["weights"]))] if "weights" in settings else []
    return ", ".join(words)


def size(run: RunResult) -> str:
    """Sizes of a run's model and its budget, such as "latent 16, width 16, batches of 32, 1,800 training steps"."""
    steps = run.result("steps").value
    titles = {"latent_dim": "latent", "width": "width"} | ({"batch_size": "batches of"} if steps else {})
    words = [f"{title} {run.model[key]}" for key, title in titles.items() if key in run.model]
    return ", ".join([*words, *([f"{count(steps)} training steps"] if steps else [])]) or MISSING


def begun_with(results: Results, runs: Sequence[RunResult]) -> str:
    """Which of the runs began their training with the weights of another; empty if none did."""
    parents = {run.name: Path(results.config.runs[run.name].parent).name for run in runs}
    begun = [f"`{name}` with those of `{parent}`" for name, parent in parents.items() if parent in results.config.runs]
    return f"Weights at the beginning of the training: {', '.join(begun)}." if begun else ""


def trained_on_all(runs: Sequence[RunResult]) -> str:
    """A sentence on the runs whose training saw the held-out images, led by a space; empty if none did."""
    names = [run.name for run in runs if run.metric("trained_on") == "all"]
    return f" {listed(names)} {'was' if len(names) == 1 else 'were'} trained on these images as well." if names else ""


def cover(run: RunResult) -> str:
    """Classes that the samples cover, such as "9 of 10"; with several trainings a mean."""
    covered, classes = run.metric("modes_covered"), run.metric("classes")
    if covered is None:
        return MISSING
    return f"{plain(covered)} of {classes}" if classes is not None else plain(covered)


def score(run: RunResult, key: str) -> str:
    """A run's score with its interval, for a sentence."""
    return inline(run.estimate(key))


def one_training(runs: Sequence[RunResult]) -> str:
    """The reservation that a verdict on runs needs if one was trained once: " of these trained models"; else empty."""
    several = all((run.metric("seeds") or 1) > 1 for run in runs)
    return "" if several else f" of these {'two ' if len(runs) == 2 else ''}trained models"


def lowest(runs: list[RunResult], key: str) -> str:
    """A sentence on the run with the lowest score, all runs compared at once; or that it is not known."""
    estimates = {run.name: run.estimate(key) for run in runs}
    if any(estimate.low is None or estimate.high is None for estimate in estimates.values()):
        return "Which is lowest is not known from one training without intervals."
    leaders = rank(estimates, lower=True).leaders
    if len(leaders) == 1:
        return f"`{leaders[0]}` scores lowest{one_training(runs)}, beyond chance."
    return f"Which is lowest is not known: {listed(leaders)} may differ by chance."


def difference(a: RunResult, b: RunResult, key: str) -> tuple[Literal["lower", "higher", "unknown"], str]:
    """Whether `a` has a lower score than `b`, beyond chance, and the difference with its interval for a sentence.

    Scores on the same images are positively correlated, so that the interval, of independent ones, is rather too wide.
    """
    first, second = a.estimate(key), b.estimate(key)
    if None in (first.low, first.high, second.low, second.high):
        return "unknown", "not known from one training"
    gap = subtract(first, second)
    side: Literal["lower", "higher", "unknown"] = "unknown"
    if gap.high is not None and gap.high < 0:
        side = "lower"
    elif gap.low is not None and gap.low > 0:
        side = "higher"
    return side, f"difference {inline(gap)}"


def judged_by(runs: Sequence[RunResult]) -> tuple[str, str]:
    """The score that answers judge these runs by, as its key and its name: FID where all have it, else the FD."""
    both = all(run.metric("fid") is not None for run in runs)
    return ("fid", "FID") if both else ("fd_classifier", "FD")


def beats(a: RunResult, b: RunResult) -> str:
    """Which of two runs is better by `judged_by`, and whether `fd_second` disagrees; or why this is not known."""
    comparison = compare(a.measured, b.measured, judged_by((a, b))[0])
    if comparison.verdict == "incomparable":
        return f"not comparable ({comparison.reason.rstrip('.')})"
    pairs = {"a": [(a.name, b.name)], "b": [(b.name, a.name)]}.get(comparison.verdict, [])
    second = second_opinion({run.name: run.measured for run in (a, b)}, pairs)
    notes = [text for text in (one_training((a, b)).strip(), second.clause("`")) if text]
    better = {"a": f"`{a.name}` is better", "b": f"`{b.name}` is better", "tie": "a tie"}[comparison.verdict]
    return f"{better} ({'; '.join(notes)})" if notes else better


def samples_of_both(a: RunResult, b: RunResult) -> str:
    """The scores of the samples of two runs by `judged_by`, and which run is better."""
    key, title = judged_by((a, b))
    return f"{title} {score(a, key)} for `{a.name}`, {score(b, key)} for `{b.name}`; {beats(a, b)}"


def groups(dataset: SetResult, family: str, metric: str, free: Sequence[str]) -> list[list[RunResult]]:
    """Scored runs of one family, network and data set that differ only in the settings `free`."""
    alike: dict[str, list[RunResult]] = {}
    for run in dataset.runs:
        if run.family == family and run.metric(metric) is not None and all(key in run.model for key in free):
            same = {key: value for key, value in run.model.items() if key not in free}
            alike.setdefault(f"{run.net} {sorted(same.items())}", []).append(run)
    return [group for group in alike.values() if len(group) > 1]


def other_settings(runs: list[RunResult], known: Sequence[str]) -> str:
    """A sentence on the settings, apart from `known`, in which runs differ; empty if they agree."""
    keys = {key for run in runs for key in run.model} - {*known, *_BOOKKEEPING}
    other = sorted(key for key in keys if len({str(run.model.get(key)) for run in runs}) > 1)
    if len(other) > _MANY:
        return f" The runs also differ in {len(other)} other settings (Settings of every run)."
    return f" The runs also differ in {listed(other)}." if other else ""
