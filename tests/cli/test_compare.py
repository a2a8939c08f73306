"""`thirtytwo compare`: a verdict for each score, where the protocols agree."""

import json
import re

import pytest

from cli_project import comparable_scores
from thirtytwo.cli.main import main


@pytest.mark.parametrize(
    ("value", "changes", "verdicts"),
    [
        (20, {}, ["{a} is better", "{b} is better"]),
        (10.5, {}, ["tie", "tie"]),
        (20, {"n": 50}, ["not comparable", "not comparable"]),
        (20, {"features_sha256": "b"}, ["not comparable", "not comparable"]),
    ],
)
def test_verdict_of_each_score(value, changes, verdicts, tmp_path, capsys):
    a, b = comparable_scores(tmp_path / "a.json", 10), comparable_scores(tmp_path / "b.json", value, **changes)
    assert main(["compare", str(a), str(b)]) == 0
    head, *rows = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert head.split() == ["score", "verdict", str(a), str(b)]
    for row, score, verdict in zip(rows, ("fd_classifier", "accuracy"), verdicts, strict=True):
        assert row.split(maxsplit=1)[0] == score
        assert verdict.format(a=a, b=b) in row


def test_a_run_is_compared_with_scored_images(command, metrics, tmp_path, capsys):
    better = metrics | {f"fd_classifier{end}": -1e6 for end in ("", "_low", "_high")}
    (tmp_path / "mine.json").write_text(json.dumps(better), encoding="utf-8")
    assert command(f"compare cddpm {tmp_path / 'mine.json'} --score fd_classifier") == 0
    assert f"{tmp_path / 'mine.json'} is better" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cddmp cddpm", r"cddmp\.json: .*; did you mean 'cddpm'\?"),
        ("cddpm none.json", r"none\.json: "),
        ("cddpm cddpm --score fd_clasifier", r"--score: 'fd_clasifier' .*; did you mean 'fd_classifier'\?"),
    ],
)
@pytest.mark.usefixtures("metrics")
def test_an_unknown_run_file_or_score_is_refused(line, message, command, capsys):
    assert command(f"compare {line}") == 1
    assert re.search(message, capsys.readouterr().err)
