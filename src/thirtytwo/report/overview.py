"""The first screen: real images beside the best and the worst samples, the ranking, and moving pictures."""

from pathlib import Path

from thirtytwo.evaluate.comparison import subtract
from thirtytwo.report import diffusion, gans, pictures, plots, wording
from thirtytwo.report.blocks import Block, Card, Gallery, Notice, Picture, Row, Section, Showcase, Table, Text
from thirtytwo.report.methods import SPLITS
from thirtytwo.report.plots import Point
from thirtytwo.report.ranking import Verdict, floor_of, floor_ratio, judge, ranked
from thirtytwo.report.results import Results, RunResult, SetResult

__all__ = ["motion", "notices", "ranking", "section", "sentence", "showcase"]

_COLUMNS, _IMAGES = 5, 15  # of a card
_TONES = {"healthy": "good", "collapsed": "bad", "memorising": "bad", "noise": "bad"}


def section(results: Results, folder: Path) -> Section:
    """Showcases, ranking plots, one sentence for each data set, and a table over all data sets."""
    blocks: list[Block] = [*notices(results), *(showcase(dataset, folder) for dataset in results.sets)]
    blocks += ranking(results, folder)
    blocks += [sentence(dataset, judge(dataset)) for dataset in results.sets]
    return Section("Which generator is best?", "best", [*blocks, _glance(results)])


def notices(results: Results) -> list[Block]:
    """A warning about runs without a score."""
    lost = [run.name for run in results.runs if not run.card]
    if not lost:
        return []
    return [Notice(f"{len(lost)} of {len(results.runs)} runs have no score yet: {', '.join(f'`{n}`' for n in lost)}.")]


def showcase(dataset: SetResult, folder: Path) -> Showcase:
    """Real images beside samples of the best and the worst run."""
    verdict = judge(dataset)
    order = [run for run in ranked(dataset.runs, verdict) if run.scored] or dataset.runs
    shown = [run for run in order if run.grid is not None]
    cards = [card] if (card := _real(dataset, order[:1], folder)) else []
    if shown:
        known = verdict.kind not in ("none", "incomparable")
        cards.append(_card(dataset, shown[0], verdict, ("lowest FD" if known else "first run"), folder))
        if len(shown) > 1:
            cards.append(_card(dataset, shown[-1], verdict, ("highest FD" if known else "last run"), folder))
    scored = sum(run.scored for run in dataset.runs)
    text = f"{scored} of {len(dataset.runs)} runs scored" if scored < len(dataset.runs) else f"{scored} runs"
    return Showcase(dataset.name, f"{text}{f', {_protocol(order[0])}' if scored else ''}", cards)


def _real(dataset: SetResult, best: list[RunResult], folder: Path) -> Card | None:
    """Real images with the floor of the best run."""
    if dataset.images is None or dataset.labels is None:
        return None
    name = pictures.slug("card", dataset.name, "real")
    order = pictures.spread_over_classes(dataset.labels[dataset.shown], _IMAGES)
    real = dataset.images[dataset.shown[order]]
    pictures.board(folder / name, real, _COLUMNS, scale=2)
    floor = floor_of(best[0], dataset)[0] if best and best[0].scored else dataset.floor.estimate("fd_classifier")
    lines = [f"FD {wording.inline(floor)}", "the floor"] if floor.value is not None else []
    picture = Picture(name, f"{len(real)} real images of {dataset.name}.", "")
    return Card("real images", "data", "plain", picture, lines)


def _card(dataset: SetResult, run: RunResult, verdict: Verdict, label: str, folder: Path) -> Card:
    assert run.grid is not None
    name = pictures.slug("card", run.name)
    tiles = pictures.stage_tiles(run.grid)
    images = tiles.reshape(-1, *tiles.shape[2:])[:_IMAGES]
    pictures.board(folder / name, images, _COLUMNS, scale=2)
    tied = f"tie of {len(verdict.runs)}"
    healthy = run.diagnosis in (None, "healthy")
    badge = {"best": "best" if healthy else label, "tied": tied}.get(verdict.mark(run), label)
    lines = []
    if run.scored:
        ratio = floor_ratio(run, dataset)
        lines = [f"FD {wording.score(run, 'fd_classifier')}", wording.times_floor(ratio)]
    diagnosis = run.diagnosis
    if diagnosis is not None:
        lines[1:] = [f"{lines[1]}, {diagnosis}"]
    picture = Picture(name, f"{len(images)} samples of {run.name} ({run.family}).", "")
    return Card(run.name, badge, _tone(run), picture, lines)


