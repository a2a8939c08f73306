"""Files of weights: equal weights give equal bytes, and loading never runs code from a file."""

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from thirtytwo.runtime.errors import CheckpointError

__all__ = ["load_weights", "parse_weights", "serialise"]


def serialise(state: dict[str, Any]) -> bytes:
    """Return `state` as bytes, equal for equal states: saving into a buffer keeps the file's name out of them."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def load_weights(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a file that holds the bytes of `serialise`.

    Raises:
        CheckpointError: missing, damaged or not plain weights.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; train the run first (`dvc repro train`)")
    return parse_weights(path.read_bytes(), path, device)


def parse_weights(data: bytes, path: Path, device: torch.device) -> dict[str, Any]:
    """Return the state in `data`, the content of `path`.

    Raises:
        CheckpointError: damaged, or a pickle that would run code.
    """
    try:
        return torch.load(io.BytesIO(data), map_location=device, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{path}: expected plain weights, so it is not loaded ({reason}); delete it") from None
