"""The command `thirtytwo` beside the stages, in a project whose networks have random weights."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from ruamel.yaml import YAML

from staging import stage
from thirtytwo import models
from thirtytwo.cli import doctor, installation, places
from thirtytwo.cli.images import read
from thirtytwo.cli.main import main
from thirtytwo.core.weights import serialise
from thirtytwo.data.sources.catalogue import KNOWN
from thirtytwo.evaluate import comparison
from thirtytwo.features.training import save
from thirtytwo.nets.classifier import Classifier
from thirtytwo.runtime import files
from thirtytwo.settings.data import Archive, Dataset, Folder, Known
from thirtytwo.settings.resolve import resolve
from thirtytwo.settings.strict import parse
from thirtytwo.training import loading

RUNS = {  # options that make of each run of BASE the same run of ASKED
    "dcgan": "",
    "cvae": "--prior gaussian",
    "cddpm": "--sampler dpm++ --steps 3 --guidance 1.5 --spacing trailing",
    "lddpm": "",
}
CLASSES = ("zero", "one", "two")
SEED = 7
DRAWN, SCORED = 60, 40  # images of a run: more than the networks see at once, and the number that is scored


def params(root: Path) -> dict[str, Any]:
    """The default scale cut to four runs of small networks."""
    values = YAML(typ="safe").load(root / "scales/quick.yaml")
    values["compute"] |= {"device": "cpu", "threads": 1, "deterministic": False}
    for group in ("sources", "datasets", "classifiers"):
        values[group] = {"digits5k": values[group]["digits5k"]}
    values["runs"] = {name: values["runs"][name] for name in RUNS}
    values["sweeps"] = {}
    values["sampling"] = {"images": DRAWN, "grid_side": 2, "snapshot_images": 2}
    values["evaluation"] |= {"samples": SCORED, "bootstrap_resamples": 20}
    for name in RUNS:
        values[name]["width"] = 8
    values["dcgan"]["sample"]["fresh_steps"] = 1
    values["cvae"]["sample"] |= {"bound_images": 2, "bound_samples": 1}
    values["cddpm"]["sample"] |= {"sampler": "ddim", "steps": 2, "eta": 0.5, "guidance": 0.0, "bound_images": 0}
    values["lddpm"]["sample"] |= {"steps": 2, "frames": 0}
    return values


def asked(root: Path) -> dict[str, Any]:
    """The same with another seed and other settings of sampling."""
    values = params(root)
    values["seed"] = SEED
    values["cvae"]["sample"]["prior"] = "gaussian"
    values["cddpm"]["sample"] |= {
        "sampler": "dpm_solver_pp_2m", "steps": 3, "guidance": 1.5, "spacing": "trailing", "eta": 0.0,
    }  # fmt: skip
    return values


def write(values: dict[str, Any], project: Path) -> None:
    with (project / "params.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(values, file)
    resolve(project / "params.yaml", project)


def weights(run: str, project: Path) -> None:
    """Random weights of a run, far from those that a network starts with, of which some give the same image always."""
    torch.manual_seed(0)
    model = models.untrained(run, project, 1, len(CLASSES))
    for parameter in model.modules.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    state = model.modules.state_dict()
    averaged = {key: value for key, value in state.items() if key.startswith(tuple(f"{n}." for n in model.averaged))}
    saved = {"modules": state, "ema": averaged, "channels": 1, "classes": list(CLASSES), "steps": 1}
    files.write(project / "data/models" / run / "0.pt", serialise(saved))
    files.write(project / "data/snapshots" / f"{run}.pt", serialise({}))


def drawn(run: str, project: Path) -> Path:
    """The stage's images."""
    (path,) = (p for p in (project / "data/samples").rglob("*.npz") if run in (p.stem, p.parent.name))
    return path


