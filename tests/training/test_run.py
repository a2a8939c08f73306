"""Several trainings of a run, by the stages."""

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
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from staging import run_stage, set_up_one_run
from thirtytwo.core.weights import load_weights, serialise
from thirtytwo.runtime.errors import ParamsError, Stopped, TrainingError
from thirtytwo.settings.configs import load_yaml, write_yaml

pytestmark = pytest.mark.usefixtures("one_thread")

# The stages


class Watch:
    """Stands in for the signals: counts the steps, and stops or dies at one of them."""

    def __init__(self) -> None:
        self.steps, self.stop_at, self.die_at = 0, 0, 0

    def exit_code(self) -> int:
        self.steps += 1
        if self.steps == self.die_at:
            raise InterruptedError
        return 143 if self.steps == self.stop_at else 0

    def release(self) -> None:
        pass


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
        replaced = {"set_up": lambda compute: torch.device("cpu")}
        if name == "train":
            replaced["StopSignals"] = lambda: watch or Watch()
        run_stage(name, self.folder, "vae", **replaced)

    def made(self) -> dict[str, str]:
        """sha256 of all that the stages have made."""
        paths = [p for top in ("data", "plots", "scores") for p in (self.folder / top).rglob("*.*") if p.is_file()]
        return {str(p.relative_to(self.folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}

    def checkpoints(self) -> list[Path]:
        return [path for path in (self.folder / ".dvc/checkpoints/vae").iterdir() if path.is_dir()]

    def scores(self) -> Any:
        values = json.loads((self.folder / "scores/train/vae.json").read_text())
        return {name: value for name, value in values.items() if name != "checksum"}


@pytest.fixture
def project(tmp_path: Path, params: Any, write_params: Callable[[Any], Path], root: Path) -> Project:
    return Project(tmp_path, params, write_params, root)


def test_a_training_seed_trains_what_its_seed_trains_alone(project: Project):
    project.stage("train")
    models = project.folder / "data/models/vae"
    together, scores = [p.read_bytes() for p in sorted(models.iterdir())], project.scores()
    curve = (project.folder / "plots/train/vae.csv").read_bytes()
    alone, terms = [], []
    for place in range(3):
        project.change(seeds=1, seed=project.seed + place)
        project.stage("train")
        assert [p.name for p in models.iterdir()] == ["0.pt"]
        alone.append((models / "0.pt").read_bytes())
        terms.append(project.scores())
        if len(alone) == 1:
            assert (project.folder / "plots/train/vae.csv").read_bytes() == curve
    assert together == alone
    assert len(set(alone)) == 3
    assert [scores["seeds"], scores["steps"], terms[0]["seeds"]] == [3, STEPS, 1]
    assert all(isinstance(value, int | float) for value in terms[0].values())  # without interval
    values = [one["validation_reconstruction"] for one in terms]
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert scores["validation_reconstruction"] == {
        "value": pytest.approx(np.mean(values), rel=1e-5),
        "low": pytest.approx(expected.low, rel=1e-4),
        "high": pytest.approx(expected.high, rel=1e-4),
    }


def test_stopped_or_killed_in_any_training_ends_as_if_never_stopped(project: Project):
    project.stage("train")
    undisturbed = project.made()
    assert not project.checkpoints()
    # steps: in the first training, its last, in the second, in the third; saved up to there, of a kill every second
    for at, how, saved in [(3, "stop", 3), (STEPS, "stop", STEPS), (8, "die", STEPS + 2), (14, "die", 2 * STEPS + 2)]:
        shutil.rmtree(project.folder / "data/models")
        shutil.rmtree(project.folder / "scores")
        watch = Watch()
        setattr(watch, f"{how}_at", at)
        with pytest.raises(Stopped if how == "stop" else InterruptedError):
            project.stage("train", watch)
        assert not (project.folder / "data/models").exists()
        again = Watch()
        project.stage("train", again)
        assert again.steps == 3 * STEPS - saved
        assert project.made() == undisturbed
        assert not project.checkpoints()


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
    with pytest.raises(TrainingError, match=rf"training 1 \(seed {seed}\): loss is nan at step 4"):
        project.stage("train", watch)
    monkeypatch.undo()
    again = Watch()
    project.stage("train", again)
    assert again.steps == 3 * STEPS - STEPS - 4


def test_each_model_draws_from_the_noise_of_its_seed_and_the_first_alone_is_looked_into(project: Project):
    project.stage("train")
    samples, models = project.folder / "data/samples/vae", project.folder / "data/models/vae"
    saved = load_weights(models / "0.pt", torch.device("cpu"))
    for name, value in saved["modules"].items():
        if name.startswith("decoder"):
            value.mul_(3)  # after five steps, images hardly depend on the code
    for place in range(3):  # only the noise differs
        (models / f"{place}.pt").write_bytes(serialise(saved))
    samples.mkdir(parents=True)
    (samples / "7.npz").touch()  # of a time with more seeds
    project.stage("sample")
    assert sorted(p.name for p in samples.iterdir()) == ["0.npz", "1.npz", "2.npz"]
    images = [np.load(samples / f"{place}.npz")["images"] for place in range(3)]
    assert all((images[a] != images[b]).any(axis=(1, 2, 3)).all() for a, b in ((0, 1), (0, 2), (1, 2)))
    of_first = {name: digest for name, digest in project.made().items() if "probes" in name or "plots/samples" in name}
    project.change(seeds=1)
    project.stage("sample")
    assert [p.name for p in samples.iterdir()] == ["0.npz"]
    assert of_first
    assert of_first.items() <= project.made().items()
    assert (np.load(samples / "0.npz")["images"] == images[0]).all()
    project.change(seed=project.seed + 2)
    project.stage("sample")
    assert (np.load(samples / "0.npz")["images"] == images[2]).all()
    assert pd.read_csv(project.folder / "plots/train/vae.csv")["step"].tolist() == list(range(1, STEPS + 1))


def test_a_copy_of_the_project_resumes_from_checkpoints_beside_the_shared_cache(project: Project, tmp_path: Path):
    project.stage("train")
    undisturbed = project.made()
    watch = Watch()
    watch.stop_at = 8
    with pytest.raises(Stopped):
        project.stage("train", watch)
    copy = tmp_path / ".dvc/tmp/exps/copy"
    for name in ("configs", "data/prepared"):
        shutil.copytree(project.folder / name, copy / name)
    (copy / ".no-parent").touch()
    (copy / ".dvc").mkdir()
    (copy / ".dvc/config.local").write_text(f"[cache]\n    dir = {project.folder}/.dvc/cache\n", encoding="utf-8")
    again = Watch()
    run_stage("train", copy, "vae", set_up=lambda compute: torch.device("cpu"), StopSignals=lambda: again)
    assert again.steps == 3 * STEPS - 8
    made = [name for name in undisturbed if name.startswith(("data/models", "plots", "scores"))]
    assert made
    for name in made:
        assert hashlib.sha256((copy / name).read_bytes()).hexdigest() == undisturbed[name]
    assert not project.checkpoints()


def test_checkpoints_of_other_settings_are_kept_and_not_used(project: Project, capsys: pytest.CaptureFixture[str]):
    watch = Watch()
    watch.stop_at = 8
    with pytest.raises(Stopped):
        project.stage("train", watch)
    (left,) = project.checkpoints()
    project.change(seed=project.seed + 10)
    again = Watch()
    project.stage("train", again)
    assert len(json.loads((project.folder / "logs/train/vae.json").read_text())["machines"]) == 1
    assert again.steps == 3 * STEPS
    assert "training starts afresh" in capsys.readouterr().out
    assert project.checkpoints() == [left]


def test_the_curve_grows_while_training_goes_on(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("thirtytwo.training.curves._INTERVAL", 0.0)
    path, seen = project.folder / "plots/train/vae.csv", []

    class Reader(Watch):
        def exit_code(self) -> int:
            seen.append(path.read_bytes())
            return super().exit_code()

    project.stage("train", Reader())
    final = path.read_bytes()
    assert [text.count(b"\n") for text in seen[:STEPS]] == [2, 3, 4, 5, 6]  # the header and a row a step
    assert all(final.startswith(text) for text in seen)  # the curve is that of the first training


def test_event_files_hold_the_curves_once_though_the_training_was_stopped(
    project: Project, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("THIRTYTWO_LOG", "tensorboard")
    stopped = Watch()
    stopped.stop_at = 3
    with pytest.raises(Stopped):
        project.stage("train", stopped)
    project.stage("train")
    events = EventAccumulator(str(project.folder / "logs/tensorboard/vae/0")).Reload()
    rows = pd.read_csv(project.folder / "plots/train/vae.csv")
    points = events.Scalars("train/loss")
    assert [point.step for point in points] == rows["step"].tolist()
    assert [point.value for point in points] == pytest.approx(rows["loss"].tolist(), rel=1e-4)
    assert [point.step for point in events.Scalars("validation/reconstruction")] == [STEPS]


def test_an_unknown_log_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("THIRTYTWO_LOG", "tensorbord")
    with pytest.raises(ParamsError, match=r"THIRTYTWO_LOG: .*'tensorbord'"):
        project.stage("train")
