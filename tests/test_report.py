"""The report: one page that needs nothing else, whose numbers are the files' numbers."""

import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import report_results
from thirtytwo.report import against_targets, answer, answers, figures, numbers, page, pictures, sweep
from thirtytwo.report.results import load
from thirtytwo.report.targets import TARGETS
from thirtytwo.report.verdict import floor_of, judge
from thirtytwo.runtime.errors import ParamsError, ReportError
from thirtytwo.settings import configs

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

    def scored(self, table: list[list[str]], row: list[str], column: str) -> tuple[float, list[float]]:
        """A cell's value and the ends of its interval."""
        value, _, ends = row[table[0].index(column)].partition("[")
        return float(value.replace(",", "")), [float(end) for end in ends.strip("]").split(",")] if ends else []

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
    """Results as they are now."""
    root = report_results.make(tmp_path_factory.mktemp("full"))
    report_results.add_newer(root)
    return root, render(root)


@pytest.fixture(scope="module")
def older(tmp_path_factory) -> tuple[Path, Page]:
    """Results of an evaluation that knew fewer scores."""
    root = report_results.make(tmp_path_factory.mktemp("older"), ("ddpm", "dcgan"))
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
        assert attributes.get("src", "data:image/webp;base64,").startswith("data:image/webp;base64,"), tag
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
    headings = [int(tag[1]) for tag, _ in elements if re.fullmatch("h[1-6]", tag)]
    assert headings.count(1) == 1
    assert all(deeper <= above + 1 for above, deeper in pairwise(headings))


@pytest.mark.parametrize(("scheme", "inks"), [(0, ("ink", "soft", "accent")), (1, ("ink", "soft", "accent"))])
def test_text_stands_out_from_its_ground(scheme, inks):
    css = (ROOT / "src/thirtytwo/report/templates/style.css").read_text(encoding="utf-8")
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", re.findall(r":root \{(.*?)\}", css, re.DOTALL)[scheme]))

    def luminance(colour: str) -> float:  # WCAG 2.2, relative luminance
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(a: str, b: str) -> float:
        low, high = sorted((luminance(found[a]), luminance(found[b])))
        return (high + 0.05) / (low + 0.05)

    assert all(contrast(ink, ground) >= 4.5 for ink in inks for ground in ("paper", "panel"))
    assert contrast("best-ink", "best") >= 4.5
    assert contrast("soft", "best") >= 4.5


def comparison_row(shown: Page, name: str, column: str) -> tuple[list[list[str]], list[str]]:
    """The table of comparison that has `column`, and its row of the run `name`."""
    found = [
        (table, row)
        for table in shown.tables
        if column in table[0] and table[0][0] == "run"
        for row in table[1:]
        if row[0].split()[0] == name
    ]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("name", list(report_results.RUNS))
def test_comparison_shows_the_metrics(full, name):
    root, shown = full
    metrics = json.loads((root / f"metrics/{name}.json").read_text())
    for column, key, scale in (
        ("FD", "fd_classifier", 1), ("KID × 1000", "kid_classifier", 1000), ("coverage", "coverage", 1),
        ("nearer to training, %", "train_nearer", 100), ("FD at N = ∞", "fd_classifier_infinity", 1),
    ):  # fmt: skip
        table, row = comparison_row(shown, name, column)
        value, ends = shown.scored(table, row, column)
        half_digit = 0.501 * 10.0 ** -len(row[table[0].index(column)].partition("[")[0].partition(".")[2])
        assert value == pytest.approx(scale * metrics[key], abs=half_digit)
        assert ends == pytest.approx([scale * metrics[f"{key}_{end}"] for end in ("low", "high")], abs=half_digit)
    table, row = comparison_row(shown, name, "N")
    assert row[table[0].index("N")] == "2,000"
    seeds = dict(zip(table[0], row, strict=True)).get("training seeds")  # of sets where some run has several
    assert seeds == {"vae": "3", "dcgan": None, "dcgan_z100": None}.get(name, "1")
    models = {row["run"]: row for table in shown.tables if "parameters" in table[0] for row in as_rows(table)}
    training = json.loads((root / f"metrics/train/{name}.json").read_text())
    parameters = sum(value for key, value in training.items() if key.startswith("parameters_"))
    assert int(models[name]["parameters"].replace(",", "")) == parameters
    assert models[name]["images seen"] == "38,400"
    assert models[name]["evaluations"] == {"ddpm": "50", "vae_beta08": str(metrics["classes"])}.get(name, "1")
    assert models[name]["family"] == report_results.RUNS[name][0]


