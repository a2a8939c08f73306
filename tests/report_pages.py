"""Rendered reports that several test modules share. Plots are placeholders, because real ones would take minutes."""

import functools
import json
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import report_results
from prepared_sets import write_prepared
from thirtytwo.report import page, plots
from thirtytwo.report.pictures import plot_file
from thirtytwo.report.reading import load
from thirtytwo.runtime.files import write_json
from thirtytwo.runtime.project import Project
from thirtytwo.settings import configs

TABLES = (
    "plots/train/ddpm.csv", "plots/validation/ddpm.csv", "plots/scores/wgan_gp.csv", "plots/classes/ddpm.csv",
    "plots/neighbours/ddpm.csv", "plots/seeds/ddpm.csv", "plots/floor/shapes.csv", "plots/sweep/ddpm.csv",
)  # fmt: skip
VOID = {"meta", "img", "br", "hr", "link", "input", "wbr"}


class Page(HTMLParser):
    """Checks that tags are balanced and collects elements, text and tables."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & {*self.open}:
            self.text += data
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data.strip("\n")

    def table(self, *columns: str) -> list[dict[str, str]]:
        """Rows of the first table that has `columns`."""
        return rows(next(table for table in self.tables if set(columns) <= set(table[0])))


def rows(table: list[list[str]]) -> list[dict[str, str]]:
    return [dict(zip(table[0], row, strict=True)) for row in table[1:]]


def estimate(cell: str) -> tuple[float, list[float]]:
    """A cell's value and the ends of its interval."""
    value, _, ends = cell.partition("[")
    return float(value.replace(",", "")), [float(end) for end in ends.strip("]").split(",")] if ends else []


def render(root: Path) -> Page:
    page.write(load(Project(root)), root / "report")
    return Page((root / "report/index.html").read_text(encoding="utf-8"))


def edit(path: Path, **values) -> None:
    """Replace values in a JSON file, which is sealed if it was."""
    before = json.loads(path.read_text(encoding="utf-8"))
    sealed = before.pop("checksum", None) is not None
    write_json(path, before | values, sort_keys=True, sealed=sealed)


def set_of(root: Path, name: str):
    return next(dataset for dataset in load(Project(root)).sets if dataset.name == name)


def placeholder(figure, path: Path) -> None:
    plot_file(path, np.full((20, 30, 4), 255, np.uint8))


@pytest.fixture(scope="session")
def real_plots():
    """The function that writes plots."""
    return plots._save


@pytest.fixture(autouse=True, scope="session")
def quick_plots(real_plots):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "_save", placeholder)
        yield


@pytest.fixture(scope="session")
def full(tmp_path_factory, quick_plots) -> tuple[Path, Page]:
    """Results as they are now."""
    root = report_results.make(tmp_path_factory.mktemp("full"))
    report_results.add_newer(root)
    return root, render(root)


@pytest.fixture(scope="session")
def older(tmp_path_factory, quick_plots) -> tuple[Path, Page]:
    """Results with fewer scores."""
    root = report_results.make(tmp_path_factory.mktemp("older"), ("ddpm", "dcgan"))
    return root, render(root)


@pytest.fixture
def small(tmp_path) -> Path:
    return report_results.make(tmp_path, ("wgan_gp", "ddpm"))


@pytest.fixture
def pair(tmp_path) -> Path:
    return report_results.make(tmp_path, ("dcgan", "dcgan_z100"))


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Iterator[Path]:
    """Results for tests that change a file, read them and restore it; data sets are small, since each test reads them."""
    runs = ("wgan_gp", "ddpm")
    root = report_results.make(tmp_path_factory.mktemp("results"), runs)
    report_results.add_newer(root, runs)
    for name, classes, channels in (("shapes", 5, 3), ("digits5k", 10, 1)):
        images, labels = np.zeros((100, 32, 32, channels), np.uint8), np.arange(100) % classes
        write_prepared(Project(root), name, images, labels, labels % 2, [str(k) for k in range(classes)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(configs, "load_yaml", functools.cache(configs.load_yaml))  # the same settings for each test
        load(Project(root))
        yield root
