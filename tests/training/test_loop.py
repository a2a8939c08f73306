"""The loop: exact resume, budgets, EMA, clipping, faults."""

import functools
import hashlib
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from thirtytwo.data.batches import ImageSet
from thirtytwo.models.build import build
from thirtytwo.models.contract import Batch, Phase
from thirtytwo.runtime.errors import TrainingError
from thirtytwo.settings.autoencoder import AutoencoderSettings
from thirtytwo.settings.gan import GANSettings
from thirtytwo.settings.training import Model, TrainSettings
from thirtytwo.training import checkpoints
from thirtytwo.training.loop import State, Stopped, initialise, snapshots, train

pytestmark = pytest.mark.usefixtures("one_thread")

COMMON = {
    "steps": 12, "epochs": 0, "batch_size": 8, "lr": 1e-3, "betas": [0.5, 0.9], "clip_norm": 1.0,
    "horizontal_flip": True, "ema_decay": 0.9, "validate_every": 4, "checkpoint_every": 5,
    "snapshot_every": 5,
}  # fmt: skip
GAN = GANSettings(
    **COMMON, loss="wgan_gp", latent_dim=4, width=4, discriminator_width=0, activation="relu", batch_norm=True, init_std=0.0, penalty=10.0, penalty_every=1, init_mean=0.0,
    multipliers=[1, 1, 1], real_target=1.0, fake_target=0.0, input_noise=0.1, conditional=True, label_channels=2, generator_every=3,
    lr_decay="linear", decay_steps={"discriminator": 100, "generator": 30},
)  # fmt: skip
VAE = AutoencoderSettings(
    **COMMON, variational=True, likelihood="gaussian", beta=1.0, beta_schedule="linear", latent_dim=4, width=4
)
RUNS = {"gan": ("gan", "resnet_gan", GAN), "vae": ("autoencoder", "conv_vae", VAE)}


@pytest.fixture(scope="module")
def data() -> ImageSet:
    rng = np.random.default_rng(0)
    return ImageSet(
        rng.integers(0, 256, (60, 32, 32, 3), dtype=np.uint8), rng.integers(0, 2, 60), np.r_[np.zeros(45), np.ones(15)],
        ("a", "b"), np.zeros((60, 0), np.float32), (),
    )  # fmt: skip


def run(
    name: str, data: ImageSet, folder: Path, stop_at: int | None = None, train_on: str = "train", **changes: object
) -> State:
    family, net, settings = RUNS[name]
    settings = settings.model_copy(update=changes)
    calls = iter(range(1, 10_000))
    return train(
        initialise(lambda: build(Model(family=family, net=net, settings=settings), 3, 2), seed=5), data, settings, train_on=train_on, seed=5,
        device=torch.device("cpu"), precision="float32", folder=folder,
        exit_code=lambda: 143 if next(calls) == stop_at else 0,
    )  # fmt: skip


def digest(state: State) -> str:
    """Of every value in the state; the bytes of its pickle also depend on which strings happen to be one object."""
    total = hashlib.sha256()

    def add(value: object) -> None:
        if isinstance(value, dict):
            for key in value:
                total.update(repr(key).encode())
                add(value[key])
        elif isinstance(value, list | tuple):
            for item in value:
                add(item)
        elif isinstance(value, Tensor):
            total.update(value.numpy(force=True).tobytes())
        else:
            total.update(repr(value).encode())

    add(state.pack())
    return total.hexdigest()


@pytest.mark.parametrize("name", ["gan", "vae"])
def test_stopped_anywhere_and_resumed_is_equal_to_the_last_bit(name: str, data: ImageSet, tmp_path: Path) -> None:
    whole = digest(run(name, data, tmp_path / "whole"))
    for stop_at in (1, 5, 7, 12):
        folder = tmp_path / str(stop_at)
        with pytest.raises(Stopped) as stopped:
            run(name, data, folder, stop_at)
        assert stopped.value.code == 143
        assert digest(run(name, data, folder)) == whole


