"""`thirtytwo compare`: which of two runs, or of two sets of scored images, is better by each score."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from thirtytwo.cli import project
from thirtytwo.evaluate import comparison
from thirtytwo.report.wording import plain
from thirtytwo.runtime.errors import CommandError
from thirtytwo.settings.strict import nearest

__all__ = ["run"]


def run(args: argparse.Namespace) -> int:
    """Prints a verdict a score.

    Raises:
        CommandError: there are no such metrics, or no such score.
    """
    a, b = _metrics(args.a), _metrics(args.b)
    known = (*comparison.LOWER, *comparison.HIGHER)
    for score in args.score or ():
        if score not in known:
            raise CommandError(f"--score: there is no comparison by '{score}'; {nearest(score, known)}")
    shared = [score for score in known if a.get(score) is not None and b.get(score) is not None]
    if not (scores := args.score or shared):
        raise CommandError(f"{args.a}, {args.b}: no score that both have; expected one of {', '.join(known)}")
    for score in scores:
        found = comparison.compare(a, b, score)
        verdict = {
            "a": f"{args.a} beats {args.b}",
            "b": f"{args.b} beats {args.a}",
            "tie": "tie",
            "incomparable": f"cannot be compared: {found.reason}",
        }[found.verdict]
        print(f"{score}: {verdict}")
        if found.verdict != "incomparable":
            print(f"  {args.a} {_value(a, score)}, {args.b} {_value(b, score)}. {found.reason}")
    return 0


def _metrics(name: str) -> Mapping[str, object]:
    """The scores in a file, or in metrics/<name>.json of the project."""
    path = Path(name)
    if path.suffix != ".json":
        folder = project.root() / "metrics"
        path, runs = folder / f"{name}.json", sorted(p.stem for p in folder.glob("*.json"))
        if not path.is_file():
            hint = nearest(name, runs) if runs else "run `dvc repro evaluate` first"
            raise CommandError(f"{path}: no such file; {hint}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CommandError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: cannot be read ({' '.join(str(error).split())}); expected JSON") from None
    if not isinstance(found, dict):
        raise CommandError(f"{path}: expected a mapping of scores, as `thirtytwo evaluate --out` writes it")
    return found


def _value(metrics: Mapping[str, object], score: str) -> str:
    ends = f"{plain(metrics.get(f'{score}_low'))}, {plain(metrics.get(f'{score}_high'))}"
    return f"{plain(metrics[score])} [{ends}]"
