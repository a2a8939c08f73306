"""Networks of the user's own, from a TorchScript or an ONNX file."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thirtytwo.runtime.errors import EvaluationError

__all__ = ["load_network"]

Network = Callable[[Tensor], Any]  # from images [N, 3, S, S] float32, normalised, to features [N, D]


def load_network(path: Path, device: torch.device) -> Network:
    """Return the network of a file: ONNX if its name ends in .onnx, TorchScript otherwise.

    Raises:
        EvaluationError: the file is not of that format, its weights are in a second file, it has more than one input or
            output, or onnxruntime is not installed.
    """
    return _onnx(path, device) if path.suffix == ".onnx" else _torchscript(path, device)


def _torchscript(path: Path, device: torch.device) -> Network:
    try:
        return torch.jit.load(str(path), map_location=device).eval()
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise EvaluationError(
            f"{path}: not a TorchScript file ({reason}); save it by torch.jit.save, or name an ONNX file .onnx"
        ) from None


def _onnx(path: Path, device: torch.device) -> Network:
    try:
        import onnxruntime
    except ImportError:
        raise EvaluationError(f"{path}: ONNX files need onnxruntime; install it: pip install onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors alone
    wanted = ["CUDAExecutionProvider", "CPUExecutionProvider"] if device.type == "cuda" else ["CPUExecutionProvider"]
    providers = [provider for provider in wanted if provider in onnxruntime.get_available_providers()]
    with tempfile.TemporaryDirectory() as empty:
        # weights in a second file, which the sha256 does not cover, are looked for in this folder, and not found
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", empty)
        try:
            session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=providers)
        except Exception as error:  # the classes of onnxruntime's errors share no other base
            raise EvaluationError(
                f"{path}: cannot be read as ONNX ({_reason(error)}); expected one file with its weights inside"
            ) from None
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise EvaluationError(f"{path}: {len(inputs)} inputs and {len(outputs)} outputs; expected one of each")

    def run(images: Tensor) -> Tensor:
        try:
            (features,) = session.run(None, {inputs[0].name: images.cpu().numpy()})
        except Exception as error:
            raise RuntimeError(_reason(error)) from None
        return torch.from_numpy(np.asarray(features))

    return run


def _reason(error: Exception) -> str:
    """The first line of onnxruntime's message, without its code."""
    return str(error).strip().splitlines()[0].rpartition(" : ")[2]
