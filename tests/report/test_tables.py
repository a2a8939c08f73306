"""The page's tables show the numbers of the files."""

import json
import subprocess

import pytest

import report_results
from report_pages import estimate, render, rows
from report_results import edit_card
from thirtytwo.core.intervals import Estimate
from thirtytwo.evaluate.scorecard import Diagnosis


def comparison_row(shown, name: str, column: str) -> dict[str, str]:
    """The row of the run `name` in the table of comparison that has `column`."""
    matches = [
        row
        for table in shown.tables
        if column in table[0]
        and table[0][0] == "run"
        and "prior" not in table[0]
        and table[0] != ["run", "family", "FD"]  # an answer's
        for row in rows(table)
        if row["run"].split()[0] == name
    ]
    assert len(matches) == 1
    return matches[0]


@pytest.mark.parametrize("name", list(report_results.RUNS))
def test_comparison_shows_the_scores(full, name):
    root, shown = full
    measured = json.loads((root / f"scores/{name}.json").read_text())["measured"]
    for column, key, scale in (
        ("FD", "fd_classifier", 1), ("KID × 1000", "kid_classifier", 1000), ("coverage", "coverage", 1),
        ("nearer to training, %", "train_nearer", 100), ("FD at N\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}∞", "fd_classifier_infinity", 1),
    ):  # fmt: skip
        cell = comparison_row(shown, name, column)[column]
        value, ends = estimate(cell)
        half_digit = 0.501 * 10.0 ** -len(cell.partition("[")[0].partition(".")[2])
        expected = measured["scores"][key]
        assert value == pytest.approx(scale * expected["value"], abs=half_digit)
        assert ends == pytest.approx([scale * expected[end] for end in ("low", "high")], abs=half_digit)
    assert "N = 2,000 samples of each run." in shown.text
    row = comparison_row(shown, name, "FD")
    trainings = row.get("trainings")  # of sets in which a run has several
    assert trainings == {"vae": "3", "dcgan": None, "dcgan_z100": None}.get(name, "1")
    model = comparison_row(shown, name, "parameters")
    training = json.loads((root / f"scores/train/{name}.json").read_text())
    parameters = sum(value for key, value in training.items() if key.startswith("parameters_"))
    assert int(model["parameters"].replace(",", "")) == parameters
    assert model["images seen"] == "38,400"
    assert model["evaluations"] == {"ddpm": "50", "vae_beta08": str(measured["protocol"]["classes"])}.get(name, "1")
    assert model["family"] == report_results.RUNS[name][0]


def test_older_results_omit_what_they_lack(older, full):
    shown = older[1]
    titles = {title for table in shown.tables for title in table[0]}
    newer = {"KID × 1000", "coverage", "diagnosis", "trainings", "per 1,000 images"}
    assert not titles & newer
    assert newer <= {title for table in full[1].tables for title in table[0]}
    for words in ("Several training seeds", "Samplers, steps and noise", "Nearest training", "Requested classes"):
        assert words not in shown.text
        assert words in full[1].text


def test_pairs_are_antisymmetric(full):
    table = next(table for table in full[1].tables if table[0][:2] == ["run", "ddpm"])
    cells = {(row[0], name): cell for row in table[1:] for name, cell in zip(table[0][1:], row[1:], strict=True)}
    opposite = {"better": "worse", "worse": "better", "tie": "tie", "": ""}
    assert all(cells[b, a] == opposite[cell] for (a, b), cell in cells.items())
    assert cells["ddpm", "vae"] == "better"


def test_gans_beyond_their_scores(full):
    page = full[1]
    table = {row["run"]: row for row in page.table("run", "C2ST, %", "difference")}
    assert table.keys() == {"dcgan", "dcgan_z100"}
    assert table["dcgan"]["C2ST, %"] == "95.3[94.4, 96.1]"
    assert table["dcgan"]["D* right"] == "at least 94.4 %"
    assert "tells samples from data at least 94.4 % (dcgan)" in page.text
    assert {row["run"]: row["hue, %"] for row in page.table("run", "hue, %")}["dcgan"] == "42axis 7"


def test_autoencoders_beyond_their_scores(full):
    page = full[1]
    table = {row["run"]: row for row in page.table("run", "distortion", "active units")}
    assert table.keys() == {"vae", "vae_beta08"}
    assert table["vae"]["active units"] == "9"
    assert table["vae"]["bits/dim (IWAE)"] == "5.123"
    assert {row["run"]: row["MIG"] for row in page.table("run", "MIG")}["vae"] == "0.123"
    priors = page.table("run", "prior")
    assert [(row["prior"], row["FD"]) for row in priors[:2]] == [
        ("N(0, I)", "88.0[85.1, 90.9]"),
        ("fitted mixture", "31.4[30.1, 32.7]"),
    ]
    assert "dimensions 7, 2" in page.text
    assert "100 images with K = 50 draws" in page.text