def _tone(run: RunResult) -> str:
    """How the badge is coloured: by the diagnosis, because even the lowest FD can be far from real images."""
    diagnosis = run.diagnosis
    return "plain" if diagnosis is None else _TONES.get(diagnosis, "fair")


def ranking(results: Results, folder: Path) -> list[Block]:
    """Scores of all runs with their intervals and floors, one plot for each data set."""
    shown = []
    for dataset in results.sets:
        verdict = judge(dataset)
        runs = [run for run in ranked(dataset.runs, verdict) if run.scored]
        if verdict.kind not in ("best", "tie"):
            continue
        name = pictures.slug("ranking", dataset.name)
        ratios = [floor_ratio(run, dataset) for run in runs]
        points = [
            Point(
                run.name,
                run.family,
                run.estimate("fd_classifier"),
                note=f"{wording.multiple(ratio)} ×" if ratio else "",
            )
            for run, ratio in zip(runs, ratios, strict=True)
        ]
        plots.ranking(folder / name, dataset.name, points, floor_of(runs[0], dataset)[0])
        values = ", ".join(f"{run.name} {wording.score(run, 'fd_classifier')}" for run in runs)
        alt = f"Ranking of the runs on {dataset.name} by FD, lowest first: {values}."
        shown.append(Picture(name, alt, f"{dataset.name}: {_protocol(runs[0])}."))
    caption = (
        "All runs by FD with 95 % intervals; right: multiples of the floor, the FD between real images, "
        "without an interval."
    )
    return [Gallery(caption, "plot", shown)] if shown else []


def motion(results: Results, folder: Path) -> Section | None:
    """Animations of training and of sampling, and strips from noise to image; None without probes."""
    blocks: list[Block] = []
    for caption, draw in (
        ("Diffusion models, flows and EDMs remove noise step by step.", diffusion.animations),
        ("GANs while they train: the same noise, decoded by the weights of successive steps.", gans.animations),
        ("From noise (left) to image (right): x_t at falling times t, and below it the image that is "
         "predicted from x_t. Early predictions average over many images; later ones settle on one.", diffusion.strips),
    ):  # fmt: skip
        shown = [picture for dataset in results.sets for picture in draw(dataset, folder)]
        if shown:
            blocks.append(Gallery(caption, "pixels", shown))
    return Section("From noise to images", "motion", blocks) if blocks else None


def _glance(results: Results) -> Table:
    """One row for each data set."""
    rows = []
    for dataset in results.sets:
        verdict = judge(dataset)
        scored = [run for run in ranked(dataset.runs, verdict) if run.scored]
        words = {"best": "beats all others", "tie": f"tie of {len(verdict.runs)}", "single": "only score",
                 "unknown": "no interval", "incomparable": "not comparable", "none": "no score"}  # fmt: skip
        doubt = ", not by the second classifier" if verdict.doubt.doubts else ""
        cells = [f"{words[verdict.kind]}{doubt}", *[wording.MISSING] * 4, f"{len(scored)} of {len(dataset.runs)}"]
        if verdict.runs:
            first = verdict.runs[0]
            rest = [run for run in scored if (first.name, run.name) in verdict.better]
            cells[1] = wording.estimated(first.estimate("fd_classifier"))
            cells[2] = wording.multiple(floor_ratio(first, dataset))
            cells[3] = f"{rest[0].name}{_behind(first, rest[0])}" if rest else wording.MISSING
            trainings = first.metric("seeds") or 1
            cells[4] = f"{trainings} trainings" if trainings > 1 else "samples of one training"
        best = wording.listed([run.name for run in verdict.runs], "") if verdict.runs else wording.MISSING
        rows.append(Row(dataset.name, [best, *cells]))
    explained = {
        "× floor": "FD as a multiple of the FD between real images at the same N.",
        "runner-up": "The next run whose FD is higher than the lowest beyond chance, and its multiple of the lowest.",
        "interval covers": "What the 95 % interval accounts for.",
    }
    columns = ["data set", "best run", "verdict", "FD", "× floor", "runner-up", "interval covers", "scored"]
    numeric = [False, False, False, True, True, False, False, True]
    return Table("All data sets at a glance.", columns, rows, numeric, help=explained)