def as_rows(table: list[list[str]]) -> list[dict[str, str]]:
    return [dict(zip(table[0], row, strict=True)) for row in table[1:]]


def test_older_results_leave_out_what_they_lack(older, full):
    shown = older[1]
    titles = {title for table in shown.tables for title in table[0]}
    assert not titles & {"KID × 1000", "coverage", "diagnosis", "training seeds", "a 1,000 images"}
    assert {"KID × 1000", "coverage", "diagnosis", "training seeds", "a 1,000 images"} <= {
        title for table in full[1].tables for title in table[0]
    }
    for words in (
        "Several training seeds",
        "Samplers, steps and noise",
        "Nearest training images",
        "Classes asked for",
    ):
        assert words not in shown.text
        assert words in full[1].text


def test_who_beats_whom_is_antisymmetric(full):
    table = next(table for table in full[1].tables if table[0][:2] == ["run", "ddpm"])
    cells = {(row[0], name): cell for row in table[1:] for name, cell in zip(table[0][1:], row[1:], strict=True)}
    opposite = {"better": "worse", "worse": "better", "tie": "tie", "": ""}
    assert all(cells[b, a] == opposite[cell] for (a, b), cell in cells.items())
    assert cells["ddpm", "vae"] == "better"


def test_glance_has_a_row_for_each_data_set(full):
    rows = {row["data set"]: row for row in full[1].table("data set", "lowest score")}
    assert rows["shapes"]["lowest score"] == "ddpm"
    assert rows["shapes"]["verdict"] == "clear of all others"
    assert rows["shapes"]["next"] == f"wgan_gp{41.37 / 12.64:.2f} times as far"
    assert rows["shapes"]["above the floor"] == f"{12.64 / 0.8213:.3g} times"
    assert rows["digits5k"]["verdict"] == "a tie of 2"


def test_gans_are_told_of_beyond_their_scores(full):
    page = full[1]
    rows = {row["run"]: row for row in page.table("run", "fresh D is right, %", "own D from fresh D")}
    assert rows.keys() == {"dcgan", "dcgan_z100"}
    assert rows["dcgan"]["fresh D is right, %"] == "95.30[94.40, 96.10]"
    text = page.text
    assert "Against `dcgan`" not in text
    assert "Against dcgan a fresh discriminator is right on 95.3 %, so it is not at the equilibrium." in text
    assert {row["run"]: row["hue, %"] for row in page.table("run", "hue, %")}["dcgan"] == "42axis 7"


def test_autoencoders_are_told_of_beyond_their_scores(full):
    page = full[1]
    rows = {row["run"]: row for row in page.table("run", "distortion", "active units")}
    assert rows.keys() == {"vae", "vae_beta08"}
    assert rows["vae"]["active units"] == "9"
    assert rows["vae"]["bits/dim, at most"] == "5.123"
    assert {row["run"]: row["MIG"] for row in page.table("run", "MIG")}["vae"] == "0.123"
    priors = page.table("run", "z from")
    assert [(row["z from"], row["fd_classifier"]) for row in priors[:2]] == [
        ("N(0, I)", "88.0[85.1, 90.9]"),
        ("fitted mixture", "31.4[30.1, 32.7]"),
    ]
    assert "dimensions 7, 2" in page.text
    assert "by IWAE on 100 images with K = 50 draws" in page.text


def test_a_generator_that_cannot_be_told_from_data_is_at_the_equilibrium(small):
    edit(small / "metrics/wgan_gp.json", fresh_accuracy=0.51, fresh_accuracy_low=0.48, fresh_accuracy_high=0.54)
    assert "is right on 51.0 %, which is no better than a guess" in render(small).text


def test_floor_is_a_row(full):
    tables = [table for table in full[1].tables if table[0][0] == "run" and "N" in table[0]]
    assert [full[1].scored(table, table[-1], "FD")[0] for table in tables] == pytest.approx([0.4127, 0.8213], abs=0.006)
    assert all(table[-1][0].startswith("real images") for table in tables)


