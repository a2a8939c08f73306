"""The report: one page that needs nothing else, whose numbers are the files' numbers."""

import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import report_results
from thirtytwo import config
from thirtytwo.report import figures, numbers, page, sections
from thirtytwo.report.results import ReportError, load
from thirtytwo.report.verdict import floor_of, judge

ROOT = Path(__file__).parents[1]
VOID = {"meta", "img", "br", "hr", "link", "input", "wbr"}
HOSTILE = "<script>alert(1)"


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
        if "style" not in self.open:
            self.text += data
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data

    def table(self, *columns: str) -> list[dict[str, str]]:
        """Rows of the first table that has `columns`."""
        found = next(table for table in self.tables if set(columns) <= set(table[0]))
        return [dict(zip(found[0], row, strict=True)) for row in found[1:]]


def render(root: Path) -> Page:
    page.write(load(root), root / "report")
    return Page((root / "report/index.html").read_text(encoding="utf-8"))


def edit(path: Path, **values) -> None:
    report_results.write_json(path, json.loads(path.read_text(encoding="utf-8")) | values)


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> tuple[Path, Page]:
    root = report_results.make(tmp_path_factory.mktemp("full"))
    return root, render(root)


@pytest.fixture
def small(tmp_path) -> Path:
    return report_results.make(tmp_path, ("wgan_gp", "ddpm"))


@pytest.fixture
def pair(tmp_path) -> Path:
    return report_results.make(tmp_path, ("dcgan", "dcgan_z100"))


def set_of(root: Path, name: str):
    return next(dataset for dataset in load(root).sets if dataset.name == name)


def test_page_loads_nothing(full):
    tags = {tag for tag, _ in full[1].elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "video", "audio"}
    for tag, attributes in full[1].elements:
        assert attributes.get("src", "data:image/png;base64,").startswith(
            ("data:image/png;base64,", "data:image/webp;base64,")
        ), tag
        assert attributes.get("href", "#").startswith("#"), tag
        assert "srcset" not in attributes
    html = (full[0] / "report/index.html").read_text(encoding="utf-8")
    assert "url(" not in html
    assert "@import" not in html


def test_page_is_accessible(full):
    elements = full[1].elements
    images = [attributes for tag, attributes in elements if tag == "img"]
    assert len(images) > 20
    assert all(image["alt"].strip() for image in images)
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in elements if tag == "th")
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"][1:] for tag, attributes in elements if tag == "a"} <= set(ids)
    assert [tag for tag, _ in elements].count("h1") == 1


@pytest.mark.parametrize("name", list(report_results.RUNS))
def test_comparison_shows_the_metrics(full, name):
    root, shown = full
    metrics = json.loads((root / f"metrics/{name}.json").read_text())
    rows = [
        dict(zip(table[0], row, strict=True))
        for table in shown.tables
        if "FD" in table[0]
        for row in table[1:]
        if row[0].split() == [name] or row[0].startswith(f"{name} ")
    ]
    assert len(rows) == 1
    half_digit = 0.5 * 10.0 ** -len(rows[0]["FD"].partition(".")[2])
    assert float(rows[0]["FD"]) == pytest.approx(metrics["fd_classifier"], abs=half_digit * 1.001)
    low, high = map(float, rows[0]["FD, 95 %"].strip("[]").split(","))
    assert low == pytest.approx(metrics["fd_classifier_low"], abs=half_digit * 1.001)
    assert high == pytest.approx(metrics["fd_classifier_high"], abs=half_digit * 1.001)
    assert rows[0]["N"] == "2,000"
    assert float(rows[0]["entropy, bits"]) == pytest.approx(metrics["class_entropy_bits"], abs=0.005001)
    training = json.loads((root / f"metrics/train/{name}.json").read_text())
    parameters = sum(value for key, value in training.items() if key.startswith("parameters_"))
    assert int(rows[0]["parameters"].replace(",", "")) == parameters
    assert rows[0]["images seen"] == "38,400"
    assert rows[0]["family"] == report_results.RUNS[name][0]