@pytest.fixture(scope="module")
def project(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project of BASE settings, whose images the stage has drawn under the other ones."""
    threads = torch.get_num_threads()
    made = tmp_path_factory.mktemp("project")
    (made / "dvc.yaml").touch()
    prepared = made / "data/prepared/digits5k.npz"
    prepared.parent.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (200, 32, 32, 1), np.uint8)
    labels = np.arange(200) % len(CLASSES)
    np.savez(prepared, images=pixels, labels=labels, split=(np.arange(200) % 4 == 3).astype(np.uint8))
    about = {"classes": CLASSES, "factor_names": [], "resample": "bicubic"}
    prepared.with_suffix(".json").write_text(json.dumps(about), encoding="utf-8")
    torch.manual_seed(0)
    save(Classifier(1, len(CLASSES), 8).eval(), CLASSES, made / "data/classifiers/digits5k.pt")
    write(asked(root), made)
    for run in RUNS:
        weights(run, made)
        stage("sample", root, made).main(run)
    write(params(root), made)
    stage("floor", root, made).main("digits5k")
    yield made
    torch.set_num_threads(threads)


@pytest.fixture
def command(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """Runs a command line in a folder of the project."""
    monkeypatch.chdir(project / "data")
    return lambda line: main(line.split())


# sample


@pytest.mark.parametrize("run", RUNS)
def test_image_of_an_index_and_seed_is_that_of_the_stage(run, command, project, tmp_path):
    out = tmp_path / "arrays.npz"
    assert command(f"sample {run} --n 53 --seed {SEED} {RUNS[run]} --out {out}") == 0
    with np.load(out) as ours, np.load(drawn(run, project)) as stages:
        assert len(np.unique(stages["images"])) > 50
        assert not np.array_equal(stages["images"][0], stages["images"][3])  # of one class
        for key in ("images", "labels", "index"):
            np.testing.assert_array_equal(ours[key], stages[key][:53])


def test_settings_of_the_run_hold_where_no_others_are_asked_for(command, root, project, tmp_path):
    path = drawn("cddpm", project)
    before = path.read_bytes()
    stage("sample", root, project).main("cddpm")
    with np.load(path) as stages:
        images = stages["images"]
    path.write_bytes(before)
    assert command(f"sample cddpm --n 5 --out {tmp_path / 'arrays.npz'}") == 0
    with np.load(tmp_path / "arrays.npz") as ours:
        np.testing.assert_array_equal(ours["images"], images[:5])


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler for a CPU")
def test_compiled_networks_draw_the_same_images_up_to_rounding(project):
    plain, compiled = (
        loading.load("dcgan", "raw", project, torch.device("cpu"), compiled=value) for value in (False, True)
    )
    z = torch.randn(4, *plain.latent_shape, generator=torch.Generator().manual_seed(0))
    torch._dynamo.utils.counters.clear()
    expected, got = plain.draw(z, None), compiled.draw(z, None)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-4)


def test_labels_take_turns_and_name_the_folders(command, tmp_path):
    assert command(f"sample cvae --n 5 --labels two,0 --out {tmp_path / 'arrays.npz'}") == 0
    assert command(f"sample cvae --n 5 --labels two,0 --out {tmp_path / 'folder'}") == 0
    with np.load(tmp_path / "arrays.npz") as file:
        images, labels = file["images"], file["labels"]
    assert labels.tolist() == [2, 0, 2, 0, 2]
    files = sorted((tmp_path / "folder").rglob("*.png"), key=lambda path: path.stem)
    assert [f"{p.parent.name}/{p.name}" for p in files[:2]] == ["two/00000.png", "zero/00001.png"]
    np.testing.assert_array_equal(np.stack([np.asarray(Image.open(path)) for path in files]), images[..., 0])


def test_grid_holds_all_images(command, tmp_path):
    assert command(f"sample dcgan --n 5 --out {tmp_path / 'grid.png'}") == 0
    assert Image.open(tmp_path / "grid.png").size == (2 * (3 * 33 + 1), 2 * (2 * 33 + 1))  # three columns, two rows


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("dcgan --sampler ddim", "--sampler: 'dcgan' is of family gan, which has none; it takes --weights"),
        ("dcgan --training-seed 1", "--training-seed: 1, but 'dcgan' has 0 to 0"),
        ("dcgan --labels 1", "--labels: 'dcgan' is not conditional on labels"),
        ("cvae --labels three", "--labels: there is no class 'three'; expected one of: zero, one, two"),
        ("cvae --labels on", "--labels: there is no class 'on'; did you mean 'one'?"),
        ("cvae --labels 3", "--labels: there is no class '3'"),
        ("cddmp", "no such resolved configuration; did you mean 'cddpm'?"),
        ("cddpm --sampler dimm", "--sampler: no such value 'dimm'; did you mean 'ddim'?"),
        ("cddpm --steps 0", "--steps: expected a number >= 1, got 0"),
        ("cddpm --steps 1001", "sample.steps: expected 1 to 1000"),
        ("cddpm --sampler heun --eta 0.5", "--eta: 0.5, but only ddim has it and the sampler is heun"),
        ("dcgan --weights ema --out x.jpg", "--out: '.jpg' of x.jpg; expected .png, .npz"),
        ("dcgan --out .", "--out: . exists; name a new folder"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(line, message, command, tmp_path, capsys):
    out = "" if "--out" in line else f"--out {tmp_path / 'grid.png'}"
    assert command(f"sample {line} {out}") == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("error: ")
    assert message in told
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("run", "key", "value", "options", "message"),
    [
        ("cddpm", "label_dropout", 0.0, "--guidance 1.5", "trained with label_dropout 0.0"),
        ("dcgan", "width", 16, "", "train it again (`dvc repro train@dcgan`)"),
    ],
)
def test_a_model_of_other_settings_is_refused(
    run, key, value, options, message, command, root, project, capsys, tmp_path
):
    values = params(root)
    values[run][key] = value
    write(values, project)
    try:
        assert command(f"sample {run} {options} --out {tmp_path / 'grid.png'}") == 1
    finally:
        write(params(root), project)
    assert message in capsys.readouterr().err


def test_outside_a_project(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["sample", "vae", "--out", "grid.png"]) == 1
    assert "no dvc.yaml here or above" in capsys.readouterr().err


# evaluate


@pytest.fixture(scope="module")
def metrics(root: Path, project: Path) -> dict[str, Any]:
    """What the stage says of the conditional diffusion model's images."""
    stage("evaluate", root, project).main("cddpm")
    return json.loads((project / "metrics/cddpm.json").read_text(encoding="utf-8"))


def as_files(images: np.ndarray, labels: np.ndarray, folder: Path) -> Path:
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / CLASSES[label] / f"{index:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(path)
    return folder


def test_the_stage_s_images_get_the_stage_s_scores(command, project, metrics, tmp_path):
    out = tmp_path / "scores.json"
    assert command(f"evaluate {drawn('cddpm', project)} --against digits5k --out {out}") == 0
    scores = json.loads(out.read_text(encoding="utf-8"))
    assert scores.pop("removed") == 0
    comparable = {key for key in (*comparison.LOWER, *comparison.HIGHER) if metrics.get(key) is not None}
    assert (
        comparable | {f"{key}_floor" for key in comparable} | {"diagnosis", "n", *comparison.PROTOCOL} <= scores.keys()
    )
    assert {key: metrics[key] for key in scores} == scores


def test_a_folder_gets_the_same_scores_and_tells_of_what_it_leaves_out(command, project, tmp_path, capsys):
    with np.load(drawn("cddpm", project)) as file:
        images, labels = file["images"][:30], file["labels"][:30]
    np.savez(tmp_path / "same.npz", images=images, labels=labels)
    folder = as_files(images, labels, tmp_path / "folder")
    (folder / "zero/broken.png").write_bytes((folder / "zero/00000.png").read_bytes()[:200])
    Image.new("RGB", (32, 32)).save(folder / "one/coloured.png")
    (folder / "notes.txt").write_text("no image", encoding="utf-8")
    found = []
    for source, options in ((folder, "--labels-from-folders"), (tmp_path / "same.npz", "")):
        out = tmp_path / "scores.json"
        assert command(f"evaluate {source} --against digits5k --split test {options} --out {out}") == 0
        found.append(json.loads(out.read_text(encoding="utf-8")))
    told = capsys.readouterr().out
    assert "zero/broken.png: does not decode" in told
    assert "one/coloured.png: rgb" in told
    assert "N = 30" in told
    assert [scores.pop("removed") for scores in found] == [2, 0]
    # of the folder the classes come one after another, so that sums and resamples round and fall otherwise
    keys = ("fd_classifier", "accuracy", "fd_classifier_floor")
    np.testing.assert_allclose(*([scores[key] for key in keys] for scores in found), rtol=1e-5)
    assert found[0]["reference_split"] == "test"
    assert (found[0]["n"], found[0]["reference_n"], found[0]["fd_classifier_floor_n"]) == (30, 50, 30)


def test_files_are_resized_as_the_data_set_is(params, tmp_path):
    dataset = parse(Dataset, params["datasets"]["shapes"])
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8))
    (tmp_path / "deep/er").mkdir(parents=True)
    picture.save(tmp_path / "deep/er/a.png")
    picture.convert("L").save(tmp_path / "b.png")
    picture.save(tmp_path / "c.bmp")
    squashed = np.asarray(picture.resize((32, 32), Image.Resampling.BICUBIC))
    given = read(tmp_path, dataset, (), False)
    np.testing.assert_array_equal(given.images, [squashed, squashed])
    assert given.removed == (("b.png", "grayscale"),)
    assert given.labels.tolist() == [-1, -1]
    more = parse(Dataset, params["datasets"]["shapes"] | {"convert": ["grayscale"]})
    assert len(read(tmp_path, more, (), False).images) == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{0}/none --against digits5k", "none: expected a folder of images, or an .npz"),
        ("{0} --against digits", "--against: unknown data set 'digits'; did you mean 'digits5k'?"),
        ("{0} --against digits5k", "0 usable images of 0 (none were there)"),
        ("{0}/floats.npz --against digits5k", "images are float64 [2, 32, 32, 1]; expected uint8"),
        ("{0}/labels.npz --against digits5k", "labels are not [2] of 0 to 2, or -1 for none"),
        ("{0}/floats.npz --against digits5k --labels-from-folders", "expected a folder of images"),
        ("{0}/floats.npz --against digits5k --out x.csv", "expected a name that ends in .json"),
        ("{0} --against digits5k --convert rbg", "--convert[0]: no such value 'rbg'; did you mean 'rgb'?"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_one_line(line, message, command, tmp_path, capsys):
    np.savez(tmp_path / "floats.npz", images=np.zeros((2, 32, 32, 1)))
    np.savez(tmp_path / "labels.npz", images=np.zeros((2, 32, 32, 1), np.uint8), labels=[0, 3])
    assert command(f"evaluate {line.format(tmp_path)}") == 1
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert message in told
    assert told.count("\n") == 1


# compare


def scores(value: float, **changes: object) -> str:
    about = {"n": 40, "reference_n": 50, "reference_split": "train", "resampler": "bicubic", "features_sha256": "a"}
    spread = {"fd_classifier": value, "fd_classifier_low": value - 1, "fd_classifier_high": value + 1}
    accuracy = {"accuracy": value / 100, "accuracy_low": value / 100 - 0.01, "accuracy_high": value / 100 + 0.01}
    return json.dumps(about | spread | accuracy | changes)


@pytest.mark.parametrize(
    ("other", "verdicts"),
    [
        (scores(20), ["{a} is better", "{b} is better"]),
        (scores(10.5), ["tie", "tie"]),
        (scores(20, n=50), ["not comparable", "not comparable"]),
        (scores(20, features_sha256="b"), ["not comparable", "not comparable"]),
    ],
)
def test_verdict_of_each_score(other, verdicts, tmp_path, capsys):
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    a.write_text(scores(10), encoding="utf-8")
    b.write_text(other, encoding="utf-8")
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
        ("cddmp cddpm", "cddmp.json: no such file; did you mean 'cddpm'?"),
        ("cddpm none.json", "none.json: no such file"),
        ("cddpm cddpm --score fd_clasifier", "'fd_clasifier'; did you mean 'fd_classifier'?"),
    ],
)
@pytest.mark.usefixtures("metrics")
def test_what_there_is_not_cannot_be_compared(line, message, command, capsys):
    assert command(f"compare {line}") == 1
    assert message in capsys.readouterr().err


