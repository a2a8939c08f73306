"""`thirtytwo compare`: which of two runs, or of two sets of images, is better by each score."""

import argparse
import json
import textwrap
from dataclasses import asdict
from pathlib import Path

from tabulate import tabulate

from thirtytwo.evaluate import comparison
from thirtytwo.evaluate.comparison import Comparison
from thirtytwo.evaluate.scorecard import Measured, Scorecard
from thirtytwo.report import wording
from thirtytwo.runtime.errors import CommandError, FileError
from thirtytwo.runtime.files import read_json
from thirtytwo.runtime.project import Project
from thirtytwo.settings.strict import nearest

__all__ = ["run"]

WIDTH = 120  # columns of the terminal


def run(args: argparse.Namespace) -> int:
    """Print a table with a verdict for each score and one sentence, or the same as JSON.

    Raises:
        CommandError: the scores do not exist or cannot be read, or the score is unknown.
    """
    a, b = _measured(args.a), _measured(args.b)
    known = list(dict.fromkeys((*comparison.LOWER, *comparison.HIGHER, *comparison.comparable(a, b))))
    for score in args.score or ():
        if score in comparison.RANGES:
            raise CommandError(
                f"--score: '{score}' has a range of outcomes, not an interval; compare {comparison.RANGES[score]}"
            )
        if score not in known:
            raise CommandError(f"--score: '{score}' cannot be compared; {nearest(score, known)}")
    if not (scores := args.score or comparison.comparable(a, b)):
        raise CommandError(f"{args.a}, {args.b}: they share no score; expected one of {', '.join(known)}")
    names = _names(args.a, args.b)
    outcomes = {score: comparison.compare(a, b, score) for score in scores}
    text = _sentence(names, outcomes, comparison.source(a, b))
    if "fd_classifier" in scores and (doubt := _doubt(names, a, b)):
        text = f"{text} {wording.capital(doubt)}."
    if args.json:
        entries = {
            score: {"a": asdict(a.estimate(score)), "b": asdict(b.estimate(score)), **asdict(outcome)}
            for score, outcome in outcomes.items()
        }
        print(json.dumps({"a": args.a, "b": args.b, "scores": entries, "sentence": text}, indent=1))
        return 0
    words = {"a": names[0], "b": names[1], "tie": "tie", "incomparable": "not comparable"}
    rows = []
    for score, outcome in outcomes.items():
        difference = wording.inline(outcome.difference) if outcome.difference else wording.MISSING
        cells = [wording.inline(side.estimate(score)) for side in (a, b)]
        rows.append((score, *cells, difference, words[outcome.verdict]))
    print(tabulate(rows, ("score", *names, "difference", "better"), tablefmt="plain", disable_numparse=True))
    print(f"\n{textwrap.fill(text, WIDTH)}")
    return 0


def _measured(name: str) -> Measured:
    """The scores in a file, or in scores/<name>.json of the project."""
    path, remedy = Path(name), "expected scores as `thirtytwo evaluate --out` writes them"
    if own := path.suffix != ".json":
        path, remedy = Project.containing(Path.cwd()).scores(name), "recreate it with `dvc repro evaluate`"
        runs = sorted(p.stem for p in path.parent.glob("*.json"))
        if not path.is_file():
            hint = nearest(name, runs) if runs else "run `dvc repro evaluate` first"
            raise CommandError(f"{path}: no such file; {hint}")
    try:
        return read_json(path, Scorecard, remedy, sealed=own).measured
    except FileError as error:
        raise CommandError(str(error)) from None


def _names(a: str, b: str) -> tuple[str, str]:
    """What the table calls the two: files by their name alone, unless that is the same."""
    short = Path(a).name, Path(b).name
    return short if short[0] != short[1] else (a, b)


def _doubt(names: tuple[str, str], a: Measured, b: Measured) -> str:
    """Where the second classifier does not confirm who is better by fd_classifier; empty if it does."""
    pairs = {"a": [names], "b": [names[::-1]]}.get(comparison.compare(a, b, "fd_classifier").verdict, [])
    return comparison.second_opinion(dict(zip(names, (a, b), strict=True)), pairs).clause()


def _sentence(names: tuple[str, str], outcomes: dict[str, Comparison], source: str) -> str:
    """The outcome by all scores in one sentence."""
    verdicts: list[str] = [outcome.verdict for outcome in outcomes.values()]
    if "incomparable" in verdicts:
        score, reason = next((score, it.reason) for score, it in outcomes.items() if it.verdict == "incomparable")
        why = f"{score}: {reason[:1].lower()}{reason[1:].rstrip('.')}"
    if set(verdicts) == {"incomparable"}:
        return f"{' and '.join(names)} cannot be compared; {why}."
    a, b, ties = (verdicts.count(verdict) or "none" for verdict in ("a", "b", "tie"))
    text = (
        f"Of {len(verdicts)} score{'s' if len(verdicts) > 1 else ''}, {names[0]} is better by {a} and {names[1]} by {b}; "
        f"{ties} may differ by chance{source}"
    )
    return f"{text}; not comparable: {why}." if "incomparable" in verdicts else f"{text}."