def test_gans_are_told_of_beyond_their_scores(full):
    page = full[1]
    sources = " ".join(attributes["src"][:40] for tag, attributes in page.elements if tag == "img")
    assert sources.count("image/webp") == 3  # an animation for each GAN
    rows = {row["run"]: row for row in page.table("run", "fresh D is right", "own D from fresh D")}
    assert rows.keys() >= {"dcgan"}
    assert rows["dcgan"]["fresh D is right"] == "95.3 %"
    text = page.text
    assert "Against `dcgan`" not in text
    assert "Against dcgan a fresh discriminator is right on 95.3 %, so it is not at the equilibrium." in text
    assert "hue: direction" in text


def test_autoencoders_are_told_of_beyond_their_scores(full):
    page = full[1]
    rows = {row["run"]: row for row in page.table("run", "distortion", "active units")}
    assert rows.keys() == {"vae", "vae_beta08"}
    assert rows["vae"]["active units"] == "9"
    assert rows["vae"]["bits/dim, at most"] == "5.123"
    assert {row["run"]: row["MIG"] for row in page.table("run", "MIG")}["vae"] == "0.123"
    priors = page.table("run", "z from")
    assert [(row["z from"], row["fd_classifier"]) for row in priors[:2]] == [
        ("N(0, I)", "88.0"),
        ("fitted mixture", "31.4"),
    ]
    assert "dimensions 7, 2" in page.text
    assert "by IWAE on 100 images with K = 50 draws" in page.text


def test_a_generator_that_cannot_be_told_from_data_is_at_the_equilibrium(small):
    edit(small / "metrics/wgan_gp.json", fresh_accuracy=0.51, fresh_accuracy_low=0.48, fresh_accuracy_high=0.54)
    assert "is right on 51.0 %, which is no better than a guess" in render(small).text


def test_floor_is_a_row(full):
    rows = [table for table in full[1].tables if "FD" in table[0]]
    assert [float(table[-1][1]) for table in rows] == pytest.approx([0.4127, 0.8213], abs=0.006)
    assert all(table[-1][0].startswith("real images") for table in rows)


def test_samplers_seeds_and_n_are_in_captions(full):
    assert "ddpm: ddim, 50 steps, eta 0, EMA weights; seed 1; N = 2,000 scored." in full[1].text
    assert "vae: one pass, raw weights; seed 1" in full[1].text


def test_answer_names_winner_and_tie(full):
    assert "shapes: ddpm is best." in full[1].text
    assert "digits5k: a tie between dcgan_z100 and dcgan." in full[1].text
    digits, shapes = (table for table in full[1].tables if "FD" in table[0])
    assert [row[0].split() for row in shapes[1:]] == [
        ["ddpm", "best"], ["wgan_gp"], ["vae_beta08"], ["vae"], ["real", "images", "floor"],
    ]  # fmt: skip
    assert [row[0].split() for row in digits[1:3]] == [["dcgan_z100", "tied"], ["dcgan", "tied"]]


def test_hashes_are_those_of_the_files(full):
    root, shown = full
    rows = {(row["of"], row["file"]): row["sha256"] for row in shown.table("of", "sha256")}
    # sha256 of "vae", the content of both files, by sha256sum
    expected = subprocess.run(["sha256sum"], input=b"vae", capture_output=True, check=True).stdout.decode().split()[0]
    assert rows["vae", "model"] == rows["vae", "samples"] == expected
    about = json.loads((root / "data/prepared/shapes.json").read_text())
    assert rows["shapes", "data set"] == about["sha256"]


def test_removed_files_are_listed(full):
    root, shown = full
    about = json.loads((root / "data/prepared/shapes.json").read_text())
    rows = shown.table("file", "reason")
    assert [(row["file"], row["class"], row["reason"]) for row in rows] == [
        (item["file"], item["class"], item["reason"]) for item in about["removed"]
    ]
    assert "12 palette, 7 rgba" in shown.text


