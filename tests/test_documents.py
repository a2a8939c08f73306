"""docs/documents.md: what it names exists, and its summary counts its rows."""

import ast
import itertools
import re
from collections import Counter
from functools import cache
from typing import NamedTuple

import pytest

from test_docs import ROOT, SCALES, check_override, check_target, load, parser, words

DOCUMENT = ROOT / "docs/documents.md"
VERDICTS = ("met with other numbers", "met", "partly", "missing", "out of scope")
EXPLAINED = re.compile(r"met|(met with other numbers|partly|missing): \S.*|out of scope, because \S.*")
NAMES = r"`\w+`(?:(?:,| and|, and) `\w+`)*"


class Entry(NamedTuple):
    """A row of a table: a requirement, what is here, and the verdict."""

    asked: str
    here: str
    verdict: str


@cache
def tables() -> dict[str, list[Entry]]:
    """The requirements of each document."""
    found = {}
    for part in DOCUMENT.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        lines = [line for line in text.splitlines() if line.startswith("|")][2:]
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        assert all(len(row) == 4 for row in cells), title
        found[title] = [Entry(f"{place}: {asked}", here, verdict) for place, asked, here, verdict in cells]
    return found


def named() -> list[str]:
    """What rows name: the third and the fourth cell of each."""
    return [f"{row.here} | {row.verdict}" for rows in tables().values() for row in rows]


def counted(rows: list[Entry]) -> list[str]:
    """The cells of the summary after the first."""
    kinds = Counter(next((kind for kind in VERDICTS if row.verdict.startswith(kind)), "") for row in rows)
    shown = ("met", "met with other numbers", "partly", "missing", "out of scope")
    return [str(kinds[kind]) for kind in shown] + [str(len(rows))]


def test_the_summary_counts_the_rows():
    head = DOCUMENT.read_text(encoding="utf-8").partition("\n## ")[0]
    lines = [line.strip("|").split("|") for line in head.splitlines() if line.startswith("|")]
    shown = {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines[2:]}
    expected = {title: counted(rows) for title, rows in tables().items()}
    assert shown == expected | {"all": counted([row for rows in tables().values() for row in rows])}


def test_every_verdict_gives_its_reason():
    rows = [row for rows in tables().values() for row in rows]
    assert [row for row in rows if not EXPLAINED.fullmatch(row.verdict)] == []
    assert [row.asked for row in rows if row.verdict.startswith("met") and not row.here] == []
    assert len({(title, row.asked) for title, rows in tables().items() for row in rows}) == len(rows)


@cache
def scales() -> dict[str, dict]:
    return {path.stem: load(path) for path in SCALES}


def test_every_named_run_exists_in_the_scale_it_names():
    groups = [group for text in named() for group in re.findall(rf"({NAMES}) \(([\w, ]+)\)", text)]
    runs = [
        (run, scale) for names, where in groups for run in re.findall(r"`(\w+)`", names) for scale in where.split(", ")
    ]
    assert len(runs) > 50
    assert [(run, scale) for run, scale in runs if run not in scales().get(scale, {"runs": {}})["runs"]] == []


@cache
def titles() -> frozenset[str]:
    """Titles of sections and questions in the code of the report: first arguments, and heads of triples of parts."""
    found: set[str] = set()
    for path in (ROOT / "src/thirtytwo/report").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            first = None
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("Section", "Question")
            ):
                first = node.args[0]
            elif isinstance(node, ast.Tuple) and len(node.elts) == 3 and isinstance(node.elts[2], ast.Call):
                first = node.elts[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add(first.value)
    return frozenset(found)


def test_every_named_section_and_question_is_in_the_report():
    shown = {title for text in named() for title in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", text)}
    assert len(shown) > 20
    assert shown - titles() == set()


def test_links_lead_to_files_that_hold_what_they_name():
    for text in named():
        for label, target in re.findall(r"\[([^\]]+)\]\(([^)]+)\)", text):
            file, _, anchor = target.partition("#")
            content = (DOCUMENT.parent / file).read_bytes()
            if label.startswith("`"):
                assert re.search(rb"\b%s\b" % label.strip("`").encode(), content), (label, target)
            headings = re.findall(r"^#+ (.*)$", content.decode("utf-8", "replace"), flags=re.M)
            anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert not anchor or anchor in anchors, target


def check_command(text: str) -> None:
    """The command's options and targets exist, and so do its runs."""
    for command in words(text):
        if command[0] == "thirtytwo":
            args = parser().parse_args(command[1:])
            runs = [args.run] if hasattr(args, "run") else []
            assert all(run in scales()["paper"]["runs"] for run in runs), text
        elif command[0] == "dvc":
            for before, word in itertools.pairwise(command):
                if before == "-S":
                    check_override(word)
                elif "@" in word:
                    check_target(word)
        else:
            assert command[0] == "make", text
            assert re.search(rf"^{command[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.M), text


@cache
def settings() -> frozenset[str]:
    """Keys of the scales at every depth, without the names of runs and data."""

    def keys(values: object) -> set[str]:
        if not isinstance(values, dict):
            return set()
        return {str(key) for key in values} | {key for value in values.values() for key in keys(value)}

    free = ("sources", "datasets", "classifiers", "runs", "sweeps")
    return frozenset(
        key for scale in scales().values() for name, block in scale.items()
        for entry in (block.values() if name in free else [block]) for key in keys(entry)
    )  # fmt: skip


@cache
def scores() -> frozenset[str]:
    """Strings in the code that computes scores."""
    files = [*(ROOT / "src/thirtytwo/evaluate").glob("*.py")]
    return frozenset(re.findall(r'"(\w+)"', "".join(path.read_text(encoding="utf-8") for path in files)))


def check_code(text: str, span: str, before: str) -> None:
    """What a row marks as code is something that exists."""
    paper, group = scales()["paper"], {"source": "sources", "data set": "datasets", "sweep of": "sweeps"}
    kind = next((kind for kind in (*group, "block") if before.endswith(f"{kind} ")), "")
    if kind:
        assert span in (paper if kind == "block" else paper[group[kind]]), f"{kind} {span}: {text}"
    elif re.match(r"(dvc|thirtytwo|make) ", span):
        check_command(span)
    elif "/" in span and ": " not in span:
        made = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
        assert (ROOT / span).exists() or re.search(rf"- {re.escape(span)}\s", made), span
    elif ": " in span:
        key, _, value = span.partition(": ")
        assert key in settings(), span
        assert re.search(rf"(?<![\w.]){re.escape(value)}(?![\w.]*\w)", (ROOT / "scales/paper.yaml").read_text()), span
    else:
        assert span in settings() | scores(), f"`{span}` is neither setting nor score; a run needs its scale: {text}"


@pytest.mark.parametrize("title", tables())
def test_everything_marked_as_code_exists(title: str):
    for row in tables()[title]:
        text = re.sub(r"\[[^\]]+\]\([^)]+\)", "", f"{row.here} | {row.verdict}")
        text = re.sub(rf"(?<!sweep of ){NAMES} \((quick|paper|, )+\)", "", text)
        for match in re.finditer(r"`([^`]+)`", text):
            check_code(text, match[1], text[: match.start()])