def test_samplers_seeds_and_n_are_in_captions(full):
    assert "ddpm: ddim, 50 steps, eta 0, EMA weights; seed 1; N = 2,000 scored." in full[1].text
    assert "vae: one pass, standard prior, raw weights; seed 1" in full[1].text
    assert "passes, mixture prior, guidance 0.75, decoder guidance 0.5, raw weights; seed 1" in full[1].text
    assert "Guidance w of the codes" in full[1].text
    assert "Decoder guidance w" in full[1].text


def test_answer_names_winner_and_tie(full):
    assert "shapes: ddpm is best." in full[1].text
    assert "digits5k: a tie between dcgan_z100 and dcgan." in full[1].text
    digits, shapes = (table for table in full[1].tables if table[0][0] == "run" and "N" in table[0])
    assert [row[0].split() for row in shapes[1:]] == [
        ["ddpm", "best"], ["wgan_gp"], ["vae_beta08"], ["vae"], ["real", "images", "floor"],
    ]  # fmt: skip
    assert [row[0].split() for row in digits[1:3]] == [["dcgan_z100", "tied"], ["dcgan", "tied"]]


def test_hashes_are_those_of_the_files(full):
    root, shown = full
    rows = {(row["of"], row["file"]): row["sha256"] for row in shown.table("of", "sha256")}
    for kind, file in (("model", "data/models/vae/0.pt"), ("samples", "data/samples/vae/0.npz")):
        expected = (
            subprocess.run(["sha256sum", root / file], capture_output=True, check=True).stdout.decode().split()[0]
        )
        assert rows["vae", kind] == expected
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
    timed = {path for path in targets if "seconds" in path}
    assert not timed
    assert len(targets) == sum(tag == "img" and "seconds an image" not in its["alt"] for tag, its in full[1].elements)
    assert {path.name for path in (full[0] / "report/figures").iterdir()} == {Path(target).name for target in targets}
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
    told = answer.sentence(dataset, verdict)
    assert "cannot be compared" in told.lead
    assert words in told.text


@pytest.mark.parametrize(
    ("half", "kind", "names"),
    [(0.2, "best", ["dcgan_z100"]), (0.22, "tie", ["dcgan_z100", "dcgan"]), (None, "unknown", ["dcgan_z100"])],
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
    assert reason[1:] in answer.sentence(dataset, judge(dataset)).text


def test_scores_at_the_floor_are_said_to_be_so(pair):
    for name in ("dcgan", "dcgan_z100"):
        edit(pair / f"metrics/{name}.json", fd_classifier=0.7, fd_classifier_low=0.5, fd_classifier_high=0.9)
    dataset = set_of(pair, "digits5k")
    assert "cannot be told from real images" in answer.sentence(dataset, judge(dataset)).text


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
        {path.name: path.read_bytes() for path in (tmp_path / seed / "report").rglob("*") if path.is_file()}
        for seed in ("1", "2")
    )
    assert first == second
    assert str(tmp_path).encode() not in first["index.html"] + first["report.md"]


def test_durations_are_on_the_page_and_not_in_what_is_tracked(tmp_path):
    kept = []
    for seconds in (20.0, 44.0):
        root = report_results.make(tmp_path / str(seconds), ("ddpm",))
        report_results.add_newer(root, ("ddpm",))
        edit(root / "logs/sample/ddpm.json", seconds=seconds)
        log = json.loads((root / "logs/sweep/ddpm.json").read_text())
        edit(root / "logs/sweep/ddpm.json", points=[point | {"seconds": seconds} for point in log["points"]])
        shown = render(root)
        row = next(row for row in shown.table("run", "a 1,000 images") if row["run"] == "ddpm")
        assert row["a 1,000 images"] == f"{seconds / 2:g} s"
        tracked = [root / "report/report.md", *(root / "report/figures").iterdir()]
        kept.append({path.name: path.read_bytes() for path in tracked})
    assert kept[0] == kept[1]


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
    with pytest.raises(ParamsError, match="dvc repro resolve"):
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