# doctor


def test_packages_out_of_range_or_absent_are_missing(tmp_path):
    wanted = '["numpy>=99", "no-such-package-as-this>=1", "scipy>=1.0"]'
    (tmp_path / "pyproject.toml").write_text(
        f'[project]\nrequires-python = ">=3.99"\ndependencies = {wanted}\n', encoding="utf-8"
    )
    (tmp_path / "requirements.txt").write_text("scipy==0.1  # pinned\n", encoding="utf-8")
    found = list(installation.packages(tmp_path))
    missing = [finding.what for finding in found if finding.state == "missing"]
    assert missing[0].startswith("Python 3.")
    assert missing[1].startswith(f"package numpy {np.__version__}: expected >=99")
    assert missing[2:] == ["package no-such-package-as-this: not installed"]
    assert any(f.state == "note" and "scipy" in f.what and f.what.endswith("not 0.1") for f in found)


def test_this_installation_is_within_its_ranges(root):
    assert not [finding for finding in installation.packages(root) if finding.state == "missing"]


def test_sources_are_looked_for_where_the_download_would(tmp_path, monkeypatch):
    archive = Archive(kind="archive", file="pets.zip", sha256="0" * 64, urls=[])
    found = {"pets": archive, "mine": Folder(kind="folder", path="none"), "cub": Known(kind="cub")}
    monkeypatch.delenv("THIRTYTWO_MIRROR", raising=False)
    pets, mine, cub = places.sources(tmp_path, found, network=False)
    assert (pets.state, mine.state, cub.state) == ("missing", "missing", "note")
    assert "data.caltech.edu" in cub.what
    assert "000000000000-pets.zip" in pets.do
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/pets.zip").write_bytes(b"another")
    monkeypatch.setenv("THIRTYTWO_MIRROR", str(tmp_path / "mirror"))
    (pets,) = places.sources(tmp_path, {"pets": archive}, network=False)
    assert pets.state == "missing"
    assert "pets.zip has sha256" in pets.what
    own = replace_sha256(archive, tmp_path / "mirror/pets.zip")
    (pets,) = places.sources(tmp_path, {"pets": own}, network=False)
    assert pets.state == "ok"


