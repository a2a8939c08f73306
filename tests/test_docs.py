"""The documents: their commands run, their code works, their links lead somewhere."""

import itertools
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from ruamel.yaml import YAML

from repository_copy import RepositoryCopy
from thirtytwo.cli.main import _parser as parser
from thirtytwo.runtime.project import Project
from thirtytwo.settings.resolve import resolve

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(p.relative_to(ROOT).as_posix() for p in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
SCALES = sorted((ROOT / "scales").glob("*.yaml"))


class Block(NamedTuple):
    """A fenced code block of a document, and the paragraph above it."""

    language: str
    text: str
    above: str


def blocks(name: str, section: str | None = None) -> list[Block]:
    """The code blocks of a document, or of one of its sections."""
    text = (ROOT / name).read_text(encoding="utf-8")
    if section:
        text = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
        assert text, f"{name} has no section '{section}'"
    parts = re.split(r"^```(\w*)\n(.*?)^```\n", text, flags=re.M | re.S)
    return [Block(parts[n + 1], parts[n + 2], parts[n].strip().split("\n\n")[-1]) for n in range(0, len(parts) - 1, 3)]


def lines(name: str) -> list[str]:
    """The command lines in a document's code blocks, continued lines joined, without comments."""
    shell = [block.text.replace("\\\n", " ") for block in blocks(name) if block.language == ""]
    return [line for text in shell for line in text.splitlines() if line.strip() and not line.startswith("#")]


def words(line: str) -> Iterator[list[str]]:
    """The words of each command in a line."""
    for part in re.split(r" (?:&&|\|) ", line):
        try:
            yield shlex.split(part, comments=True)
        except ValueError:  # a quotation that goes on in the next line
            yield part.split()


def load(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def merged(values: Any, fragment: Any) -> Any:
    """`values` with the entries of `fragment` added, at every depth."""
    if not isinstance(values, dict) or not isinstance(fragment, dict):
        return fragment
    return values | {key: merged(values.get(key, {}), value) for key, value in fragment.items()}


def extend(path: Path, fragment: str) -> None:
    """Add a document's YAML to a parameter file."""
    write(path, merged(load(path), YAML(typ="safe").load(fragment)))


def write(path: Path, values: Any) -> None:
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(values, file)


def fragments(name: str) -> list[str]:
    return [block.text for block in blocks(name) if block.language == "yaml"]


class Copy(RepositoryCopy):
    """A copy in which commands run as a reader would type them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        # As if `make setup` had installed the environment that runs this test.
        (folder / ".venv/bin").mkdir(parents=True)
        (folder / ".venv/bin/activate").touch()
        (folder / ".venv/installed").touch()

    def shell(self, script: str) -> str:
        """Run the lines of a code block and return what they print."""
        return self.run("bash", "-c", f"set -euo pipefail\n{script}").stdout


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path / "copy")


def tiny(params: Any, *runs: str) -> Any:
    """The parameters with these runs alone, in budgets of two steps, on few images."""
    params["compute"] |= {"device": "cpu", "threads": 1}
    params["runs"] = {name: params["runs"][name] | {"set": {}} for name in runs}
    sets = {run["dataset"] for run in params["runs"].values()}
    for group in ("sources", "datasets", "classifiers"):  # their entries have the same names in the quick scale
        params[group] = {name: params[group][name] for name in sets}
    if "shapes" in sets:
        params["sources"]["shapes"]["images"] = params["datasets"]["shapes"]["expected_images"] = 160
    for classifier in params["classifiers"].values():
        for network in (classifier, classifier["second"]):
            network |= {"epochs": 1, "width": 8, "batch_size": 16}
    params["sweeps"] = {}
    params["sampling"] |= {"images": 120, "grid_side": 3, "snapshot_images": 12, "c2st_steps": 2}
    params["evaluation"] |= {"samples": 100, "bootstrap_resamples": 20}
    for block in params.values():
        if isinstance(block, dict) and "family" in block:
            block |= {"steps": 2, "epochs": 0, "batch_size": 16, "width": 8, "validate_every": 1, "checkpoint_every": 1}
            small = {"components": 1, "bound_images": 4, "bound_samples": 2}
            block["sample"] |= {key: value for key, value in small.items() if key in block["sample"]}
    return params


# The how-to

FAMILY = blocks("docs/howto.md", "Add a family")
HOUSE = "pytest tests/test_house.py"


def add_to_families(path: Path, code: str) -> None:
    """Put the import and the entry of a code block in their places in settings/families.py."""
    text = path.read_text(encoding="utf-8")
    new = [line for line in code.splitlines() if line.strip() not in ("", "...", "FAMILIES = {", "}")]
    for line in new:
        if line.startswith("from "):
            before = max(old for old in text.splitlines() if old.startswith("from thirtytwo.") and old < line)
            text = text.replace(f"{before}\n", f"{before}\n{line}\n")
        else:
            head, opening, rest = text.partition("FAMILIES = {\n")
            text = head + opening + rest.replace("}\n", f"{line}\n}}\n", 1)
    path.write_text(text, encoding="utf-8")


def add_family(copy: Copy) -> list[str]:
    """Follow the how-to up to its commands, and return these."""
    commands = []
    for block in FAMILY:
        if block.language == "yaml":
            extend(copy.folder / "scales/quick.yaml", block.text)
            extend(copy.folder / "scales/paper.yaml", block.text.replace("digits5k", "mnist"))
        elif block.language == "python":
            path = copy.folder / re.findall(r"`([\w/]+\.py)`", block.above)[0]
            if path.exists():
                add_to_families(path, block.text)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
        elif block.text.startswith("mkdir"):
            copy.shell(block.text)
        else:
            commands += block.text.splitlines()
    return commands


@pytest.mark.slow
def test_the_family_of_the_howto_trains_samples_and_passes_its_tests(copy: Copy) -> None:
    commands = add_family(copy)
    assert HOUSE in commands
    for line in commands:
        if line == "dvc repro sample@gmmn":
            write(copy.folder / "params.yaml", tiny(load(copy.folder / "params.yaml"), "gmmn"))
            copy.commit()
        if line != HOUSE:  # which takes longer than all the others together
            copy.shell(line)
    copy.shell("ruff check -q .; ruff format -q --check .")
    assert json.loads((copy.folder / "scores/train/gmmn.json").read_text(encoding="utf-8"))["steps"] == 2
    with np.load(copy.folder / "data/samples/gmmn/0.npz") as file:
        assert file["images"].shape == (120, 32, 32, 1)
    assert (copy.folder / "grid.png").is_file()


@pytest.mark.slow
def test_the_family_of_the_howto_keeps_the_rules_of_the_house(copy: Copy) -> None:
    add_family(copy)
    assert " passed" in copy.shell(f"make scale SCALE=quick FORCE=1\n{HOUSE}")


@pytest.mark.parametrize(
    "fragment",
    [
        text
        for name in ("docs/howto.md", "docs/tutorial.md")
        for text in fragments(name)
        if text not in {block.text for block in FAMILY}
    ],
)
def test_settings_in_the_docs_are_valid(fragment: str, tmp_path: Path) -> None:
    params = merged(load(ROOT / "scales/quick.yaml"), YAML(typ="safe").load(fragment))
    write(tmp_path / "params.yaml", params)
    resolved = {f"{path.parent.name}/{path.stem}" for path in resolve(tmp_path / "params.yaml", Project(tmp_path))}
    assert {f"train/{run}" for run in params["runs"]} <= resolved


# The tutorial


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_tutorial_runs_as_it_is_written(copy: Copy) -> None:
    write(copy.folder / "params.yaml", tiny(load(copy.folder / "params.yaml"), "vae", "cvae"))
    copy.commit()
    printed = []
    for block in blocks("docs/tutorial.md"):
        if block.language == "yaml":
            extend(copy.folder / "params.yaml", block.text)
        else:
            printed.append(copy.shell(block.text))
    made = ("report/index.html", "vae.png", "threes.png", "drawn/3/00003.png", "drawn.json", "mine.png")
    assert [name for name in made if not (copy.folder / name).is_file()] == []
    assert any("metrics/vae.json" in text for text in printed)  # `dvc metrics diff` names what has changed
    shown = copy.shell("dvc exp show --csv")
    assert {"0.25", "1.0", "2.0", "4.0"} <= set(re.split(r"[,\n]", shown))
    assert json.loads((copy.folder / "scores/vae_mine.json").read_text(encoding="utf-8"))


# All documents


def known_keys() -> Any:
    """Everything that can stand in params.yaml: the keys of the scales and of what the documents add."""
    values: Any = {}
    added = [text for name in ("docs/howto.md", "docs/tutorial.md") for text in fragments(name)]
    for part in [*map(load, SCALES), *map(YAML(typ="safe").load, added)]:
        values = merged(values, part)
    return values


def check_override(text: str) -> None:
    """-S key=value: the key exists."""
    values = known_keys()
    for key in text.partition("=")[0].split("."):
        assert key in values, text
        values = values[key]


def check_target(text: str) -> None:
    """stage@name: the stage exists and runs over entries of which one has that name."""
    stage, _, name = text.partition("@")
    loop = load(ROOT / "dvc.yaml")["stages"][stage]["foreach"]
    assert name in known_keys()[loop.strip("${}")], text


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_exist(name: str) -> None:
    for line in lines(name):
        for command in words(line):
            if command[:1] == ["thirtytwo"] and command[1:] != ["COMMAND", "--help"]:
                parser().parse_args(command[1:])
            if "dvc" in command:
                for before, word in itertools.pairwise(command):
                    if before in ("-S", "--set-param"):
                        check_override(word)
                    elif re.fullmatch(r"\w+@\w+", word):
                        check_target(word)
            if command[:1] == ["make"] and len(command) > 1:
                makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
                assert re.search(rf"^{command[1]}:", makefile, flags=re.M), line


@pytest.mark.parametrize("name", DOCUMENTS)
def test_named_files_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:src|stages|tests|docs|scales|scripts|benchmarks)/[\w./]+)`", text))
    assert [path for path in sorted(named) if not (ROOT / path).exists() and "/gmmn" not in path] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_to_files_and_headings(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", text, flags=re.M)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif "://" not in target:
            assert (ROOT / name).parent.joinpath(target.partition("#")[0]).exists(), target
