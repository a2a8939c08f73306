"""The trained model of a run, from its file."""

from pathlib import Path

import torch

from thirtytwo import models
from thirtytwo.core.weights import load_weights
from thirtytwo.runtime.errors import ParamsError

__all__ = ["load"]


def load(
    run: str, weights: str, root: Path, device: torch.device, training_seed: int = 0, *, compiled: bool = False
) -> models.Family:
    """The model in data/models/<run>/<training_seed>.pt with its "ema" or "raw" weights, in eval mode.

    `compiled` compiles its networks when they are first called; their results round differently.

    Raises:
        CheckpointError: missing, truncated or not plain weights.
        ParamsError: averaged weights of a run that averages none.
    """
    saved = load_weights(root / "data/models" / run / f"{training_seed}.pt", device)
    model = models.untrained(run, root, saved["channels"], len(saved["classes"]))
    model.modules.load_state_dict(saved["modules"])
    if weights == "ema":
        if not saved["ema"]:
            raise ParamsError("sample.weights: 'ema', but ema_decay is 0 in training; set weights: raw")
        for name in model.averaged:
            prefix = f"{name}."
            own = {k.removeprefix(prefix): v for k, v in saved["ema"].items() if k.startswith(prefix)}
            model.modules[name].load_state_dict(own)
    model.modules.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
    if compiled:
        for module in model.modules.values():
            module.compile()
    return model