def test_tiles_keep_every_pixel(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32, 3), np.uint8)
    pictures.rows(tmp_path / "rows.webp", images, framed=(1,))
    with Image.open(tmp_path / "rows.webp") as image:
        shown = np.asarray(image.convert("RGB"))
    assert shown.shape == (2 * 33 + 1, 3 * 33 + 1, 3)
    for row in range(2):
        for column in range(3):
            own = shown[33 * row + 1 : 33 * row + 33, 33 * column + 1 : 33 * column + 33]
            assert (own == images[row, column]).all()
    assert (shown[10, 33] == (255, 128, 0)).all()
    assert (shown[10, 0] == 255).all()


def test_stage_grid_is_shown_at_its_own_size(small):
    run = load(small).runs[0]
    with Image.open(run.grid) as image:
        whole = np.asarray(image.convert("RGB"))
    pictures.grid_file(small / "grid.webp", run.grid, 3)
    with Image.open(small / "grid.webp") as image:
        assert (np.asarray(image.convert("RGB")) == whole[: 2 * (3 * 33 + 1) : 2, ::2]).all()


def test_confusion_needs_no_name_for_its_first_column(full):
    assert "The most frequent error: 0 seen as 1, 2.6 %." in full[1].text


def test_neighbours_are_the_named_images(full):
    root = full[0]
    with Image.open(root / "report/figures/neighbours-wgan_gp.webp") as image:
        pixels = np.asarray(image.convert("RGB"))
    with np.load(root / "data/samples/wgan_gp/0.npz") as file:
        assert (pixels[1:33, 34:66] == file["images"][1]).all()
    with np.load(root / "data/prepared/shapes.npz") as file:
        assert (pixels[34:66, 34:66] == file["images"][7]).all()


def test_sweep_says_what_steps_and_noise_trade():
    rows = [("ddim", s, eta, s, 100, 50 / s + 2 * eta) for eta in (0.0, 1.0) for s in (5, 10, 50)]
    rows.append(("heun", 5, 0.0, 9, 100, 4.5))
    table = pd.DataFrame(rows, columns=["sampler", "steps", "eta", "evaluations", "n", "fd_classifier"])
    told = sweep.trade_offs(table)
    assert "from 10 at S = 5 to 1 at S = 50" in told["Steps:"]
    assert "the last 40 of them lower the score by 80 %" in told["Steps:"]
    assert "At S = 5, eta 0 scores 10 and eta 1 12; the lowest is 10 at eta 0." in told["Noise:"]
    assert "at most 50 evaluations an image the lowest score is 1, by ddim in 50 steps, eta 0." in told["Sampler:"]
    assert set(sweep.trade_offs(table[table["sampler"] == "heun"])) == set()


def test_sweep_without_its_log_has_no_seconds(full):
    root = full[0]
    run = next(run for run in load(root).runs if run.name == "ddpm")
    assert run.sweep.table["seconds"].tolist()[:3] == [2.0, 4.0, 8.0]
    edit(root / "logs/sweep/ddpm.json", points=[])
    assert "seconds" not in next(run for run in load(root).runs if run.name == "ddpm").sweep.table


def test_answers_follow_the_measured_values(pair):
    for name, score in (("dcgan", 6.0), ("dcgan_z100", 8.0)):
        edit(pair / f"metrics/{name}.json", fd_classifier=score, fd_classifier_low=score - 0.1,
             fd_classifier_high=score + 0.1)  # fmt: skip
    told = answers.latent_size(set_of(pair, "digits5k"))
    assert "(latent 16, hidden 16) 6.000 [5.900, 6.100]" in told
    assert "The lowest is that of `dcgan`." in told
    assert answers.beta(set_of(pair, "digits5k")) is None
    assert answers.jumps(set_of(pair, "digits5k")) is None  # one loss alone


def test_beta_is_read_off_runs_that_differ_in_it_alone(tmp_path):
    root = report_results.make(tmp_path, ("vae", "vae_beta08"))
    edit(root / "metrics/vae_beta08.json", distortion=60.0, rate_nats=30.0)
    told = answers.beta(set_of(root, "shapes"))
    assert told.index("beta 0.8 (`vae_beta08`)") < told.index("beta 1 (`vae`)")
    assert "the distortion falls with beta" in told
    edit(root / "metrics/vae_beta08.json", distortion=99.0)
    assert "does not fall with beta throughout" in answers.beta(set_of(root, "shapes"))
    path = root / "configs/train/vae.yaml"
    edit(path, settings=json.loads(path.read_text())["settings"] | {"latent_dim": 99})
    assert answers.beta(set_of(root, "shapes")) is None


