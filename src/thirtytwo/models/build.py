"""A run's model from its resolved settings: untrained, or with the weights of its file."""

from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from thirtytwo.core.weights import load_weights
from thirtytwo.models.contract import Family
from thirtytwo.runtime.errors import CheckpointError, ParamsError
from thirtytwo.settings.training import Model, TrainConfig

__all__ = ["build", "load", "untrained"]


def untrained(cfg: TrainConfig[Any, Any], channels: int, classes: int) -> Family:
    """The untrained model of a run, around the untrained model of its parent run if it has one.

    The weights come from torch's global generator.

    Raises:
        ParamsError: the settings do not fit the network or the parent.
    """
    if cfg.parent_model is None:
        return build(cfg, channels, classes)
    return build(cfg, channels, classes, build(cfg.parent_model, channels, classes))


def build(model: Model[Any], channels: int, classes: int, *parent: Family) -> Family:
    """The untrained model around `parent`, if any."""
    # By name, so that a stage depends on the family and the network of its run alone.
    network = import_module(f"thirtytwo.nets.{model.net}")
    return import_module(f"thirtytwo.models.{model.family}.model").build(
        model.settings, network, channels, classes, *parent
    )


def load(
    cfg: TrainConfig[Any, Any], path: Path, weights: str, device: torch.device, *, compiled: bool = False
) -> Family:
    """The trained model of a run in eval mode.

    Args:
        path: file of its weights, of one training.
        weights: "ema" or "raw".
        compiled: compile the networks at their first call; their results round differently.

    Raises:
        CheckpointError: the file is missing, damaged or holds the weights of another network.
        ParamsError: averaged weights of a run that keeps no average.
    """
    saved = load_weights(path, device)
    try:
        model = untrained(cfg, saved["channels"], len(saved["classes"]))
        model.modules.load_state_dict(saved["modules"])
        if weights == "ema":
            if not saved["ema"]:
                raise ParamsError("sample.weights: 'ema', but ema_decay is 0 in training; set weights: raw")
            for name in model.averaged:
                prefix = f"{name}."
                average = {k.removeprefix(prefix): v for k, v in saved["ema"].items() if k.startswith(prefix)}
                model.modules[name].load_state_dict(average)
    except (KeyError, TypeError, RuntimeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"{path}: expected weights of the network in configs/train/{cfg.run}.yaml; train the run again"
            f" (`dvc repro train@{cfg.run}`)"
        ) from None
    model.modules.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
    if compiled:
        for module in model.modules.values():
            module.compile()
    return model
