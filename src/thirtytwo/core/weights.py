"""Files of weights: equal weights give equal bytes, a flipped bit is noticed, and loading never runs code from a file."""

import io
from pathlib import Path
from typing import Any

import torch

from thirtytwo.runtime.errors import CheckpointError, FileError
from thirtytwo.runtime.files import UNSEALED, read_bytes
from thirtytwo.runtime.project import remedy
from thirtytwo.runtime.sealed import seal_zip, zip_is_whole

__all__ = ["load_weights", "parse_weights", "serialise"]


def serialise(state: dict[str, Any]) -> bytes:
    """Return `state` as bytes that carry their sha256 and that `torch.load` reads.

    They are equal for equal states: saving into a buffer keeps the file's name out of them.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return seal_zip(buffer.getvalue())


def load_weights(path: Path, device: torch.device, todo: str = "", *, sealed: bool = True) -> dict[Any, Any]:
    """Read a file that holds the bytes of `serialise`.

    Args:
        todo: for messages, what to do about a damaged file; "": make it again.
        sealed: False for weights from elsewhere, which carry no sha256.

    Raises:
        CheckpointError: missing, damaged or not plain weights.
    """
    try:
        data = read_bytes(path, todo)
    except FileError as error:
        raise CheckpointError(str(error)) from None
    return parse_weights(data, path, device, todo, sealed=sealed)


def parse_weights(
    data: bytes, path: Path, device: torch.device, todo: str = "", *, sealed: bool = True
) -> dict[Any, Any]:
    """Return the state in `data`, the content of `path`.

    Raises:
        CheckpointError: damaged, or a pickle that would run code.
    """
    todo = todo or remedy(path)
    if sealed and not zip_is_whole(data):
        raise CheckpointError(f"{path}: {UNSEALED}; {todo}")
    try:
        state = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
    except Exception as error:  # a damaged pickle may raise anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path}: expected plain weights, so it is not loaded ({reason}); {todo}") from None
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: holds a {type(state).__name__}; expected a dict of weights; {todo}")
    return state
