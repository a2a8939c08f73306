"""The page is one file that needs nothing else, and treats every name as text."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import report_results
from report_pages import edit, render
from thirtytwo.report import page
from thirtytwo.report.reading import load
from thirtytwo.runtime.errors import ReportError
from thirtytwo.runtime.project import Project

ROOT = Path(__file__).parents[2]
HOSTILE = "<script>alert(1)"


def test_page_loads_nothing(full):
    tags = [tag for tag, _ in full[1].elements]
    assert not {"link", "iframe", "object", "embed", "video", "audio"} & {*tags}
    for tag, attributes in full[1].elements:
        assert attributes.get("src", "data:image/webp;base64,").startswith("data:image/webp;base64,"), tag
        assert attributes.get("href", "#").startswith("#"), tag
        assert "srcset" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
    html = (full[0] / "report/index.html").read_text(encoding="utf-8")
    assert "url(" not in html
    assert "@import" not in html


def test_policy_allows_the_page_s_own_script_and_style_alone(full):
    html = (full[0] / "report/index.html").read_text(encoding="utf-8")
    policy = next(its["content"] for tag, its in full[1].elements if its.get("http-equiv") == "Content-Security-Policy")
    allowed = dict(part.split(maxsplit=1) for part in policy.split("; "))
    blocks = {name: re.findall(rf"(?s)<{name}[^>]*>(.*?)</{name}>", html) for name in ("script", "style")}
    assert {name: len(found) for name, found in blocks.items()} == {"script": 1, "style": 1}
    digests = {
        name: f"'sha256-{base64.b64encode(hashlib.sha256(found[0].encode()).digest()).decode()}'"
        for name, found in blocks.items()
    }
    assert allowed == {
        "default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'",
        "script-src": digests["script"], "style-src": digests["style"],
    }  # fmt: skip
    assert not [tag for tag, attributes in full[1].elements if "style" in attributes]  # the policy would ignore them
    widths = {attributes["class"] for tag, attributes in full[1].elements if tag == "img"}
    assert all(f".{name} {{ --w: {name[1:]}; }}" in blocks["style"][0] for name in widths)


def test_page_is_accessible(full):
    elements = full[1].elements
    images = [attributes for tag, attributes in elements if tag == "img"]
    assert len(images) > 20
    assert all(image["alt"].strip() for image in images)
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in elements if tag == "th")
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"][1:] for tag, attributes in elements if tag == "a"} <= set(ids)
    tips = {attributes["popovertarget"] for _, attributes in elements if "popovertarget" in attributes}
    assert tips == {attributes["id"] for _, attributes in elements if attributes.get("class") == "tip"}
    assert len(tips) > 10
    headings = [int(tag[1]) for tag, _ in elements if re.fullmatch("h[1-6]", tag)]
    assert headings.count(1) == 1
    assert all(deeper <= above + 1 for above, deeper in pairwise(headings))


def test_text_stands_out_from_its_ground():
    css = (ROOT / "src/thirtytwo/report/templates/style.css").read_text(encoding="utf-8")
    colours = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", css)
    assert len(colours) > 8

    def luminance(colour: str) -> float:  # WCAG 2.2, relative luminance
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for scheme in (1, 2):
        inks = {name: luminance(values[scheme - 1]) for name, *values in colours}
        pairs = [(ink, ground) for ink in ("ink", "soft", "accent") for ground in ("paper", "panel")]
        pairs += [("soft", "good"), *((f"{tone}-ink", tone) for tone in ("good", "fair", "bad"))]
        for ink, ground in pairs:
            low, high = sorted((inks[ink], inks[ground]))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, ground)


def test_first_screen_shows_real_best_and_worst_images(full):
    html = (full[0] / "report/index.html").read_text(encoding="utf-8")
    showcase = html.index('<div class="showcase">')
    assert 0 < showcase < html.index("<table>")
    cards = re.findall(r'(?s)<figure class="card">.*?<strong>(.*?)</strong> <span class="badge (\w+)">(.*?)<', html)
    assert cards == [
        ("real images", "plain", "data"), ("dcgan_z100", "good", "tie of 2"), ("dcgan", "good", "tie of 2"),
        ("real images", "plain", "data"), ("ddpm", "good", "best"), ("vae", "good", "highest FD"),
    ]  # fmt: skip
    text = full[1].text.replace("\N{NO-BREAK SPACE}", " ")
    assert f"{12.64 / 0.8213:.0f} × floor, healthy" in text


def test_markdown_is_a_front_page(full):
    text = (full[0] / "report/report.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    targets = re.findall(r"!\[[^\]]+(?:\\\][^\]]*)*\]\(([^)]+)\)", text)
    assert len(targets) > 8
    assert {path.name for path in (full[0] / "report/figures").iterdir()} == {Path(target).name for target in targets}
    assert all((full[0] / "report" / target).is_file() for target in targets)
    assert "**ddpm** (best)" in text
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith("|")]
    assert min(widths) >= 2
    assert all(deeper == above for above, deeper in pairwise(_widths_of_tables(text)))


def _widths_of_tables(text: str) -> list[int]:
    """1 for each table whose rows all have the same number of cells."""
    tables = re.findall(r"(?m)(?:^\|.*\n)+", text)
    return [len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) for table in tables]


def test_same_bytes_whatever_the_hash_seed(tmp_path):
    for seed in ("1", "2"):
        root = report_results.make(tmp_path / seed, ("ddpm",))
        code = (
            "import sys; from pathlib import Path; from thirtytwo.report.page import write; "
            "from thirtytwo.report.reading import load; from thirtytwo.runtime.project import Project; "
            "project = Project(Path(sys.argv[1])); write(load(project), project.report)"
        )
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "src")}
        subprocess.run([sys.executable, "-c", code, str(root)], check=True, env=environment)
    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / seed / "report").rglob("*") if path.is_file()}
        for seed in ("1", "2")
    )
    assert first == second
    assert str(tmp_path).encode() not in first["index.html"] + first["report.md"]


def test_durations_are_on_the_page_and_not_on_the_front_page(tmp_path):
    kept = []
    for seconds in (20.0, 44.0):
        root = report_results.make(tmp_path / str(seconds), ("ddpm",))
        report_results.add_newer(root, ("ddpm",))
        edit(root / "logs/sample/ddpm.json", seconds=seconds)
        log = json.loads((root / "logs/sweep/ddpm.json").read_text())
        edit(root / "logs/sweep/ddpm.json", points=[point | {"seconds": seconds} for point in log["points"]])
        row = next(row for row in render(root).table("run", "per 1,000 images") if row["run"] == "ddpm")
        assert row["per 1,000 images"] == f"{seconds / 2:g} s"
        tracked = [root / "report/report.md", *(root / "report/figures").iterdir()]
        kept.append({path.name: path.read_bytes() for path in tracked})
    assert kept[0] == kept[1]


def test_hostile_names_are_text(tmp_path):
    root = report_results.make(tmp_path, ("vae",))
    for folder in ("scores", "scores/train", "plots/train", "plots/validation", "plots/classes", "plots/samples",
                   "configs/train", "configs/sample", "configs/evaluate", "data/models", "data/samples"):  # fmt: skip
        for path in (root / folder).glob("vae*"):
            path.rename(path.with_name(HOSTILE + path.suffix))
    settings = json.loads((root / "configs/report/report.yaml").read_text())
    settings["runs"] = {HOSTILE: settings["runs"]["vae"]}
    report_results.write_report_config(root, settings)
    facts = json.loads((root / "data/prepared/shapes.json").read_text())
    facts["removed"] = [{"file": f"{HOSTILE}|`x`_*.jpg", "class": HOSTILE, "reason": "<b>&amp;"}]
    facts["classes"][0], facts["per_class"] = f"{HOSTILE}$", {}
    edit(root / "data/prepared/shapes.json", **facts)
    shown = render(root)
    assert [tag for tag, _ in shown.elements].count("script") == 1  # the page's
    assert "b" not in {tag for tag, _ in shown.elements}
    assert shown.table("file", "reason") == [{"file": f"{HOSTILE}|x_*.jpg", "class": HOSTILE, "reason": "<b>&amp;"}]
    assert f"{HOSTILE}: autoencoder with conv_vae on shapes" in shown.text
    text = (root / "report/report.md").read_text(encoding="utf-8")
    assert HOSTILE not in re.sub(r"(?s)```.*?```|`[^`]*`", "", text)  # but as code


def test_failing_report_leaves_the_old_one(small, monkeypatch):
    (small / "report").mkdir()
    (small / "report/index.html").write_text("old")

    def fail(results, folder):
        (folder / "half.png").write_bytes(b"")
        raise ReportError("stop")

    monkeypatch.setattr(page, "build", fail)
    with pytest.raises(ReportError):
        page.write(load(Project(small)), small / "report")
    assert (small / "report/index.html").read_text() == "old"
    assert not [path for path in small.iterdir() if path.name.startswith(".")]


def test_missing_run_is_stated(small):
    (small / "scores/wgan_gp.json").unlink()
    (small / "plots/samples/wgan_gp.png").unlink()
    text = render(small).text
    assert "1 of 2 runs have no score yet: wgan_gp." in text
    assert "Run wgan_gp has no score. Missing files:" in text
    assert "scores/wgan_gp.json, plots/samples/wgan_gp.png." in text
    assert "shapes: only ddpm has a score." in text


def test_report_of_settings_alone(tmp_path):
    root = report_results.make(tmp_path, ("vae",))
    for folder in ("scores", "plots", "data"):
        shutil.rmtree(root / folder)
    text = render(root).text
    assert "shapes: no result yet." in text
    assert "data/prepared/shapes.npz, data/prepared/shapes.json" in text
