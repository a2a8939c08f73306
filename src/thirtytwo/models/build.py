"""Build the model of a run from its resolved settings, untrained or with saved weights."""

from importlib import import_module
from operator import index
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from thirtytwo.core.weights import load_weights
from thirtytwo.models.contract import Family
from thirtytwo.runtime.errors import CheckpointError, ParamsError, ThirtyTwoError
from thirtytwo.runtime.project import remedy
from thirtytwo.settings.training import Model, TrainConfig

__all__ = ["build", "load", "load_snapshots", "select", "untrained"]


def untrained(cfg: TrainConfig[Any, Any], channels: int, classes: int) -> Family:
    """Build the untrained model of a run, on top of the untrained model of its parent run if it has one.

    Weights are initialised with torch's global generator.

    Raises:
        ParamsError: the settings do not fit the network or the parent.
    """
    if cfg.parent_model is None:
        return build(cfg, channels, classes)
    return build(cfg, channels, classes, build(cfg.parent_model, channels, classes))


def build(model: Model[Any], channels: int, classes: int, *parent: Family) -> Family:
    """Build an untrained model, on top of `parent` if given."""
    # Imported by name, so that a stage depends only on the family and the network of its run.
    network = import_module(f"thirtytwo.nets.{model.net}")
    return import_module(f"thirtytwo.models.{model.family}.model").build(
        model.settings, network, channels, classes, *parent
    )


def select(saved: dict[str, Any], weights: str) -> dict[str, Tensor]:
    """Return the state of all modules in a file of weights, with the averaged ones if `weights` is "ema".

    Raises:
        ParamsError: averaged weights are requested of a run that was trained without averaging.
    """
    if weights == "ema" and not saved["ema"]:
        raise ParamsError("sample.weights: 'ema', but the run was trained with ema_decay 0; set weights: raw")
    return {**saved["modules"], **(saved["ema"] if weights == "ema" else {})}


def load(
    cfg: TrainConfig[Any, Any], path: Path, weights: str, device: torch.device, *, compiled: bool = False
) -> Family:
    """Load the trained model of a run, in eval mode.

    Args:
        path: weights of one training.
        weights: "ema" or "raw".
        compiled: compile the networks at their first call; results then round differently.

    Raises:
        CheckpointError: the file is missing, damaged or holds the weights of another network.
        ParamsError: averaged weights are requested of a run that was trained without averaging.
    """
    saved = load_weights(path, device)
    try:
        model = untrained(cfg, index(saved["channels"]), len(saved["classes"]))
        model.modules.load_state_dict(select(saved, weights))
    except ThirtyTwoError:
        raise
    except (KeyError, TypeError, AttributeError, RuntimeError, ValueError):
        raise CheckpointError(
            f"{path}: expected weights of the network in configs/train/{cfg.run}.yaml; {remedy(path)}"
        ) from None
    model.modules.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
    if compiled:
        for module in model.modules.values():
            module.compile()
    return model


def load_snapshots(path: Path, model: Family, device: torch.device) -> dict[int, dict[str, dict[str, Tensor]]]:
    """Load weights of the modules that sampling uses, by training step.

    Args:
        model: the trained model of the run.

    Raises:
        CheckpointError: the file is missing, damaged or holds the weights of other networks.
    """
    saved = load_weights(path, device)
    own = {name: _shapes(module.state_dict()) for name, module in model.modules.items()}
    try:
        fits = all(_shapes(weights) == own[name] for state in saved.values() for name, weights in state.items())
    except (KeyError, TypeError, AttributeError):
        fits = False
    if not fits:
        raise CheckpointError(f"{path}: expected snapshots of the networks of the run; {remedy(path)}")
    return saved


def _shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in state.items()}
