"""The files that the stage `sample` writes, checked as they are read: samples of a training, and the probes of a run."""

from pathlib import Path

import numpy as np

from thirtytwo.core.arrays import read_arrays
from thirtytwo.runtime.errors import FileError
from thirtytwo.runtime.project import remedy

__all__ = ["read_probes", "read_samples"]

_IMAGES = "uint8 {} 32 32 C"
# Probes that appear together: a family draws all of a group or none. docs: `sample` in sampling/<family>/sample.py.
_GROUPS: tuple[dict[str, str], ...] = (
    {"latents": "float N D"},
    {"batch_norm": "str"},
    {"interpolation_grid": _IMAGES.format("side side"), "interpolation_lines": _IMAGES.format("lines columns")},
    {"path_start": "float32 arcs 32 32 C", "path_end": "float32 arcs 32 32 C", "path_epsilon": "float"},
    {
        "d_held_out": "float n", "d_samples": "float n", "c2st_held_out": "float n", "c2st_samples": "float n",
        "c2st_steps": "int", "d_targets": "float 2", "d_gives_probability": "bool",
    },
    {"snapshot_steps": "int snapshots", "snapshot_images": _IMAGES.format("snapshots drawn")},
    {"standard_images": _IMAGES.format("N")},
    {"gaussian_images": _IMAGES.format("N")},
    {"mixture_images": _IMAGES.format("N")},
    {"reconstruction_originals": _IMAGES.format("shown"), "reconstructions": _IMAGES.format("shown")},
    {"traversals": _IMAGES.format("dimensions places"), "traversal_dimensions": "int dimensions"},
    {"code_index": "int codes", "code_means": "float codes D", "code_draws": "float codes D", "distortion": "float codes"},
    {"code_log_sigmas": "float codes D"},
    {"iwae_bits": "float bounded", "elbo_bits": "float bounded", "bound_samples": "int"},
    {"bound_bits": "float bounded 3"},
    {
        "trajectory_frames": _IMAGES.format("frames shown"), "trajectory_estimates": _IMAGES.format("frames shown"),
        "trajectory_timesteps": "int frames",
    },
    {
        "flow_frames": _IMAGES.format("frames shown"), "flow_estimates": _IMAGES.format("frames shown"),
        "flow_times": "float frames",
    },
)  # fmt: skip


def read_samples(path: Path, classes: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 32, 32, C] uint8 and requested labels [N] int64, each below `classes` if given, -1 where none was requested.

    Raises:
        FileError: the file is missing or damaged.
    """
    arrays = read_arrays(path, {"images": "uint8 N 32 32 C", "labels": "int64 N"})
    labels = arrays["labels"]
    if classes is not None and len(labels) and not -1 <= labels.min() <= labels.max() < classes:
        raise FileError(
            f"{path}: labels from {labels.min()} to {labels.max()}; expected -1 to {classes - 1}; {remedy(path)}"
        )
    return arrays["images"], labels


def read_probes(path: Path) -> dict[str, np.ndarray]:
    """The probes of a run by name; those of a family that is not known here are not checked.

    Raises:
        FileError: the file is missing or damaged, or one of a group of arrays is missing.
    """
    arrays = read_arrays(path, {name: f"?{form}" for group in _GROUPS for name, form in group.items()})
    for group in _GROUPS:
        missing = sorted(group.keys() - arrays.keys())
        if missing and len(missing) < len(group):
            present = next(name for name in group if name in arrays)
            raise FileError(f"{path}: no array '{missing[0]}' beside '{present}'; {remedy(path)}")
    return arrays
