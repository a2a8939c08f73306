"""`thirtytwo compare`: which of two runs, or of two sets of images, is better by each score."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from tabulate import tabulate

from thirtytwo.core.intervals import read
from thirtytwo.evaluate import comparison
from thirtytwo.report.wording import plain
from thirtytwo.runtime.errors import CommandError
from thirtytwo.runtime.project import Project
from thirtytwo.settings.strict import nearest

__all__ = ["run"]


def run(args: argparse.Namespace) -> int:
    """Print a table with a verdict for each score, and the reason for each.

    Raises:
        CommandError: the metrics do not exist or cannot be read, or the score is unknown.
    """
    a, b = _metrics(args.a), _metrics(args.b)
    known = (*comparison.LOWER, *comparison.HIGHER)
    for score in args.score or ():
        if score not in known:
            raise CommandError(f"--score: '{score}' cannot be compared; {nearest(score, known)}")
    shared = [score for score in known if a.get(score) is not None and b.get(score) is not None]
    if not (scores := args.score or shared):
        raise CommandError(f"{args.a}, {args.b}: they share no score; expected one of {', '.join(known)}")
    names = {"a": f"{args.a} is better", "b": f"{args.b} is better", "tie": "tie", "incomparable": "not comparable"}
    outcomes = {score: comparison.compare(a, b, score) for score in scores}
    rows = [(score, names[outcome.verdict], _value(a, score), _value(b, score)) for score, outcome in outcomes.items()]
    print(tabulate(rows, ("score", "verdict", args.a, args.b), tablefmt="plain", disable_numparse=True))
    print()
    for score, outcome in outcomes.items():
        print(f"{score}: {outcome.reason}")
    return 0


def _metrics(name: str) -> Mapping[str, object]:
    """The scores in a file, or in metrics/<name>.json of the project."""
    path = Path(name)
    if path.suffix != ".json":
        path = Project.containing(Path.cwd()).metrics(name)
        runs = sorted(p.stem for p in path.parent.glob("*.json"))
        if not path.is_file():
            hint = nearest(name, runs) if runs else "run `dvc repro evaluate` first"
            raise CommandError(f"{path}: no such file; {hint}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CommandError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: cannot be read ({' '.join(str(error).split())}); expected JSON") from None
    if not isinstance(values, dict):
        raise CommandError(f"{path}: expected a mapping of scores, as `thirtytwo evaluate --out` writes it")
    return values


def _value(metrics: Mapping[str, object], score: str) -> str:
    estimate = read(metrics, score)
    return f"{plain(estimate.value)} [{plain(estimate.low)}, {plain(estimate.high)}]"