@pytest.mark.parametrize(
    ("loss", "words"), [("minimax", "as the course expects"), ("lsgan", "not what the course expects")]
)
def test_jumping_scores_are_told_from_steady_ones(tmp_path, loss, words):
    root = report_results.make(tmp_path, ("dcgan", "dcgan_z100"))
    other = {"minimax": "lsgan", "lsgan": "minimax"}[loss]
    for name, its, scores in (("dcgan", loss, (9, 9, 4, 8, 4, 8)), ("dcgan_z100", other, (9, 9, 6, 6, 6, 6))):
        path = root / f"configs/train/{name}.yaml"
        edit(path, settings=json.loads(path.read_text())["settings"] | {"loss": its})
        lines = [f"{k},64,{score}" for k, score in enumerate(scores)]
        (root / f"plots/scores/{name}.csv").write_text("\n".join(["step,n,fd_classifier", *lines]))
    told = answers.jumps(set_of(root, "digits5k"))
    assert f"({loss}) by 60.0 %" in told  # |8 - 4| twice over a mean of 20 / 3
    assert words in told


def test_questions_without_runs_say_what_they_take(older):
    rows = {row["question"]: row["takes"] for row in older[1].table("question", "takes")}
    assert rows["What do the number of steps S and eta trade?"] == "an entry under sweeps:"
    assert "Has the GAN reached its Nash equilibrium?" not in rows


def test_targets_are_held_against_their_own_data_alone(full, tmp_path):
    assert "None of them is shown" in full[1].text
    root = report_results.make(tmp_path, ("vae",))
    path = root / "configs/report/report.yaml"
    settings = json.loads(path.read_text())
    settings["sources"]["shapes"] = {"kind": "cifar10"}
    report_results.write_report_config(root, settings)
    edit(root / "metrics/train/vae.json", validation_reconstruction=142.8)
    table = against_targets.section(load(root)).blocks[0]
    row = dict(zip(table.columns[1:], table.rows[0].cells, strict=True))
    assert (row["measured"], row["target"]) == ("143", "below 145")
    assert row["judgement"] == "not judged: epochs is 8, not 20; latent_dim is 16, not 1024"
    train = root / "configs/train/vae.yaml"
    edit(train, settings=json.loads(train.read_text())["settings"] | {"epochs": 20, "latent_dim": 1024})
    target = next(target for target in TARGETS if target.run == "vae")
    assert against_targets.judged(target, load(root).runs[0]) == "met"
    edit(root / "metrics/train/vae.json", validation_reconstruction=145.2)
    assert against_targets.judged(target, load(root).runs[0]) == "missed"


def test_every_target_names_a_run_of_the_paper_scale():
    paper = configs.load_yaml(ROOT / "scales/paper.yaml")
    for target in TARGETS:
        dataset = paper["datasets"][paper["runs"][target.run]["dataset"]]
        assert paper["sources"][dataset["source"]]["kind"] == target.kind
        assert tuple(dataset["classes"]) == target.classes


def test_digits_follow_the_interval():
    assert numbers.decimals_for([41.37], [2.1]) == 1
    assert numbers.decimals_for([12.64], [0.93]) == 2
    assert numbers.decimals_for([1234.0], [56.0]) == 0
    assert numbers.decimals_for([0.0213]) == 4
    assert numbers.decimals_for([]) == 0
    assert numbers.column([1234.5, None], 1) == ["1,234.5", "\N{EN DASH}"]
    assert numbers.plain(0.123456) == "0.1235"
    assert numbers.plain(38400) == "38,400"


@pytest.mark.parametrize("names", [["gan", "vae"], [f"ddpm_cats_2ud_cosine_{i}" for i in range(7)]])
def test_a_legend_lies_within_its_figure_and_names_each_once(names):
    figure = figures.new(4.2, 2.7)
    for axes in figure.subplots(1, 2):
        for name in names:
            axes.plot([0, 1], label=name)
    figures.legend(figure)
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert [entry.get_text() for entry in figure.legends[0].get_texts()] == names