def replace_sha256(archive: Archive, path: Path) -> Archive:
    # by coreutils, not by the code under test
    found = subprocess.run(["sha256sum", path], check=True, capture_output=True, text=True).stdout.split()[0]
    return archive.model_copy(update={"sha256": found})


def test_an_address_that_does_not_answer_is_missing(tmp_path, monkeypatch):
    monkeypatch.delenv("THIRTYTWO_MIRROR", raising=False)
    (file,) = KNOWN["cifar10"]
    monkeypatch.setitem(KNOWN, "cifar10", (replace(file, urls=("http://127.0.0.1:9/nothing",)),))
    (found,) = places.sources(tmp_path, {"cifar10": Known(kind="cifar10")}, network=True)
    assert found.state == "missing"
    assert "127.0.0.1:9/nothing: " in found.what


def test_room_is_needed_for_what_is_still_to_come(tmp_path, monkeypatch):
    known = {"cub": Known(kind="cub")}
    monkeypatch.setattr(places.shutil, "disk_usage", lambda path: type("usage", (), {"free": 3 * 2**30}))
    assert places.space(tmp_path, known).state == "missing"  # 1.15 GB, three times
    (tmp_path / "data/raw/cub").mkdir(parents=True)
    (tmp_path / "data/raw/cub/archive").touch()
    assert places.space(tmp_path, known).state == "ok"


