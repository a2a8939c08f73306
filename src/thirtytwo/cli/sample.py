"""`thirtytwo sample`: draw images from a run's trained weights with the functions of the stage `sample`."""

import argparse
import math
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from thirtytwo.core.device import set_up
from thirtytwo.core.tiling import grid_png
from thirtytwo.data.batches import load
from thirtytwo.models import build
from thirtytwo.models.contract import Family
from thirtytwo.runtime.errors import CommandError
from thirtytwo.runtime.files import replacing, write, write_arrays
from thirtytwo.runtime.project import Project
from thirtytwo.sampling import drawing
from thirtytwo.settings.families import read_sample, read_train
from thirtytwo.settings.sampling import SampleConfig
from thirtytwo.settings.strict import nearest, parse
from thirtytwo.settings.training import TrainConfig

__all__ = ["run"]

# options of the `sample:` block
_SETTINGS = ("sampler", "steps", "eta", "spacing", "guidance", "decoder_guidance", "prior", "proposals", "weights")
_UNLABELLED = "none"
_SAMPLERS = dict.fromkeys(("dpm++", "dpm-solver++"), "dpm_solver_pp_2m")  # other common names


def run(args: argparse.Namespace) -> int:
    """Draw and write the images.

    Raises:
        ThirtyTwoError: the run or its weights do not exist, or an option is invalid for the run.
    """
    project, out = Project.containing(Path.cwd()), Path(args.out)
    _check_target(out)
    trained = read_train(args.run, project)
    cfg = _config(args, read_sample(args.run, project), trained)
    if args.training_seed >= cfg.seeds:
        raise CommandError(
            f"--training-seed: {args.training_seed}; expected 0 to {cfg.seeds - 1}, the seeds of {cfg.run}"
        )
    device = set_up(cfg.compute)
    data = load(project.prepared(cfg.dataset))
    path = project.model(args.run, args.training_seed)
    model = build.load(trained, path, cfg.sample.weights, device, compiled=cfg.compute.compile)
    unlabelled = args.labels == _UNLABELLED and _UNLABELLED not in data.classes
    if unlabelled:
        cfg = cfg.model_copy(update={"sample": cfg.sample.model_copy(update={"guidance": 0.0})})
    labels = _null_class(args, model) if unlabelled else _labels(args, model, data.classes)
    draw = import_module(f"thirtytwo.sampling.{cfg.family}.sample").drawer(model, drawing.Task(cfg, data, device))
    indices = range(args.first, args.first + args.n)
    arrays = drawing.to_arrays(draw(indices, labels), None if unlabelled else labels, str(path))
    arrays["index"] += args.first
    _write(out, arrays, data.classes)
    settings = ", ".join(f"{key} {value}" for key, value in cfg.sample.model_dump().items() if key in _SETTINGS)
    print(f"{args.run}: {args.n} images, seed {cfg.seed}, {settings}: {out}")
    return 0


def _config(args: argparse.Namespace, cfg: SampleConfig[Any], trained: TrainConfig[Any, Any]) -> SampleConfig[Any]:
    """Return the run's sampling settings with the command-line options applied."""
    options = {key: value for key in _SETTINGS if (value := getattr(args, key)) is not None}
    known = [key for key in _SETTINGS if key in type(cfg.sample).model_fields]
    for key in options:
        if key not in known:
            supported = ", ".join(_option(name) for name in known)
            raise CommandError(f"{_option(key)}: '{args.run}' is of family {cfg.family}, which takes {supported}")
    if "sampler" in options:
        options["sampler"] = _SAMPLERS.get(options["sampler"], options["sampler"])
    values: dict[str, Any] = cfg.sample.model_dump() | options
    if options.get("eta") and values["sampler"] != "ddim":
        raise CommandError(
            f"--eta: {options['eta']:g} is only for ddim, but the sampler is {values['sampler']}; omit --eta"
        )
    try:
        settings = parse(type(cfg.sample), values)
        settings.check(trained.settings)
    except ValueError as error:  # from `parse` or `check`; the message begins with the setting's name
        setting, colon, reason = str(error).partition(":")
        raise CommandError(f"{_option(setting)}{colon}{reason}") from None
    seed = cfg.seed if args.seed is None else args.seed
    return cfg.model_copy(update={"sample": settings, "seed": seed})


def _option(setting: str) -> str:
    """The option of the command line that sets `setting`."""
    return f"--{setting.replace('_', '-')}"


def _labels(args: argparse.Namespace, model: Family, classes: tuple[str, ...]) -> Tensor | None:
    """Return the labels [n] int64: the requested classes in turn, or all of them; None if the model takes no labels.

    The turn is that of an image's index, so that the images are the same in however many parts they are drawn.
    """
    if not model.conditional:
        if args.labels is None:
            return None
        raise CommandError(f"--labels: '{args.run}' is not conditional on labels; omit --labels")
    numbers = torch.arange(len(classes))
    if args.labels is not None:
        numbers = torch.tensor([_number(word.strip(), classes) for word in args.labels.split(",")])
    return numbers[torch.arange(args.first, args.first + args.n) % len(numbers)]


def _null_class(args: argparse.Namespace, model: Family) -> Tensor:
    """Return the null class [n] int64, with which label dropout trains a model of all classes (Ho & Salimans 2022)."""
    dropout = getattr(getattr(model, "settings", None), "label_dropout", 0.0)
    if not dropout or getattr(model, "latent_space", None) is not None:
        raise CommandError(
            f"--labels {_UNLABELLED}: '{args.run}' draws only with labels; expected a diffusion model of pixels that was "
            "trained with label_dropout"
        )
    return torch.full((args.n,), model.classes)  # type: ignore[attr-defined]


def _number(word: str, classes: tuple[str, ...]) -> int:
    """Return the index of a class given by its name or number."""
    if word in classes:
        return classes.index(word)
    if word.isdecimal() and len(word) < 20 and int(word) < len(classes):  # int() takes 4300 digits at most
        return int(word)
    raise CommandError(f"--labels: unknown class '{word}'; {nearest(word, classes)}")


def _check_target(out: Path) -> None:
    if out.suffix in (".png", ".npz"):
        if out.is_dir():
            raise CommandError(f"--out: {out} is a folder; name a file")
    elif out.suffix:
        raise CommandError(f"--out: '{out.suffix}' of {out}; expected .png, .npz, or a folder's name without a dot")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CommandError(f"--out: {out} exists; name a new folder")


def _write(out: Path, arrays: dict[str, np.ndarray], classes: tuple[str, ...]) -> None:
    """Write the arrays of `drawing.to_arrays` as a grid (.png), as arrays (.npz), or as [<class>/]<index>.png files."""
    pixels, labels = arrays["images"], arrays["labels"]
    if out.suffix == ".png":
        write(out, grid_png(pixels, math.ceil(math.sqrt(len(pixels)))))
    elif out.suffix == ".npz":
        write_arrays(out, arrays)
    else:
        with replacing(Path(os.path.abspath(out))) as folder:  # `replacing` needs a name, which "." and ".." lack
            for image, label, index in zip(pixels, labels, arrays["index"], strict=True):
                path = folder / (classes[label] if label >= 0 else "") / f"{index:05d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(path)
