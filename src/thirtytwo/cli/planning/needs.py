"""What each run needs by its settings alone: sizes of data sets and networks, without data and without building them."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch

from thirtytwo.cli.planning import capacity
from thirtytwo.cli.planning.estimate import DataSet, Networks, Work, amount, size
from thirtytwo.core.facts import Facts
from thirtytwo.data.sources.shapes import CLASSES, FACTORS
from thirtytwo.models.build import untrained
from thirtytwo.runtime.errors import CommandError, FileError
from thirtytwo.runtime.files import read_json
from thirtytwo.runtime.project import Project
from thirtytwo.settings import configs
from thirtytwo.settings.autoencoder import AutoencoderSampling
from thirtytwo.settings.data import Shapes
from thirtytwo.settings.diffusion import DiffusionSampling
from thirtytwo.settings.edm import EDMSampling
from thirtytwo.settings.families import read_sample, read_train
from thirtytwo.settings.flow import FlowSampling
from thirtytwo.settings.gan import GANSampling
from thirtytwo.settings.report import ReportConfig
from thirtytwo.settings.sampling import SampleConfig
from thirtytwo.settings.training import TrainConfig

__all__ = ["Needs", "check", "needs"]

_ASSUMED = 10_000  # images of a folder or an archive that nobody has counted
_CLASSES = {"shapes": len(CLASSES), "digits5k": 10, "mnist": 10, "fashion_mnist": 10, "cifar10": 10, "cub": 200}
_TEST_SHARE = {"mnist": 1 / 7, "fashion_mnist": 1 / 7, "cifar10": 1 / 6, "cub": 5794 / 11788}  # their own test splits
_GAN_IMAGES = 100 + 120 + 4 * 1000  # a grid, lines, and both ends of 500 arcs, which are saved as floats
_AUTOENCODER_IMAGES = 40 + 110  # reconstructions beside their originals, and traversals
_TRAJECTORIES = 2 * 10  # images in a frame: of each trajectory, x_t and the estimate of x_0


@dataclass(frozen=True)
class Needs:
    """The size of a run's data, networks and stages."""

    run: str
    dataset: str
    data: DataSet
    networks: Networks
    work: Work


def needs(settings: Project, data: Project, runs: Iterable[str]) -> list[Needs]:
    """What these runs need.

    Args:
        settings: project with the resolved settings.
        data: project whose prepared data sets tell the number of images where the settings do not.

    Raises:
        ParamsError: a run's settings do not fit its network or its parent.
    """
    report = configs.read(ReportConfig, "report", "report", settings)
    found = []
    for run in runs:
        cfg, drawn = read_train(run, settings), read_sample(run, settings)
        images = _data_set(cfg.dataset, report, data)
        found.append(Needs(run, cfg.dataset, images, _networks(cfg, images), _work(cfg, drawn, images)))
    return found


def _data_set(name: str, report: ReportConfig, project: Project) -> DataSet:
    """The size that the settings announce; where they do not, that of the prepared set, or a guess."""
    settings, facts = report.datasets[name], None
    source, judges = report.sources[settings.source], report.classifiers[settings.classifier]
    if not settings.expected_images or source.kind not in _CLASSES:
        with suppress(FileError):  # where it is not prepared yet
            facts = read_json(project.facts(name), Facts)
    announced = source.images if isinstance(source, Shapes) else settings.expected_images
    count = announced or (facts.images if facts else _ASSUMED)
    classes = len(settings.classes) or _CLASSES.get(source.kind) or (len(facts.classes) if facts else 10)
    share = facts.test / facts.images if facts else _TEST_SHARE.get(source.kind, settings.test_fraction)
    test = round(share * count)
    return DataSet(
        count - test, test, settings.channels, classes, len(FACTORS) if isinstance(source, Shapes) else 0,
        4 * judges.width + judges.second.width + 2 * classes, not announced and facts is None,
    )  # fmt: skip


def _networks(cfg: TrainConfig[Any, Any], data: DataSet) -> Networks:
    """Count on the meta device, on which tensors of any size take no memory."""
    with torch.device("meta"):
        model = untrained(cfg, data.channels, data.classes)
    first_stage = model.modules["first_stage"].parameters() if "first_stage" in model.modules else ()
    trained = _values(model.modules.parameters()) - _values(first_stage)
    averaged = [model.modules[name] for name in model.averaged] if cfg.settings.ema_decay else []
    return Networks(
        trained=trained,
        other=_values(model.modules.state_dict().values()) - trained,
        averaged=sum(_values(module.state_dict().values()) for module in averaged),
    )


def _values(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _work(cfg: TrainConfig[Any, Any], drawn: SampleConfig[Any], data: DataSet) -> Work:
    s = cfg.settings
    per_epoch = max(1, (data.train + (data.test if cfg.train_on == "all" else 0)) // s.batch_size)
    steps = 0 if cfg.published else s.steps or s.epochs * per_epoch

    def times(every: int) -> int:  # and once more at the end
        return -(-steps // every)

    probes = _GAN_IMAGES if isinstance(drawn.sample, GANSampling) else 0
    if isinstance(drawn.sample, AutoencoderSampling):
        probes = _AUTOENCODER_IMAGES + drawn.sampling.images  # as many from another prior
    if isinstance(drawn.sample, DiffusionSampling | FlowSampling | EDMSampling):
        probes = _TRAJECTORIES * drawn.sample.frames
    return Work(
        seeds=cfg.seeds, steps=steps, batch=s.batch_size, validations=times(s.validate_every or per_epoch),
        snapshots=times(s.snapshot_every) if s.snapshot_every else 0, snapshot_images=drawn.sampling.snapshot_images,
        images=drawn.sampling.images, probe_images=probes,
    )  # fmt: skip


def check(
    project: Project, listed: Sequence[Needs], sets: Iterable[DataSet], compute: configs.Compute,
    activations: Mapping[str, float],
) -> None:  # fmt: skip
    """Check that each run fits in memory, and all of them on the disk.

    Args:
        project: where the outputs will be.
        sets: data sets that will be written too.
        activations: of runs where they were measured, see `estimate.Work.training_memory`.

    Raises:
        CommandError: what does not fit, with the figures.
    """
    limit, owner = capacity.memory(compute)
    for n in listed:
        training = n.work.training_memory(n.data, n.networks, activations.get(n.run, 0.0))
        if training > limit:
            raise CommandError(
                f"runs.{n.run}: {amount(n.networks.trained)}parameters and batches of {n.work.batch} need about"
                f" {size(training)} of memory, {owner} has {size(limit)}; lower the network's size or batch_size"
            )
        if (sampling := n.work.sampling_memory(n.data, n.networks)) > (whole := capacity.memory_limit()):
            raise CommandError(
                f"sampling.images: {n.work.images} of {n.run} need about {size(sampling)} of memory, this machine has"
                f" {size(whole)}; draw fewer"
            )
    outputs = sum(n.work.disk(n.data, n.networks) for n in listed)
    outputs += sum(data.disk for data in sets)
    checkpoints = max((n.work.checkpoints(n.networks) for n in listed), default=0)
    folders = {project.root: outputs / 2, project.dvc_cache: outputs / 2, project.all_checkpoints: checkpoints}
    if line := capacity.overfull(folders):
        raise CommandError(f"{line}; free some space, or `dvc gc -w`")