def test_a_classifier_without_power_proves_nothing(small):
    edit_card(small, "wgan_gp", {"c2st_accuracy": Estimate(0.51, 0.48, 0.54)})
    text = render(small).text
    assert "does not tell samples of wgan_gp from data, which shows neither" in text
    assert "For wgan_gp this classifier is too weak to tell" in text
    assert "at least 50.0 %" in text
    assert "at least 48" not in text


def test_the_text_on_interpolation_says_what_the_intervals_say(small):
    text = render(small).text
    assert "Compared with samples: Images in the middle look real about as often for wgan_gp." in text
    assert "Images five steps beyond z2 look real less often for wgan_gp." in text
    edit_card(small, "wgan_gp", {"line_precision_i4": Estimate(0.95, 0.92, 0.97), "line_precision_i14": Estimate(None)})
    text = render(small).text
    assert "Images in the middle look real more often for wgan_gp." in text
    assert "beyond z2 look real" not in text
    edit_card(small, "wgan_gp", {"line_precision_i14": Estimate(0.8, 0.74, 0.85)})
    assert "Images five steps beyond z2 look real about as often for wgan_gp." in render(small).text


def test_a_gan_trained_on_the_held_out_images_says_so(small):
    assert "trained on these images" not in render(small).text
    edit_card(small, "wgan_gp", protocol={"trained_on": "all"})
    assert "wgan_gp was trained on these images as well." in render(small).text


def test_runs_that_were_scored_at_other_sizes_show_theirs(small):
    edit_card(small, "wgan_gp", protocol={"n": 1234})
    shown = render(small)
    assert comparison_row(shown, "wgan_gp", "N")["N"] == "1,234"
    assert comparison_row(shown, "ddpm", "N")["N"] == "2,000"
    assert "samples of each run" not in shown.text


def test_a_diagnosis_is_a_clause_without_the_numbers_of_the_other_tables(small):
    reason = "Too few samples resemble a real image: precision 27.9 % (real images 95.5 %), coverage 25.4 %."
    edit_card(small, "ddpm", diagnosis=Diagnosis("poor", reason))
    edit_card(small, "wgan_gp", diagnosis=Diagnosis("undecided", "Training seeds differ: 1 healthy, 2 poor."))
    reasons = {row["run"].split()[0]: row["reason"] for row in render(small).table("diagnosis", "reason")}
    assert reasons["ddpm"] == "Too few samples resemble a real image."
    assert reasons["wgan_gp"] == "Training seeds differ: 1 healthy, 2 poor."


def test_floor_is_a_row(full):
    tables = [table for table in full[1].tables if table[0][0] == "run" and "× floor" in table[0]]
    floors = [rows(table)[-1] for table in tables if "FD" in table[0]]
    assert [estimate(row["FD"])[0] for row in floors[:2]] == pytest.approx([0.4127, 0.8213], abs=0.006)
    assert all(row["run"].startswith("real images") for row in floors[:2])


def test_samplers_seeds_and_n_are_in_captions(full):
    text = full[1].text
    assert "drawing the samples of one training again: vae 3 [2, 20]." in text
    assert "ddpm: DDIM, 50 steps, eta 0, EMA weights; seed 1; N = 2,000 scored; batches of 32, 1,200 training" in text
    assert "dcgan_z100 (gan; latent 100, width 16, batches of 32, 1,200 training steps): recorded values" in text
    assert "vae: one pass, standard prior, raw weights; seed 1" in text
    assert "passes, mixture prior, guidance 0.75, decoder guidance 0.5, raw weights; seed 1" in text
    assert "Guidance of an autoencoder's codes" in text
    assert "Decoder guidance of strength w" in text


def test_hashes_are_those_of_the_files(full):
    root, shown = full
    table = {(row["name"], row["file"]): row["sha256"] for row in shown.table("file", "sha256")}
    for kind, file in (("model", "data/models/vae/0.pt"), ("samples", "data/samples/vae/0.npz")):
        expected = subprocess.run(["sha256sum", root / file], capture_output=True, check=True).stdout.decode().split()
        assert table["vae", kind] == expected[0]
    facts = json.loads((root / "data/prepared/shapes.json").read_text())
    assert table["shapes", "data set"] == facts["sha256"]


def test_removed_files_are_listed(full):
    root, shown = full
    facts = json.loads((root / "data/prepared/shapes.json").read_text())
    table = shown.table("file", "reason")
    assert [(row["file"], row["class"], row["reason"]) for row in table] == [
        (item["file"], item["class"], item["reason"]) for item in facts["removed"]
    ]
    assert "12 palette, 7 rgba" in shown.text


def test_confusion_needs_no_name_for_its_first_column(full):
    assert "Most frequent error: 0 recognised as 1, 2.6 %." in full[1].text
