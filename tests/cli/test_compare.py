"""`thirtytwo compare`: a verdict for each score, where the protocols agree."""

import json
import re
from dataclasses import replace

import pytest

from cli_project import comparable_scores
from thirtytwo.cli.main import main
from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate.scorecard import Measured, Scorecard
from thirtytwo.runtime.files import read_json, write_json


@pytest.mark.parametrize(
    ("value", "changes", "verdicts", "sentence"),
    [
        (20, {}, ["a.json", "b.json"], "a.json is better by 1 and b.json by 1; none may"),
        (10.5, {}, ["tie", "tie"], "is better by none and b.json by none; 2 may differ by chance"),
        (20, {"n": 50}, ["not comparable"] * 2, "cannot be compared; fd_classifier: the number of samples N differs"),
        (20, {"features_sha256": "b"}, ["not comparable"] * 2, "(classifier weights) differs"),
        (20, {"best_of_5_n": 8}, ["a.json", "b.json"], "these two trained models"),  # compared by no score
    ],
)
def test_verdict_of_each_score(value, changes, verdicts, sentence, tmp_path, capsys):
    a, b = comparable_scores(tmp_path / "a.json", 10), comparable_scores(tmp_path / "b.json", value, **changes)
    assert main(["compare", str(a), str(b)]) == 0
    table, text = capsys.readouterr().out.split("\n\n")
    head, *rows = table.splitlines()
    assert head.split() == ["score", "a.json", "b.json", "difference", "better"]
    assert max(map(len, rows)) <= 120
    for row, score, verdict in zip(rows, ("fd_classifier", "accuracy"), verdicts, strict=True):
        assert row.split(maxsplit=1)[0] == score
        assert row.rstrip().endswith(verdict)
        assert row.rindex(verdict) == head.index("better")
    assert sentence in " ".join(text.split())
    assert text.endswith(".\n")
    assert max(map(len, text.splitlines())) <= 120


def test_the_difference_has_the_interval_of_two_independent_means(tmp_path, capsys):
    a, b = comparable_scores(tmp_path / "a.json", 10), comparable_scores(tmp_path / "b.json", 20)
    assert main(["compare", str(a), str(b), "--score", "fd_classifier"]) == 0
    assert "-10.0 [-11.4, -8.6]" in capsys.readouterr().out  # 1.41 = sqrt(1 + 1)
    assert main(["compare", str(a), str(b), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["scores"]["fd_classifier"]["difference"]["low"] == pytest.approx(-10 - 2**0.5)
    assert values["scores"]["fd_classifier"]["b"] == {"value": 20, "low": 19, "high": 21}
    assert [score["verdict"] for score in values["scores"].values()] == ["a", "b"]
    assert values["sentence"].startswith("Of 2 scores")


def test_scores_of_the_longest_names_fit_into_a_terminal(tmp_path, capsys):
    scores = {
        name: Estimate(0.01123, 0.01071, 0.01177) for name in ("fd_classifier_infinity", "accuracy", "kid_classifier")
    }
    for name in ("vae_anneal", "dcgan_cats_smooth"):
        write_json(tmp_path / f"{name}.json", Scorecard(Measured(scores)))
    assert main(["compare", *(str(tmp_path / f"{name}.json") for name in ("vae_anneal", "dcgan_cats_smooth"))]) == 0
    table = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert len(table) == 4
    assert max(map(len, table)) <= 120


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (20, ""),
        (1, "But by the second classifier (fd_second) a.json is worse than b.json."),
        (10.5, "But by the second classifier (fd_second) a.json cannot be told from b.json."),
    ],
)
def test_the_sentence_says_where_the_second_classifier_disagrees(second, words, tmp_path, capsys):
    files = [comparable_scores(tmp_path / f"{name}.json", value) for name, value in (("a", 10), ("b", 20))]
    for file, value in zip(files, (10, second), strict=True):
        card = read_json(file, Scorecard)
        write_json(
            file, replace(card, measured=card.measured | Measured({"fd_second": Estimate(value, value - 1, value + 1)}))
        )
    for options in ("", "--score fd_classifier"):
        assert main(["compare", *map(str, files), *options.split()]) == 0
        text = " ".join(capsys.readouterr().out.split("\n\n")[1].split())
        assert text.endswith(words or "not of their methods).")
    assert main(["compare", *map(str, files[::-1]), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sentence"].endswith(words or "not of their methods).")


def test_files_of_one_name_are_told_apart(tmp_path, capsys):
    (tmp_path / "old").mkdir()
    a, b = comparable_scores(tmp_path / "vae.json", 10), comparable_scores(tmp_path / "old/vae.json", 20)
    assert main(["compare", str(a), str(b), "--score", "fd_classifier"]) == 0
    assert f"Of 1 score, {a} is better by 1" in " ".join(capsys.readouterr().out.split())


def test_a_run_is_compared_with_scored_images(command, card, tmp_path, capsys):
    better = card.measured | Measured({"fd_classifier": Estimate(-1e6, -1e6, -1e6)})
    write_json(tmp_path / "mine.json", replace(card, measured=better))
    assert command(f"compare cddpm {tmp_path / 'mine.json'} --score fd_classifier") == 0
    assert "mine.json by 1; none" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cddmp cddpm", r"cddmp\.json: .*; did you mean 'cddpm'\?"),
        ("cddpm none.json", r"none\.json: "),
        ("cddpm ../params.yaml.json", r"params\.yaml\.json: .*thirtytwo evaluate --out"),
        ("cddpm cddpm --score fd_clasifier", r"--score: 'fd_clasifier' .*; did you mean 'fd_classifier'\?"),
    ],
)
@pytest.mark.usefixtures("card")
def test_an_unknown_run_file_or_score_is_refused(line, message, command, project, capsys):
    (project.root / "params.yaml.json").write_text("[]")
    assert command(f"compare {line}") == 1
    error = capsys.readouterr().err
    assert re.search(message, error)
    assert error.count("\n") == 1
