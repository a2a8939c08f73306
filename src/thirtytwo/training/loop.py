"""The one training loop: phases, EMA, clipping, checkpoints. Everything random derives from (seed, step).

Step s draws its images from the permutation of its epoch and seeds its noise from s. No loader and no generator carries
state from step to step, so a resumed run takes exactly the steps of an uninterrupted one.

Several processes (`core.processes`) take equal slices of each batch and average their gradients. All of them hold the
same state, which the first one saves, so a training can resume in another number of processes.
"""

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from thirtytwo.core import processes
from thirtytwo.core.device import tf32
from thirtytwo.core.seeds import derive_seed
from thirtytwo.core.weights import load_weights, serialise
from thirtytwo.data.batches import ImageSet, to_float
from thirtytwo.models.contract import Batch, Family, NormalisedFamily, Phase
from thirtytwo.runtime import files
from thirtytwo.runtime.errors import Stopped, TrainingError
from thirtytwo.settings.training import TrainSettings
from thirtytwo.training import checkpoints
from thirtytwo.training.curves import CurveLog
from thirtytwo.training.global_batch import synchronise

__all__ = ["State", "initialise", "snapshots", "train"]

_CURVE_ROWS = 200  # rows of the training curve, whatever the budget
_VALIDATION_BATCH = 500
_STATISTICS_BATCHES, _STATISTICS_BATCH = 10, 100  # for the averaged networks' BatchNorm
_WEIGHTS, _ORDER, _NOISE, _FLIP, _VALIDATION, _STATISTICS = range(6)  # purposes that seeds are derived for


@dataclass
class State:
    """The content of a checkpoint, and the result of `train` once `step` has reached the budget."""

    family: Family
    phases: list[Phase]
    ema: nn.ModuleDict
    step: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    validation: list[dict[str, float]] = field(default_factory=list)
    window: list[dict[str, Tensor]] = field(default_factory=list)  # steps since the last row of the curve

    def pack(self) -> dict[str, Any]:
        return {
            "modules": self.family.modules.state_dict(),
            "ema": self.ema.state_dict(),
            "optimisers": {phase.name: phase.optimiser.state_dict() for phase in self.phases},
            "step": self.step,
            "curve": self.curve,
            "validation": self.validation,
            "window": self.window,
        }

    def unpack(self, packed: dict[str, Any]) -> None:
        self.family.modules.load_state_dict(packed["modules"])
        self.ema.load_state_dict(packed["ema"])
        for phase in self.phases:
            phase.optimiser.load_state_dict(packed["optimisers"][phase.name])
        self.step, self.window = packed["step"], packed["window"]
        self.curve, self.validation = packed["curve"], packed["validation"]


def initialise(build: Callable[[], Family], seed: int) -> Family:
    """Call `build()` after seeding torch's global generator, which initialises the weights."""
    torch.manual_seed(derive_seed(seed, _WEIGHTS))
    return build()


