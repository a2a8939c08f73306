"""`thirtytwo export`: a trained run as a folder that others can sample from without this package."""

import argparse
import hashlib
import io
import os
from importlib import import_module
from pathlib import Path

import torch
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from safetensors.torch import save
from tabulate import tabulate

from thirtytwo.core.device import set_up
from thirtytwo.data.batches import load
from thirtytwo.evaluate import comparison
from thirtytwo.evaluate.scorecard import Scorecard
from thirtytwo.models import build
from thirtytwo.report import wording
from thirtytwo.runtime.errors import CommandError
from thirtytwo.runtime.files import read_json, replacing, write, write_json
from thirtytwo.runtime.project import Project
from thirtytwo.sampling import drawing
from thirtytwo.sampling.program import Exported, export
from thirtytwo.settings import configs
from thirtytwo.settings.families import read_sample, read_train

__all__ = ["run"]

SCRIPT = '''"""Draw images of {run}: python sample.py COUNT [SEED] writes images.npz. Needs torch, numpy and safetensors."""

import hashlib
import io
import sys

import numpy as np
import torch
from safetensors.torch import load_file

CLASSES = {classes}  # label k requests the class with this number; images cycle through them
DRAWS, CHUNK, SHAPE = {draws}, {count}, {shape}  # normal draws per image, images per call, shape of a draw

count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else {seed}
with open("program.pt2", "rb") as file:
    program = file.read()
if hashlib.sha256(program).hexdigest() != "{sha256}":
    sys.exit("error: program.pt2: not the file that was exported with this script; torch would run code that it holds")
network = torch.export.load(io.BytesIO(program)).module()
network.load_state_dict(load_file("model.safetensors"))
images, labels = [], torch.arange(-(-count // CHUNK) * CHUNK) % len(CLASSES)
for start in range(0, count, CHUNK):
    noise = np.empty((DRAWS, CHUNK, *SHAPE), np.float32)
    for i in range(CHUNK):  # image i of a seed has its own stream of noise
        stream = np.random.Generator(np.random.Philox(key=np.array([seed, start + i], np.uint64)))
        for draw in noise:
            stream.standard_normal(dtype=np.float32, out=draw[i, ...])
    with torch.no_grad():
        images.append(network(torch.from_numpy(noise), labels[start : start + CHUNK]).numpy())
np.savez("images.npz", images=np.concatenate(images)[:count], labels=labels[:count].numpy())
'''

CARD = """---
{data}
---

# {run}

{kind} ({net}), trained on 32x32 images of `{dataset}` with ThirtyTwo. It draws {drawn}.

## Sample

`python sample.py 64` writes 64 images to `images.npz`: `images`, uint8 [64, 32, 32, {channels}], and `labels`. It needs
torch, numpy and safetensors, not ThirtyTwo. An image is determined by the seed, its number and its label. The weights are
in `model.safetensors`, the computation is in `program.pt2`, whose sha256 `sample.py` checks, and all settings are in `settings.json`.

## Scores

{scores}

## Licence

The weights and the script have the MIT licence. The training images have their own licence.
"""


def run(args: argparse.Namespace) -> int:
    """Write weights, program, settings, model card and script.

    Raises:
        ThirtyTwoError: the run or its weights do not exist, or the folder exists.
    """
    project = Project.containing(Path.cwd())
    trained, cfg = read_train(args.run, project), read_sample(args.run, project)
    folder = Path(os.path.abspath(args.to)) if args.to else project.export(args.run)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CommandError(f"--to: {folder} exists; name a new folder")
    set_up(cfg.compute)
    data, device = load(project.prepared(cfg.dataset)), torch.device("cpu")
    model = build.load(trained, project.model(args.run), cfg.sample.weights, device)
    draw = import_module(f"thirtytwo.sampling.{cfg.family}.sample").drawer(model, drawing.Task(cfg, data, device))
    conditional = model.conditional
    exported = export(model, draw)
    classes = data.classes if conditional else ("any",)
    scores = read_json(project.scores(args.run), Scorecard) if project.scores(args.run).is_file() else None
    program = _program(exported)
    script = SCRIPT.format(
        run=args.run, classes=classes, draws=exported.draws, count=exported.count, shape=exported.shape, seed=cfg.seed,
        sha256=hashlib.sha256(program).hexdigest(),
    )  # fmt: skip
    facts = {"run": args.run, "kind": f"A model of the family {cfg.family}", "net": trained.net, "dataset": cfg.dataset}
    facts["drawn"] = "images of a requested class" if conditional else "images without labels"
    card = _card(facts, scores, data.images.shape[3])
    with replacing(folder) as temporary:
        write(temporary / "model.safetensors", save(exported.weights))
        write(temporary / "program.pt2", program)
        values = {stage: configs.read_values(stage, args.run, project) for stage in ("train", "sample")}
        write_json(temporary / "settings.json", values)
        write(temporary / "sample.py", script.encode())
        write(temporary / "README.md", card.content.encode())
    print(f"{args.run}: {folder}; `python sample.py 64` in it draws 64 images")
    return 0


def _program(exported: Exported) -> bytes:
    buffer = io.BytesIO()
    torch.export.save(exported.program, buffer)
    return buffer.getvalue()


def _card(facts: dict[str, str], card: Scorecard | None, channels: int) -> ModelCard:
    """The model card: its metadata for the Hugging Face Hub, and the scores beside their floors."""
    text, results = "The run was not scored.", []
    if card:
        rows = []
        for name in comparison.comparable(card.measured):
            estimate, floor = card.measured.estimate(name), card.floor.estimate(name)
            rows.append((name, wording.inline(estimate), wording.inline(floor)))
            results.append(EvalResult(
                task_type="unconditional-image-generation", dataset_type=facts["dataset"],
                dataset_name=facts["dataset"], metric_type=name, metric_value=estimate.rounded().value,
            ))  # fmt: skip
        text = str(tabulate(rows, ("score", "value", "real images"), tablefmt="github", disable_numparse=True))
        about = card.measured.protocol
        text += (
            f"\n\nN = {about['n']} images against {about['reference_n']} real images ({about['reference_split']} split);"
            f" 95 % intervals over {about.get('interval_over', 'samples')}. The last column is the score of real images in"
            " the place of samples."
        )
        if card.diagnosis:
            text += f" Diagnosis: {card.diagnosis.word}. {card.diagnosis.reason}"
    data = ModelCardData(
        license="mit", library_name="pytorch", pipeline_tag="unconditional-image-generation",
        tags=["thirtytwo", "image-generation"], model_name=facts["run"], eval_results=results or None,
    )  # fmt: skip
    return ModelCard(CARD.format(data=data.to_yaml(), scores=text, channels=channels, **facts))
