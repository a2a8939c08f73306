"""Several trainings of a run: their interval, how their scores become one, and the stages that make them."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from staging import set_up_one_run, stage
from thirtytwo.core.intervals import mean_and_interval
from thirtytwo.evaluate.training_seeds import over_seeds, seed_files, seed_table
from thirtytwo.runtime.errors import EvaluationError, TrainingError
from thirtytwo.settings.configs import load_yaml, write_yaml
from thirtytwo.training.loop import Stopped

pytestmark = pytest.mark.usefixtures("one_thread")

# The interval


def test_interval_of_three_by_the_printed_table():
    # 4.303 is t for 0.975 and 2 degrees of freedom in any table; mean 2, standard deviation 1
    found = mean_and_interval([{"a": 1.0}, {"a": 2.0}, {"a": 3.0}])
    assert found["a"] == 2
    half = 4.303 / np.sqrt(3)
    assert [found["a_low"], found["a_high"]] == pytest.approx([2 - half, 2 + half], rel=1e-3)


@pytest.mark.parametrize("m", [2, 3, 7])
def test_interval_is_that_of_the_one_sample_t_test(m: int):
    values = np.random.default_rng(m).gamma(2.0, size=m)
    found = mean_and_interval([{"a": value} for value in values])
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert [found["a_low"], found["a_high"]] == pytest.approx([expected.low, expected.high], rel=1e-12)


def test_interval_holds_the_truth_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(5.0, 2.0, (3, 4000))
    found = mean_and_interval([{str(i): value for i, value in enumerate(row)} for row in draws])
    share = np.mean([found[f"{i}_low"] <= 5 <= found[f"{i}_high"] for i in range(4000)])
    assert share == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / 4000))


# The scores


def row(fd: float, **changes: Any) -> dict[str, Any]:
    return {
        "fd_classifier": fd, "fd_classifier_low": fd - 0.1, "fd_classifier_high": fd + 0.1, "n": 2000, "classes": 5,
        "modes_covered": 5, "mean_confidence": 0.5, "features_sha256": "ab", "fd_classifier_floor": 0.04,
        "fd_classifier_floor_low": 0.02, "fd_classifier_floor_n": 2000, "fd_classifier_floor_same_n": True,
    } | changes  # fmt: skip


def test_one_training_keeps_its_scores_and_their_intervals():
    found = over_seeds([row(6.0)], {"mig": 0.1})
    assert found == row(6.0) | {"mig": 0.1, "seeds": 1, "interval_over": "samples"}


def test_scores_are_means_and_the_protocol_stays():
    found = over_seeds(
        [row(6.0), row(7.0, modes_covered=4), row(8.0)], {"mig": 0.1, "mig_low": 0.05, "mig_n": 9, "batch_norm": "none"}
    )
    half = stats.t.ppf(0.975, 2) / np.sqrt(3)
    assert found["fd_classifier"] == pytest.approx(7)
    assert [found["fd_classifier_low"], found["fd_classifier_high"]] == pytest.approx([7 - half, 7 + half])
    assert found["modes_covered"] == pytest.approx(14 / 3)
    assert (found["mean_confidence"], found["mean_confidence_low"]) == (0.5, 0.5)
    same = [key for key in row(0.0) if "_floor" in key] + ["n", "classes", "features_sha256"]
    assert {key: found[key] for key in same} == {key: row(0.0)[key] for key in same}
    assert not [key for key in found if key.startswith(("n_", "classes_"))]
    assert found["interval_over"] == "training seeds"
    assert found["seeds"] == 3
    assert found["first_seed_only"] == "mig"
    assert found["mig"] == 0.1


def test_a_score_that_one_training_lacks_is_none_with_the_reason():
    lacking = row(7.0, infinity=None, infinity_reason="N is too small")
    found = over_seeds([row(6.0, infinity=5.5, infinity_low=5.4, infinity_high=5.6), lacking], {})
    assert [found[f"infinity{end}"] for end in ("", "_low", "_high")] == [None, None, None]
    assert found["infinity_reason"] == "N is too small"


@pytest.mark.parametrize(("key", "other"), [("n", 1000), ("features_sha256", "cd"), ("fd_classifier_floor", 0.05)])
def test_scores_of_different_protocols_are_refused(key: str, other: object):
    with pytest.raises(EvaluationError, match=f"{key}: .* for training seed 0 and {other} for training seed 1"):
        over_seeds([row(6.0), row(7.0, **{key: other})], {})


def test_trainings_with_different_diagnoses_are_undecided():
    well = {"diagnosis": "healthy", "diagnosis_reason": "All is well."}
    bad = {"diagnosis": "collapsed", "diagnosis_reason": "It covers 1 of 5 classes."}
    assert over_seeds([row(6.0, **well), row(7.0, **well)], {})["diagnosis"] == "healthy"
    found = over_seeds([row(6.0, **well), row(99.0, **bad)], {})
    assert found["diagnosis"] == "undecided"
    assert found["diagnosis_reason"] == "Training seeds differ: 0 healthy, 1 collapsed."


def test_table_has_a_row_a_training_and_a_column_a_score():
    table = seed_table([row(6.0), row(7.0)])
    assert list(table.columns) == ["seed", "fd_classifier", "modes_covered", "mean_confidence"]
    assert table["seed"].tolist() == [0, 1]
    assert table["fd_classifier"].tolist() == [6.0, 7.0]


@pytest.mark.parametrize(
    ("there", "got"),
    [((), "no file"), (("0",), "0.npz;"), (("0", "2"), "0.npz, 2.npz;"), (("0", "1", "2"), "0.npz, 1.npz, 2.npz;")],
)
def test_missing_or_further_files_of_samples_are_refused(there: tuple[str, ...], got: str, tmp_path: Path):
    for name in there:
        (tmp_path / f"{name}.npz").touch()
    with pytest.raises(EvaluationError, match=r"expected 0\.npz, 1\.npz \(seeds: 2\), got ") as caught:
        seed_files(tmp_path, 2)
    assert got in str(caught.value)
    assert "\n" not in str(caught.value)
    if not there:
        assert seed_files(tmp_path, 0) == []


# The stages


class Watch:
    """Stands in for `StopSignals`: counts the steps, and stops or dies at one of them."""

    def __init__(self) -> None:
        self.steps, self.stop_at, self.die_at = 0, 0, 0

    def exit_code(self) -> int:
        self.steps += 1
        if self.steps == self.die_at:
            raise InterruptedError
        return 143 if self.steps == self.stop_at else 0


STEPS = 5


class Project:
    """A folder in which the stages of a small VAE can run."""

    def __init__(self, folder: Path, params: Any, write: Callable[[Any], Path], root: Path) -> None:
        self.folder, self.root, self.seed = folder, root, params["seed"]
        params["vae"] |= {"steps": STEPS, "epochs": 0, "batch_size": 4, "width": 2, "latent_dim": 3, "checkpoint_every": 2,
                          "validate_every": 5, "snapshot_every": 0}  # fmt: skip
        params["vae"]["sample"] |= {"components": 1, "bound_images": 2, "bound_samples": 1}
        set_up_one_run(folder, params, write, "vae", params["runs"]["vae"] | {"seeds": 3}, sources={})

    def change(self, **settings: int) -> None:
        """Changes top-level settings of the resolved files of all stages."""
        for path in (self.folder / "configs").glob("*/vae.yaml"):
            write_yaml(path, load_yaml(path) | settings)

    def stage(self, name: str, watch: Watch | None = None) -> None:
        """Runs a stage's main."""
        module = stage(name, self.root, self.folder)
        module.set_up = lambda compute: torch.device("cpu")
        module.StopSignals = lambda: watch or Watch()
        module.main("vae")

    def made(self) -> dict[str, str]:
        """sha256 of all that the stages have made."""
        paths = [p for top in ("data", "metrics", "plots") for p in (self.folder / top).rglob("*.*") if p.is_file()]
        return {str(p.relative_to(self.folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}

    def metrics(self) -> Any:
        return json.loads((self.folder / "metrics/train/vae.json").read_text())


@pytest.fixture
def project(tmp_path: Path, params: Any, write_params: Callable[[Any], Path], root: Path) -> Project:
    return Project(tmp_path, params, write_params, root)


def test_a_training_seed_trains_what_its_seed_trains_alone(project: Project):
    project.stage("train")
    models = project.folder / "data/models/vae"
    together, metrics = [p.read_bytes() for p in sorted(models.iterdir())], project.metrics()
    curve = (project.folder / "plots/train/vae.csv").read_bytes()
    alone, terms = [], []
    for place in range(3):
        project.change(seeds=1, seed=project.seed + place)
        project.stage("train")
        assert [p.name for p in models.iterdir()] == ["0.pt"]
        alone.append((models / "0.pt").read_bytes())
        terms.append(project.metrics())
        if len(alone) == 1:
            assert (project.folder / "plots/train/vae.csv").read_bytes() == curve
    assert together == alone
    assert len(set(alone)) == 3
    assert [metrics["seeds"], metrics["steps"], terms[0]["seeds"]] == [3, STEPS, 1]
    assert not [key for key in terms[0] if key.endswith(("_low", "_high"))]
    values = [one["validation_reconstruction"] for one in terms]
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert metrics["validation_reconstruction"] == pytest.approx(np.mean(values), rel=1e-5)
    assert metrics["validation_reconstruction_low"] == pytest.approx(expected.low, rel=1e-4)
    assert metrics["validation_reconstruction_high"] == pytest.approx(expected.high, rel=1e-4)


def test_stopped_or_killed_in_any_training_ends_as_if_never_stopped(project: Project):
    project.stage("train")
    undisturbed = project.made()
    assert not (project.folder / "checkpoints/vae").exists()
    # steps: in the first training, its last, in the second, in the third; saved up to there, of a kill every second
    for at, how, saved in [(3, "stop", 3), (STEPS, "stop", STEPS), (8, "die", STEPS + 2), (14, "die", 2 * STEPS + 2)]:
        shutil.rmtree(project.folder / "data/models")
        shutil.rmtree(project.folder / "metrics")
        watch = Watch()
        setattr(watch, f"{how}_at", at)
        with pytest.raises(Stopped if how == "stop" else InterruptedError):
            project.stage("train", watch)
        assert not (project.folder / "data/models").exists()
        again = Watch()
        project.stage("train", again)
        assert again.steps == 3 * STEPS - saved
        assert project.made() == undisturbed
        assert not (project.folder / "checkpoints/vae").exists()


def test_a_training_that_fails_is_named_and_the_finished_ones_are_kept(
    project: Project, monkeypatch: pytest.MonkeyPatch
):
    from thirtytwo.models.autoencoder.model import Autoencoder

    watch, loss = Watch(), Autoencoder.validate

    def broken(self: Autoencoder, *batch: Any) -> Any:
        if watch.steps >= STEPS:
            raise TrainingError("loss is nan at step 4")
        return loss(self, *batch)

    monkeypatch.setattr(Autoencoder, "validate", broken)
    seed = project.seed + 1
    with pytest.raises(TrainingError, match=rf"training seed 1 \(seed {seed}\): loss is nan at step 4"):
        project.stage("train", watch)
    monkeypatch.undo()
    again = Watch()
    project.stage("train", again)
    assert again.steps == 3 * STEPS - STEPS - 4


def test_each_model_draws_from_the_same_noise_and_the_first_alone_is_looked_into(project: Project):
    project.stage("train")
    samples, models = project.folder / "data/samples/vae", project.folder / "data/models/vae"
    shutil.copy(models / "0.pt", models / "2.pt")
    samples.mkdir(parents=True)
    (samples / "7.npz").touch()  # of a time with more seeds
    project.stage("sample")
    assert sorted(p.name for p in samples.iterdir()) == ["0.npz", "1.npz", "2.npz"]
    images = [np.load(samples / f"{place}.npz")["images"] for place in range(3)]
    assert (images[0] == images[2]).all()
    assert (images[0] != images[1]).any()
    of_first = {name: digest for name, digest in project.made().items() if "probes" in name or "plots/samples" in name}
    project.change(seeds=1)
    project.stage("sample")
    assert [p.name for p in samples.iterdir()] == ["0.npz"]
    assert of_first
    assert of_first.items() <= project.made().items()
    assert pd.read_csv(project.folder / "plots/train/vae.csv")["step"].tolist() == list(range(1, STEPS + 1))