def test_other_seeds_give_other_weights(data: ImageSet, tmp_path: Path) -> None:
    one = run("vae", data, tmp_path / "a")
    family = initialise(lambda: build(Model(family="autoencoder", net="conv_vae", settings=VAE), 3, 2), seed=6)
    other = train(
        family, data, VAE, seed=6, device=torch.device("cpu"), precision="float32", folder=tmp_path / "b",
        exit_code=lambda: 0,
    )  # fmt: skip
    assert digest(one) != digest(other)


def test_an_epoch_sees_each_image_once_and_epochs_differ(data: ImageSet) -> None:
    from thirtytwo.training.loop import _batch

    images = torch.arange(45, dtype=torch.uint8)[:, None, None, None].expand(45, 32, 32, 3)
    settings = VAE.model_copy(update={"batch_size": 9, "horizontal_flip": False})
    batches = [_batch(images, torch.arange(45), settings, 1, step, 10) for step in range(10)]
    epochs = [torch.cat([b.labels for b in batches[:5]]), torch.cat([b.labels for b in batches[5:]])]
    for labels in epochs:
        assert sorted(labels.tolist()) == list(range(45))
    assert epochs[0].tolist() != epochs[1].tolist()
    assert [b.epoch for b in batches] == [0] * 5 + [1] * 5
    first = batches[0]
    torch.testing.assert_close(first.images[:, 0, 0, 0], first.labels / 127.5 - 1)


def test_flip_mirrors_about_half_of_the_images_left_to_right(data: ImageSet) -> None:
    from thirtytwo.training.loop import _batch

    ramp = torch.arange(32, dtype=torch.uint8)[None, None, :, None].expand(400, 32, 32, 1)
    settings = VAE.model_copy(update={"batch_size": 400, "horizontal_flip": True})
    left = _batch(ramp, torch.zeros(400, dtype=torch.int64), settings, 1, 0, 1).images[:, 0, 0, 0]
    share = (left > -1).float().mean().item()
    assert 0.4 < share < 0.6


