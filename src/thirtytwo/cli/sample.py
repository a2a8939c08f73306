"""`thirtytwo sample`: images from a run's trained weights, by the functions of the stage `sample`."""

import argparse
import io
import math
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from thirtytwo import models, sampling
from thirtytwo.cli import project
from thirtytwo.core.device import set_up
from thirtytwo.core.tiling import grid_png
from thirtytwo.data.batches import to_uint8
from thirtytwo.runtime import files
from thirtytwo.runtime.errors import CheckpointError, CommandError, ParamsError
from thirtytwo.runtime.files import replacing
from thirtytwo.settings.strict import nearest, parse
from thirtytwo.training import loading

__all__ = ["run"]

# options of the `sample:` block
_SETTINGS = ("sampler", "steps", "eta", "spacing", "guidance", "decoder_guidance", "prior", "weights")
_SAMPLERS = dict.fromkeys(("dpm++", "dpm-solver++"), "dpm_solver_pp_2m")  # by the names that it goes by elsewhere


def run(args: argparse.Namespace) -> int:
    """Draws and writes the images.

    Raises:
        CommandError, ParamsError, CheckpointError: see `project.ERRORS`.
    """
    root, out = project.root(), Path(args.out)
    _check_target(out)
    cfg = _config(args, root)
    device = set_up(cfg.compute)
    data = project.prepared(root, cfg.dataset)
    model = _model(cfg, root, device, args.training_seed)
    labels = _labels(args, model, data.classes)
    draw = import_module(f"thirtytwo.sampling.{cfg.family}.sample").drawer(model, sampling.Task(cfg, data, device))
    images = sampling.first(draw, args.n, labels)
    if not torch.isfinite(images).all():
        raise CheckpointError(f"{args.run}: an image is not finite; its training diverged, so lower lr and train again")
    _write(out, to_uint8(images).numpy(), labels, data.classes)
    settings = ", ".join(f"{key} {value}" for key, value in cfg.sample.model_dump().items() if key in _SETTINGS)
    print(f"{args.run}: {args.n} images, seed {cfg.seed}, {settings}: {out}")
    return 0


def _config(args: argparse.Namespace, root: Path) -> sampling.SampleConfig:
    """The run's settings of sampling, with those that were asked for in their place."""
    cfg = sampling.read_config(args.run, root)
    asked = {key: value for key in _SETTINGS if (value := getattr(args, key)) is not None}
    own = [key for key in _SETTINGS if key in type(cfg.sample).model_fields]
    for key in asked:
        if key not in own:
            has = ", ".join(f"--{name}" for name in own)
            raise CommandError(f"--{key}: '{args.run}' is of family {cfg.family}, which has none; it takes {has}")
    if "sampler" in asked:
        asked["sampler"] = _SAMPLERS.get(asked["sampler"], asked["sampler"])
    values: dict[str, Any] = cfg.sample.model_dump() | asked
    if asked.get("eta") and values["sampler"] != "ddim":
        raise CommandError(f"--eta: {asked['eta']:g}, but only ddim has it and the sampler is {values['sampler']}")
    try:
        settings = parse(type(cfg.sample), values)
        settings.check(models.read_config(args.run, root).settings)
    except ValueError as error:  # of `parse` or `check`; begins with the setting's name
        raise CommandError(f"--{error}") from None
    seed = cfg.seed if args.seed is None else args.seed
    return cfg.model_copy(update={"sample": settings, "seed": seed})


def _model(cfg: sampling.SampleConfig, root: Path, device: torch.device, training_seed: int) -> models.Family:
    try:
        if training_seed >= cfg.seeds:
            last = cfg.seeds - 1
            raise CommandError(
                f"--training-seed: {training_seed}, but '{cfg.run}' has 0 to {last}; set its seeds higher"
            )
        return loading.load(cfg.run, cfg.sample.weights, root, device, training_seed, compiled=cfg.compute.compile)
    except (CheckpointError, CommandError, ParamsError):
        raise
    except (RuntimeError, KeyError):  # of load_state_dict, or of a file of something else
        raise CheckpointError(
            f"{cfg.run}: its weights are not of the network in configs/train/{cfg.run}.yaml; train it again"
            f" (`dvc repro train@{cfg.run}`)"
        ) from None


def _labels(args: argparse.Namespace, model: models.Family, classes: tuple[str, ...]) -> Tensor | None:
    """The label of each image, [n] int64: those asked for taking turns, else as in the stage; None: no labels."""
    if args.labels is None:
        return sampling.asked_labels(model, args.n, len(classes))
    if not model.conditional:
        raise CommandError(f"--labels: '{args.run}' is not conditional on labels; leave --labels out")
    numbers = torch.tensor([_number(word.strip(), classes) for word in args.labels.split(",")])
    return numbers[torch.arange(args.n) % len(numbers)]


def _number(word: str, classes: tuple[str, ...]) -> int:
    """The class that a name, or else a number, stands for."""
    if word in classes:
        return classes.index(word)
    if word.isdecimal() and int(word) < len(classes):
        return int(word)
    raise CommandError(f"--labels: there is no class '{word}'; {nearest(word, classes)}")


def _check_target(out: Path) -> None:
    if out.suffix in (".png", ".npz"):
        if out.is_dir():
            raise CommandError(f"--out: {out} is a folder; name a file")
    elif out.suffix:
        raise CommandError(f"--out: '{out.suffix}' of {out}; expected .png, .npz, or a folder's name without a dot")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CommandError(f"--out: {out} exists; name a new folder, so that its images are of one drawing")


def _write(out: Path, pixels: np.ndarray, labels: Tensor | None, classes: tuple[str, ...]) -> None:
    """uint8 [N, 32, 32, C] as a grid, as arrays with the stage's names, or as <class>/<index>.png or <index>.png."""
    if out.suffix == ".png":
        files.write(out, grid_png(pixels, math.ceil(math.sqrt(len(pixels)))))
    elif out.suffix == ".npz":
        buffer = io.BytesIO()
        numbers = np.full(len(pixels), -1, np.int64) if labels is None else labels.numpy()
        np.savez_compressed(buffer, images=pixels, labels=numbers, index=np.arange(len(pixels)))
        files.write(out, buffer.getvalue())
    else:
        # `replacing` wants a name to put the temporary one beside, which "." and ".." have not
        with replacing(Path(os.path.abspath(out))) as folder:
            for index, image in enumerate(pixels):
                path = folder / ("" if labels is None else classes[int(labels[index])]) / f"{index:05d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(path)