def _behind(first: RunResult, other: RunResult) -> str:
    lowest = first.metric("fd_classifier")
    return f"\n{other.metric('fd_classifier') / lowest:.2f} × its FD" if lowest > 0 else ""


def _protocol(run: RunResult) -> str:
    split = SPLITS[run.metric("reference_split")]
    return f"N = {wording.count(run.metric('n'))} samples against the {split}"


def sentence(dataset: SetResult, verdict: Verdict) -> Text:
    """The outcome for one data set in words."""
    name = dataset.name
    if verdict.kind == "none":
        return Text("No run has a score.", f"{name}: no result yet.")
    if verdict.kind == "incomparable":
        reasons = wording.capital(" and ".join(verdict.reasons))
        return Text(f"{reasons}. The report names no winner.", f"{name}: not comparable.")
    first = verdict.runs[0]
    scores = "; ".join(f"`{run.name}` {wording.score(run, 'fd_classifier')}" for run in verdict.runs)
    end = " ".join(text for text in (_second(verdict), _floor(first, dataset), _health(verdict)) if text)
    of_these = wording.one_training([run for run in dataset.runs if run.scored])
    if verdict.kind == "single":
        return Text(f"FD of {scores}. {end}", f"{name}: only {first.name} has a score.")
    if verdict.kind == "unknown":
        return Text(f"{scores} has the lowest FD, but some runs have no interval. {end}", f"{name}: undecided.")
    if verdict.kind == "tie":
        names = wording.listed([run.name for run in verdict.runs], "")
        lead = f"{of_these.strip()}, {names} are tied" if of_these else f"{names} are tied"
        return Text(f"Their differences in FD from the lowest may be chance: {scores}. {end}", f"{name}: {lead}.")
    second = next(run for run in ranked(dataset.runs, verdict) if run is not first)
    scores = (
        f"`{first.name}` has FD {wording.score(first, 'fd_classifier')}; the next is `{second.name}` with "
        f"{wording.score(second, 'fd_classifier')}"
    )
    lead = (
        f"{first.name} {'has the lowest FD' if verdict.doubt.doubts or _health(verdict) else 'is the best'}{of_these}"
    )
    return Text(f"{scores}. {end}", f"{name}: {lead}.")


def _second(verdict: Verdict) -> str:
    """Whether the second classifier confirms that the best runs beat the others; empty where it was not asked."""
    if clause := verdict.doubt.clause("`"):
        return f"{wording.capital(clause)}."
    return "The second classifier (`fd_second`) agrees." if verdict.second.asked and verdict.better else ""


def _health(verdict: Verdict) -> str:
    """A warning if none of the best runs is healthy."""
    poor = [run for run in verdict.runs if run.diagnosis not in (None, "healthy")]
    if not poor or len(poor) < len(verdict.runs):
        return ""
    return f"Not healthy by diagnosis: {', '.join(f'`{run.name}` is {run.diagnosis}' for run in poor)}."


def _floor(run: RunResult, dataset: SetResult) -> str:
    floor, reason = floor_of(run, dataset)
    if floor.value is None:
        return f"{wording.capital(reason)}."
    text = f"Real images score {wording.inline(floor)} at the same N"
    score = run.estimate("fd_classifier")
    if None not in (score.low, score.high, floor.low, floor.high):
        gap = subtract(score, floor)
        if gap.low is not None and gap.low <= 0:
            text += f"; that `{run.name}` scores higher may be chance"
    return f"{text}."