def test_budget_in_epochs_drops_the_incomplete_batch(data: ImageSet, tmp_path: Path) -> None:
    state = run("vae", data, tmp_path, steps=0, epochs=2, validate_every=0)
    assert state.step == 2 * (45 // 8)
    assert [row["epoch"] for row in state.validation] == [1, 2]


def test_a_training_on_all_images_sees_the_held_out_ones(data: ImageSet, tmp_path: Path) -> None:
    state = run("vae", data, tmp_path, train_on="all", steps=0, epochs=2)
    assert state.step == 2 * (60 // 8)


def test_a_batch_larger_than_the_data_is_an_error(data: ImageSet, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="batch_size: 64 exceeds the 45 training images"):
        run("vae", data, tmp_path, batch_size=64)


class Scalar:
    """One parameter with the loss sum(scale * p): its gradient is known. Its buffer counts forward passes."""

    averaged = ("net",)

    def __init__(self, losses: list[float] | None = None) -> None:
        net = nn.Linear(1, 1, bias=False)
        net.register_buffer("count", torch.zeros((), dtype=torch.int64))
        nn.init.ones_(net.weight)
        self.modules, self.losses = nn.ModuleDict({"net": net}), losses

    def phases(self) -> list[Phase]:
        net = self.modules["net"]
        return [Phase("net", net, torch.optim.SGD(net.parameters(), lr=0.1), self.loss)]

    def loss(self, batch: Batch, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        net = self.modules["net"]
        net.count += 1
        loss = 10 * net.weight.sum()
        if self.losses and int(net.count) > 6:
            loss = loss * math.nan
        return loss, {"toy_loss": loss}

    def validate(self, batch: Batch, rng: torch.Generator) -> dict[str, Tensor]:
        return {"weight": self.modules["net"].weight.sum()}


def toy(data: ImageSet, folder: Path, family: Scalar, **changes: object) -> State:
    settings = TrainSettings(**(COMMON | {"lr": 0.1, "clip_norm": 0.0} | changes))
    return train(
        family, data, settings, seed=1, device=torch.device("cpu"), precision="float32", folder=folder,
        exit_code=lambda: 0,
    )  # fmt: skip


def test_clipping_limits_the_step_and_the_curve_shows_the_norm_before_it(data: ImageSet, tmp_path: Path) -> None:
    free = toy(data, tmp_path / "free", Scalar(), steps=1)
    assert free.family.modules["net"].weight.item() == pytest.approx(1 - 0.1 * 10, abs=1e-6)
    clipped = toy(data, tmp_path / "clipped", Scalar(), steps=1, clip_norm=0.5)
    assert clipped.family.modules["net"].weight.item() == pytest.approx(1 - 0.1 * 0.5, rel=1e-4)
    assert clipped.curve[0]["grad_norm_net"] == pytest.approx(10)


def test_averaged_generator_has_batch_norm_statistics_of_its_own(data: ImageSet, tmp_path: Path) -> None:
    """Against the mean and variance of the first BatchNorm's inputs, over far more noise; they do not depend on it."""
    state = run("gan", data, tmp_path, lr=0.1)  # so that averaged and raw weights differ
    seen: list[torch.Tensor] = []
    norm = state.ema["generator"].net.blocks[0].norm1
    norm.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    rng = torch.Generator().manual_seed(9)
    z, labels = torch.randn((20_000, 4), generator=rng), torch.randint(2, (20_000,), generator=rng)
    assert not state.ema.training
    with torch.no_grad():
        state.ema["generator"](z, labels)
    variance, mean = torch.var_mean(seen[0], (0, 2, 3))
    torch.testing.assert_close(norm.running_mean, mean, atol=0.1 * variance.max().sqrt().item(), rtol=0)
    torch.testing.assert_close(norm.running_var, variance, rtol=0.15, atol=0)
    raw = state.family.modules["generator"].net.blocks[0].norm1
    assert not torch.allclose(raw.running_var, variance, rtol=0.15)
    assert norm.momentum == raw.momentum
    last = snapshots(tmp_path, 12)[12]["generator"]
    assert all(torch.equal(value, last[name]) for name, value in state.ema["generator"].state_dict().items())


def test_ema_follows_its_recursion_and_copies_buffers(data: ImageSet, tmp_path: Path) -> None:
    state = toy(data, tmp_path, Scalar(), steps=4, ema_decay=0.3)
    average, weight = 1.0, 1.0
    for step in range(4):
        weight -= 0.1 * 10
        decay = min(0.3, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * weight
    assert state.ema["net"].weight.item() == pytest.approx(average, rel=1e-5)
    assert state.ema["net"].count.item() == 4
    assert state.ema["net"].count.dtype == torch.int64


def test_a_loss_that_is_not_finite_stops_with_step_and_term_and_keeps_the_good_checkpoint(
    data: ImageSet, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="toy_loss is nan at step 6"):
        toy(data, tmp_path, Scalar(losses=[math.nan]))
    packed = checkpoints.load_latest(tmp_path, torch.device("cpu"))
    assert packed is not None
    assert packed["step"] == 5
    assert torch.isfinite(packed["modules"]["net.weight"]).all()


WAITING = """
import sys, time
from thirtytwo.runtime.interrupt import StopSignals
signals = StopSignals()
print("ready", flush=True)
while not signals.exit_code():
    time.sleep(0.05)
sys.exit(signals.exit_code())
"""


@functools.cache
def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "src")}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_become_exit_codes(number: signal.Signals, code: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", WAITING], stdout=subprocess.PIPE, env=environment())
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    assert process.wait(10) == code


def test_tf32_is_for_training_alone(data: ImageSet, tmp_path: Path) -> None:
    settings, allowed = VAE.model_copy(update={"steps": 1, "validate_every": 1, "snapshot_every": 0}), []
    train(
        initialise(lambda: build(Model(family="autoencoder", net="conv_vae", settings=settings), 3, 2), seed=5), data, settings,
        seed=5, device=torch.device("cpu"), precision="tf32", folder=tmp_path,
        exit_code=lambda: allowed.append(torch.backends.cudnn.allow_tf32) or 0,
    )  # fmt: skip
    assert allowed == [True]
    assert not torch.backends.cudnn.allow_tf32