def total_steps(settings: TrainSettings, images: int) -> int:
    """Return the budget in steps; an epoch drops its last, incomplete batch.

    Raises:
        TrainingError: fewer images than one batch, or a batch that the processes cannot divide equally.
    """
    if settings.batch_size % processes.count():
        raise TrainingError(
            f"batch_size: {settings.batch_size} is not a multiple of the {processes.count()} processes; change either"
        )
    if images < settings.batch_size:
        raise TrainingError(f"batch_size: {settings.batch_size} exceeds the {images} training images; make it smaller")
    return settings.steps or settings.epochs * (images // settings.batch_size)


def train(
    family: Family, data: ImageSet, settings: TrainSettings, *, train_on: str = "train", seed: int,
    device: torch.device, precision: str, folder: Path, exit_code: Callable[[], int], log: CurveLog | None = None,
) -> State:  # fmt: skip
    """Train `family` on `data`, resuming from the newest checkpoint in `folder`.

    The last checkpoint holds the finished training, so another call returns it without a step.

    Args:
        train_on: "train" or "all", the images to train on; validation is on the test split.
        seed: of this training: the run's seed plus the number of the training.
        precision: "float32", "tf32" for float32 with TF32 products on CUDA, or "bfloat16" for autocast.
        folder: of this configuration's checkpoints.
        exit_code: called after each step; a result other than 0 saves the state and stops.
        log: writes the curves while they grow.

    Raises:
        TrainingError: a loss term is not finite; names the step and the term. The last good checkpoint is kept.
        Stopped: `exit_code` returned a code; a checkpoint has been saved.
        CheckpointError: a checkpoint is not plain weights.
        FileError: a checkpoint cannot be written.
    """
    seen = data.only(train_on)
    images, labels = torch.from_numpy(seen.images).to(device), torch.from_numpy(seen.labels).to(device)
    steps = total_steps(settings, len(images))
    state = _start(family, settings, folder, device)
    if state.step and processes.first():
        print(f"resumed at step {state.step} of {steps}")
    per_epoch = len(images) // settings.batch_size
    validate_every = settings.validate_every or per_epoch
    curve_every = max(1, steps // _CURVE_ROWS)
    log = log or CurveLog(None, None)
    log.update(state.curve, state.validation, saved=True)
    bar = tqdm(total=steps, initial=state.step, unit="step", mininterval=1.0, disable=not processes.first())
    with bar, tf32(precision == "tf32"):
        while state.step < steps:
            batch = _batch(images, labels, settings, seed, state.step, steps)
            state.window.append(_step(state, batch, settings, seed, precision))
            state.step += 1
            last = state.step == steps
            if state.step % curve_every == 0 or last:
                _flush(state, per_epoch, bar)
            if state.step % validate_every == 0 or last:
                state.validation.append(_validate(state, data, seed, device, per_epoch))
            log.update(state.curve, state.validation, saved=False)
            if settings.snapshot_every and (state.step % settings.snapshot_every == 0 or last):
                _recompute_statistics(state, labels, seed)
                _snapshot(state, folder)
            code = processes.largest(exit_code())
            if code or last or state.step % settings.checkpoint_every == 0:
                _check_finite(state)
                if processes.first():
                    checkpoints.save(folder, state.step, state.pack())
                log.update(state.curve, state.validation, saved=True)
            if code:
                raise Stopped(code)
            bar.update()
    _recompute_statistics(state, labels, seed)
    return state


def _start(family: Family, settings: TrainSettings, folder: Path, device: torch.device) -> State:
    """Return the state of the newest checkpoint, or that before the first step."""
    family.modules.to(device).to(memory_format=torch.channels_last)
    averaged = {name: family.modules[name] for name in family.averaged} if settings.ema_decay else {}
    state = State(family, family.phases(), copy.deepcopy(nn.ModuleDict(averaged)).requires_grad_(False))
    if processes.count() > 1:
        synchronise(family.modules)
    if packed := checkpoints.load_latest(folder, device):
        state.unpack(packed)
    return state


@torch.no_grad()
def _recompute_statistics(state: State, labels: Tensor, seed: int) -> None:
    """Compute the averaged networks' BatchNorm statistics anew, in passes over fixed noise (Izmailov et al. 2018).

    The running statistics are those of the raw weights' features, which differ from those of the averaged weights.
    `labels` are those of the training images, from which those of the passes are drawn.
    """
    norms = [module for module in state.ema.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all passes
    state.ema.train()
    rng = torch.Generator(labels.device).manual_seed(derive_seed(seed, _STATISTICS))
    for _ in range(_STATISTICS_BATCHES):
        places = torch.randint(len(labels), (_STATISTICS_BATCH,), generator=rng, device=labels.device)
        cast(NormalisedFamily, state.family).run_averaged(state.ema, labels[places], rng)
    state.ema.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _snapshot(state: State, folder: Path) -> None:
    """Write the weights that sampling uses, averaged if the run averages; a resumed run writes the same bytes."""
    if not processes.first():
        return
    weights = {name: state.ema[name] if state.ema else state.family.modules[name] for name in state.family.averaged}
    data = serialise({name: module.state_dict() for name, module in weights.items()})
    files.write(folder / "snapshots" / f"{state.step:09d}.pt", data)


def snapshots(folder: Path, steps: int) -> dict[int, dict[str, Any]]:
    """Return the snapshots of a training by their step, up to `steps`, on the CPU."""
    paths = sorted((folder / "snapshots").glob("*.pt"))
    cpu = torch.device("cpu")
    todo = f"delete {folder}; the training then starts afresh"
    return {int(path.stem): load_weights(path, cpu, todo) for path in paths if int(path.stem) <= steps}


def _batch(images: Tensor, labels: Tensor, settings: TrainSettings, seed: int, step: int, steps: int) -> Batch:
    """Return this process's images of step `step`: of the next part of its epoch's permutation, mirrored if set."""
    per_epoch = len(images) // settings.batch_size
    epoch, position = divmod(step, per_epoch)
    permutation = _permutation(seed, epoch, len(images))
    size, rank, count = settings.batch_size, processes.rank(), processes.count()
    own = slice(rank * size // count, (rank + 1) * size // count)
    chosen = permutation[position * size : (position + 1) * size][own].to(images.device)
    x = to_float(images[chosen])
    if settings.horizontal_flip:
        flipped = np.random.default_rng(derive_seed(seed, _FLIP, step)).random(size) < 0.5
        x = torch.where(torch.from_numpy(flipped[own]).to(x.device)[:, None, None, None], x.flip(3), x)
    return Batch(x, labels[chosen], step / steps, epoch, steps / per_epoch, rank, count, step)


@functools.lru_cache(maxsize=1)
def _permutation(seed: int, epoch: int, count: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(derive_seed(seed, _ORDER, epoch)).permutation(count))


def _step(state: State, batch: Batch, settings: TrainSettings, seed: int, precision: str) -> dict[str, Tensor]:
    """Take one step of every phase that is due and update the EMA; return the named scalars of these phases."""
    device = batch.images.device
    state.family.modules.train()
    terms: dict[str, Tensor] = {}
    for index, phase in enumerate(state.phases):
        if (state.step + 1) % phase.every:
            continue
        step_seed = derive_seed(seed, _NOISE, state.step, index)
        # On a CPU its own generator alone: torch.manual_seed seeds that of every device and takes 100 times as long.
        seed_dropout = torch.default_generator.manual_seed if device.type == "cpu" else torch.manual_seed
        seed_dropout(step_seed)
        rng = torch.Generator(device).manual_seed(step_seed)
        state.family.modules.requires_grad_(False)
        phase.module.requires_grad_(True)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            loss, named = phase.loss(batch, rng)
        phase.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        named = {name: value.detach() for name, value in named.items()}
        gradients = [p.grad for p in phase.module.parameters() if p.grad is not None]
        processes.average(gradients + list(named.values()))
        norm = nn.utils.get_total_norm(gradients)
        if settings.clip_norm:
            nn.utils.clip_grads_with_norm_(phase.module.parameters(), settings.clip_norm, norm)
        for group in phase.optimiser.param_groups:
            group["lr"] = settings.lr * phase.lr_scale(state.step)
        phase.optimiser.step()
        terms |= named | {f"grad_norm_{phase.name}": norm.detach()}
    _average(state, settings.ema_decay)
    return terms


@torch.no_grad()
def _average(state: State, decay: float) -> None:
    """Update the EMA of the parameters, with the warm-up min(decay, (1 + s) / (10 + s)); buffers are copied, not averaged.

    Copied statistics of BatchNorm are replaced before the averaged weights are used, see `_recompute_statistics`.
    """
    weight = 1 - min(decay, (1 + state.step) / (10 + state.step))
    for name, average in state.ema.items():
        raw = state.family.modules[name]
        torch._foreach_lerp_(list(average.parameters()), list(raw.parameters()), weight)
        for ours, theirs in zip(average.buffers(), raw.buffers(), strict=True):
            ours.copy_(theirs)


def _flush(state: State, per_epoch: int, bar: tqdm) -> None:
    """Append the mean of each term over the window to the curve."""
    _check_finite(state)
    names = sorted({name for terms in state.window for name in terms})
    row = {
        name: torch.stack([t[name] for t in state.window if name in t]).cpu().double().mean().item() for name in names
    }
    state.curve.append({"step": state.step, "epoch": round(state.step / per_epoch, 4)} | row)
    state.window.clear()
    bar.set_postfix({name: f"{value:.3g}" for name, value in row.items() if not name.startswith("grad_norm")})


def _check_finite(state: State) -> None:
    for offset, terms in enumerate(state.window):
        for name, value in terms.items():
            if not torch.isfinite(value):
                step = state.step - len(state.window) + offset
                raise TrainingError(
                    f"{name} is {value.item()} at step {step}; the last good checkpoint is kept. Lower lr, set clip_norm"
                    " or use float32, then run again"
                )


@torch.no_grad()
def _validate(state: State, data: ImageSet, seed: int, device: torch.device, per_epoch: int) -> dict[str, float]:
    """Return the means of the family's terms over the test split, with the same noise at every call."""
    held_out = data.only("test")
    state.family.modules.eval()
    totals: dict[str, float] = {}
    for start in processes.share(range(0, len(held_out.images), _VALIDATION_BATCH)):
        x = to_float(torch.from_numpy(held_out.images[start : start + _VALIDATION_BATCH]).to(device))
        y = torch.from_numpy(held_out.labels[start : start + _VALIDATION_BATCH]).to(device)
        rng = torch.Generator(device).manual_seed(derive_seed(seed, _VALIDATION, start))
        terms = state.family.validate(Batch(x, y, 1.0, 0, 1.0), rng)
        for name, value in terms.items():
            totals[name] = totals.get(name, 0.0) + value.item() * len(x)
    names = processes.broadcast(list(totals))  # a process without a batch has none
    sums = torch.tensor([totals.get(name, 0.0) for name in names], dtype=torch.float64)
    processes.average([sums])
    means = (sums * processes.count() / len(held_out.images)).tolist()
    return {"step": state.step, "epoch": round(state.step / per_epoch, 4)} | dict(zip(names, means, strict=True))
