"""`thirtytwo sample` against the stage `sample`: equal images for equal settings."""

import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from cli_project import RUNS, SEED, configure, params
from staging import run_stage
from thirtytwo.cli.main import main
from thirtytwo.core.weights import load_weights, serialise
from thirtytwo.data.batches import to_uint8
from thirtytwo.models.build import load
from thirtytwo.sampling.diffusion.generate import generate
from thirtytwo.settings.families import read_sample, read_train


@pytest.mark.parametrize("run", RUNS)
def test_images_equal_those_of_the_stage(run, command, project, tmp_path):
    out = tmp_path / "arrays.npz"
    assert command(f"sample {run} --n 53 --seed {SEED} {RUNS[run]} --out {out}") == 0
    with np.load(out) as ours, np.load(project.samples(run)) as stages:
        assert len(np.unique(stages["images"])) > 50
        assert not np.array_equal(stages["images"][0], stages["images"][3])  # of one class
        for key in ("images", "labels", "index"):
            np.testing.assert_array_equal(ours[key], stages[key][:53])


@pytest.mark.parametrize("run", ["dcgan", "cvae", "cddpm", "lddpm"])
def test_parts_of_a_drawing_are_the_images_of_the_stage(run, command, project, tmp_path):
    parts = []
    for first, count in ((0, 20), (20, 33)):
        out = tmp_path / f"{first}.npz"
        assert command(f"sample {run} --n {count} --first {first} --seed {SEED} {RUNS[run]} --out {out}") == 0
        parts.append(dict(np.load(out)))
    with np.load(project.samples(run)) as stages:
        for key in ("images", "labels", "index"):
            np.testing.assert_array_equal(np.concatenate([part[key] for part in parts]), stages[key][:53])


def test_files_of_a_part_are_named_by_index_and_labels_take_their_turn(command, tmp_path):
    assert command(f"sample cvae --n 2 --first 51 --labels two,0 --out {tmp_path / 'folder'}") == 0
    names = {f"{path.parent.name}/{path.name}" for path in (tmp_path / "folder").rglob("*.png")}
    assert names == {"zero/00051.png", "two/00052.png"}


def test_omitted_options_keep_the_settings_of_the_run(command, project, tmp_path):
    path = project.samples("cddpm")
    before = path.read_bytes()
    run_stage("sample", project.root, "cddpm")
    with np.load(path) as stages:
        images = stages["images"]
    path.write_bytes(before)
    assert command(f"sample cddpm --n 5 --out {tmp_path / 'arrays.npz'}") == 0
    with np.load(tmp_path / "arrays.npz") as ours:
        np.testing.assert_array_equal(ours["images"], images[:5])


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler for a CPU")
def test_compiled_networks_draw_the_same_images_up_to_rounding(project):
    trained, path = read_train("dcgan", project), project.model("dcgan")
    plain, compiled = (load(trained, path, "raw", torch.device("cpu"), compiled=value) for value in (False, True))
    z = torch.randn(4, *plain.latent_shape, generator=torch.Generator().manual_seed(0))
    torch._dynamo.utils.counters.clear()
    expected, got = plain.draw(z, None), compiled.draw(z, None)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-4)


def test_labels_alternate_and_name_the_folders(command, tmp_path):
    assert command(f"sample cvae --n 5 --labels two,0 --out {tmp_path / 'arrays.npz'}") == 0
    assert command(f"sample cvae --n 5 --labels two,0 --out {tmp_path / 'folder'}") == 0
    with np.load(tmp_path / "arrays.npz") as file:
        images, labels = file["images"], file["labels"]
    assert labels.tolist() == [2, 0, 2, 0, 2]
    files = sorted((tmp_path / "folder").rglob("*.png"), key=lambda path: path.stem)
    assert [f"{p.parent.name}/{p.name}" for p in files[:2]] == ["two/00000.png", "zero/00001.png"]
    np.testing.assert_array_equal(np.stack([np.asarray(Image.open(path)) for path in files]), images[..., 0])