def test_markdown_points_at_its_pictures(full):
    text = (full[0] / "report/report.md").read_text(encoding="utf-8")
    targets = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert len(targets) == sum(tag == "img" for tag, _ in full[1].elements)
    assert all((full[0] / "report" / target).is_file() for target in targets)
    assert "**ddpm** (best)" in text
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("|")]
    assert min(widths) >= 2


def test_missing_run_is_stated(small):
    (small / "metrics/wgan_gp.json").unlink()
    (small / "plots/samples/wgan_gp.png").unlink()
    text = render(small).text
    assert "1 of 2 runs have no score yet: wgan_gp." in text
    assert "Run wgan_gp is missing: it has no score." in text
    assert "metrics/wgan_gp.json, plots/samples/wgan_gp.png." in text
    assert "shapes: only ddpm has a score." in text


def test_nothing_but_settings(tmp_path):
    root = report_results.make(tmp_path, ("vae",))
    for folder in ("metrics", "plots", "data"):
        shutil.rmtree(root / folder)
    text = render(root).text
    assert "shapes: no answer yet." in text
    assert "Missing for this data set: data/prepared/shapes.npz, data/prepared/shapes.json" in text


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("n", 1000, "number of samples N differs (1000 for `ddpm`; 2000 for `wgan_gp`)"),
        ("reference_split", "test", "reference split differs"),
        ("resampler", "lanczos", "resampler differs"),
        ("features_sha256", "0" * 64, "features (classifier weights) differs (000000000000 for `ddpm`"),
    ],
)
def test_other_protocols_are_not_compared(small, key, value, words):
    edit(small / "metrics/ddpm.json", **{key: value})
    dataset = set_of(small, "shapes")
    verdict = judge(dataset)
    assert verdict.kind == "incomparable"
    assert not verdict.runs
    told = sections.sentence(dataset, verdict)
    assert "cannot be compared" in told.lead
    assert words in told.text


@pytest.mark.parametrize(
    ("half", "kind", "names"),
    [(0.1, "best", ["dcgan_z100"]), (0.2, "tie", ["dcgan_z100", "dcgan"]), (None, "unknown", ["dcgan_z100"])],
)
def test_verdict_depends_on_the_intervals(pair, half, kind, names):
    for name, score in (("dcgan", 6.0), ("dcgan_z100", 5.7)):
        bounds = {"fd_classifier_low": half and score - half, "fd_classifier_high": half and score + half}
        edit(pair / f"metrics/{name}.json", fd_classifier=score, **bounds)
    verdict = judge(set_of(pair, "digits5k"))
    assert (verdict.kind, [run.name for run in verdict.runs]) == (kind, names)


@pytest.mark.parametrize("key", ["n", "reference_split", "resampler", "features_sha256"])
def test_floor_of_another_protocol_is_refused(pair, key):
    edit(pair / "metrics/floor/digits5k.json", **{key: "other"})
    dataset = set_of(pair, "digits5k")
    floor, reason = floor_of(dataset.runs[0], dataset.floor)
    assert floor is None
    assert "cannot be compared" in reason
    assert "other for the floor" in reason
    assert reason[1:] in sections.sentence(dataset, judge(dataset)).text


def test_scores_at_the_floor_are_said_to_be_so(pair):
    for name in ("dcgan", "dcgan_z100"):
        edit(pair / f"metrics/{name}.json", fd_classifier=0.7, fd_classifier_low=0.5, fd_classifier_high=0.9)
    dataset = set_of(pair, "digits5k")
    assert "cannot be told from real images" in sections.sentence(dataset, judge(dataset)).text


def test_same_bytes_whatever_the_hash_seed(tmp_path):
    for seed in ("1", "2"):
        root = report_results.make(tmp_path / seed, ("ddpm", "dcgan"))
        code = (
            "import sys; from pathlib import Path; from thirtytwo.report.page import write; "
            "from thirtytwo.report.results import load; root = Path(sys.argv[1]); write(load(root), root / 'report')"
        )
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "src")}
        subprocess.run([sys.executable, "-c", code, str(root)], check=True, env=environment)
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / seed / "report").iterdir()} for seed in ("1", "2")
    )
    assert first == second
    assert str(tmp_path).encode() not in first["index.html"] + first["report.md"]