def test_leftovers_of_interrupted_work(tmp_path):
    for name in ("data/downloads/x.part", "data/samples/.vae.npz.1.tmp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    part, temporary = doctor.leftovers(tmp_path)
    assert "data/downloads/x.part" in part.what
    assert "data/samples/.vae.npz.1.tmp" in temporary.what


def test_stale_stages_are_those_of_dvc_status(tmp_path):
    assert doctor.stale(tmp_path).state == "missing"  # no repository
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = True\n", encoding="utf-8")
    stages = "stages:\n  copy: {cmd: cp a b, deps: [a], outs: [b]}\n"
    (tmp_path / "dvc.yaml").write_text(stages, encoding="utf-8")
    (tmp_path / "a").write_text("a", encoding="utf-8")
    found = doctor.stale(tmp_path)
    assert (found.state, found.what, found.do) == ("note", "1 stages are stale: copy", "dvc repro")


def test_doctor_ends_with_1_where_something_is_missing(command, project, root, monkeypatch, capsys):
    for name in ("pyproject.toml", "requirements.txt"):
        (project / name).write_bytes((root / name).read_bytes())
    monkeypatch.setattr(doctor, "stale", lambda folder: doctor.Finding("ok", "every stage is up to date"))
    assert command("doctor") == 0
    told = capsys.readouterr().out
    assert "params.yaml: 4 runs on 1 data sets" in told
    assert "source digits5k: can be had here" in told
    values = params(root)
    values["vae"]["beta"] = "1.2"
    with (project / "params.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(values, file)
    try:
        assert command("doctor") == 1
    finally:
        write(params(root), project)
    assert "missing params.yaml: vae.beta: expected a number, got the text '1.2'" in capsys.readouterr().out


# the command itself


def test_help_comes_without_importing_torch():
    program = (
        "import sys; from thirtytwo.cli.main import main\ntry: main(['--help'])\nfinally: print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "doctor" in done.stdout
    assert done.stdout.endswith("False\n")