def test_images_without_a_label_are_those_of_guidance_that_cancels_it(command, project, tmp_path):
    out = tmp_path / "arrays.npz"
    assert command(f"sample cddpm --n 5 --seed {SEED} --labels none --out {out}") == 0
    trained, sample = read_train("cddpm", project), read_sample("cddpm", project).sample
    model = load(trained, project.model("cddpm"), sample.weights, torch.device("cpu"), compiled=False)
    images = generate(
        model.classifier_free_guidance(-1.0), model.schedule, sample, seed=SEED, indices=range(5),
        labels=torch.arange(5) % 3, shape=model.shape, device=torch.device("cpu"),
    )  # fmt: skip
    with np.load(out) as file:
        assert (file["labels"] == -1).all()
        np.testing.assert_array_equal(file["images"], to_uint8(images).numpy())


def test_grid_contains_all_images(command, tmp_path):
    assert command(f"sample dcgan --n 5 --out {tmp_path / 'grid.png'}") == 0
    assert Image.open(tmp_path / "grid.png").size == (2 * (3 * 33 + 1), 2 * (2 * 33 + 1))  # three columns, two rows


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("dcgan --sampler ddim", "--sampler: 'dcgan' .*--weights"),
        ("dcgan --training-seed 1", "--training-seed: 1; expected 0 to 0"),
        ("dcgan --labels 1", "--labels: 'dcgan'"),
        ("cvae --labels none", "--labels none: 'cvae' draws only with labels"),
        ("dcgan --labels none", "--labels none: 'dcgan' draws only with labels"),
        ("cvae --labels three", "--labels: .*'three'; expected one of: zero, one, two"),
        ("cvae --labels on", r"--labels: .*'on'; did you mean 'one'\?"),
        ("cvae --labels 3", "--labels: .*'3'"),
        pytest.param("cvae --labels " + "9" * 5000, "--labels: unknown class '9+'", id="a label of 5000 digits"),
        ("cddmp", r"cddmp.*; did you mean 'cddpm'\?"),
        ("cddpm --sampler dimm", r"--sampler: .*'dimm'; did you mean 'ddim'\?"),
        ("cddpm --steps 0", "--steps: .*>= 1 and <= 10000, got 0"),
        ("cddpm --steps 1001", r"sample\.steps: expected 1 to 1000"),
        ("cddpm --sampler heun --eta 0.5", r"--eta: 0\.5 .*heun"),
        ("dcgan --weights ema --out x.jpg", r"--out: .*x\.jpg; expected \.png, \.npz"),
        ("dcgan --out .", r"--out: \. "),
    ],
)
def test_invalid_option_is_rejected_in_one_line(line, message, command, tmp_path, capsys):
    out = "" if "--out" in line else f"--out {tmp_path / 'grid.png'}"
    assert command(f"sample {line} {out}") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert re.search(message, error)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("run", "key", "value", "options", "message"),
    [
        ("cddpm", "label_dropout", 0.0, "--guidance 1.5", "label_dropout 0.0"),
        ("dcgan", "width", 16, "", "`dvc repro train@dcgan`"),
    ],
)
def test_model_with_other_settings_is_rejected(
    run, key, value, options, message, command, root, project, capsys, tmp_path
):
    values = params(root)
    values[run][key] = value
    configure(project, values)
    try:
        assert command(f"sample {run} {options} --out {tmp_path / 'grid.png'}") == 1
    finally:
        configure(project, params(root))
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("run", "channels", "code"), [("cvae", 0.5, 1), ("cddpm", True, 0)])
def test_channels_of_weights_are_a_whole_number(run, channels, code, command, project, tmp_path, capsys):
    """Python takes True for 1, but numpy takes no shape with it."""
    path = project.model(run)
    right = path.read_bytes()
    try:
        path.write_bytes(serialise(load_weights(path, torch.device("cpu")) | {"channels": channels}))
        assert command(f"sample {run} --n 1 --out {tmp_path / 'grid.png'}") == code
    finally:
        path.write_bytes(right)
    error = capsys.readouterr().err
    assert (f"expected weights of the network in configs/train/{run}.yaml" in error) == bool(code)


def test_outside_a_project(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["sample", "vae", "--out", "grid.png"]) == 1
    assert "dvc.yaml" in capsys.readouterr().err