def test_hostile_names_are_text(tmp_path):
    root = report_results.make(tmp_path, ("vae",))
    for folder in ("metrics", "metrics/train", "plots/train", "plots/validation", "plots/classes", "plots/samples",
                   "configs/train", "configs/sample", "configs/evaluate", "data/models", "data/samples"):  # fmt: skip
        for path in (root / folder).glob("vae*"):
            path.rename(path.with_name(HOSTILE + path.suffix))
    settings = json.loads((root / "configs/report/report.yaml").read_text())
    settings["runs"] = {HOSTILE: settings["runs"]["vae"]}
    report_results.write_report_config(root, settings)
    about = json.loads((root / "data/prepared/shapes.json").read_text())
    about["removed"] = [{"file": f"{HOSTILE}|`x`_*.jpg", "class": HOSTILE, "reason": "<b>&amp;"}]
    about["classes"][0], about["per_class"] = f"{HOSTILE}$", {}
    edit(root / "data/prepared/shapes.json", **about)
    shown = render(root)
    assert "script" not in {tag for tag, _ in shown.elements}
    assert shown.table("file", "reason") == [{"file": f"{HOSTILE}|x_*.jpg", "class": HOSTILE, "reason": "<b>&amp;"}]
    assert f"{HOSTILE}: autoencoder with conv_vae on shapes" in shown.text
    text = (root / "report/report.md").read_text(encoding="utf-8")
    assert HOSTILE not in re.sub(r"(?s)```.*?```|`[^`]*`", "", text)  # but as code


def test_broken_result_is_one_line(small):
    (small / "metrics/ddpm.json").write_text("{")
    with pytest.raises(ReportError, match=r"metrics/ddpm\.json: not valid JSON .* run `dvc repro`") as error:
        load(small)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["step;loss\n1;2\n", "", '"'])
def test_broken_curve_is_one_line(small, content):
    (small / "plots/train/ddpm.csv").write_text(content)
    with pytest.raises(ReportError, match=r"plots/train/ddpm\.csv: "):
        load(small)


def test_broken_picture_is_one_line(small):
    (small / "plots/samples/ddpm.png").write_bytes(b"\x89PNG")
    with pytest.raises(ReportError, match=r"plots/samples/ddpm\.png: not a valid PNG"):
        load(small)


def test_missing_configuration_says_what_to_run(tmp_path):
    with pytest.raises(config.ParamsError, match="dvc repro resolve"):
        load(tmp_path)


def test_failing_report_leaves_the_old_one(small, monkeypatch):
    (small / "report").mkdir()
    (small / "report/index.html").write_text("old")

    def fail(results, folder):
        (folder / "half.png").write_bytes(b"")
        raise ReportError("stop")

    monkeypatch.setattr(page, "build", fail)
    with pytest.raises(ReportError):
        page.write(load(small), small / "report")
    assert (small / "report/index.html").read_text() == "old"
    assert not [path for path in small.iterdir() if path.name.startswith(".")]


def test_real_images_take_turns_through_the_classes():
    labels = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    assert figures.spread_over_classes(labels, 6).tolist() == [0, 3, 5, 1, 4, 6]
    assert figures.spread_over_classes(labels, 99).tolist() == [0, 3, 5, 1, 4, 6, 2, 7]


def test_digits_follow_the_interval():
    assert numbers.decimals_for([41.37], [2.1]) == 1
    assert numbers.decimals_for([12.64], [0.93]) == 2
    assert numbers.decimals_for([1234.0], [56.0]) == 0
    assert numbers.decimals_for([0.0213]) == 4
    assert numbers.decimals_for([]) == 0
    assert numbers.column([1234.5, None], 1) == ["1,234.5", "\N{EN DASH}"]
    assert numbers.plain(0.123456) == "0.1235"
    assert numbers.plain(38400) == "38,400"
