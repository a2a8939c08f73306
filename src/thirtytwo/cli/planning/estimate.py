"""What a run needs, in closed form: bytes in memory and on the disk, and durations from a few measured speeds.

Nothing here reads a file or imports torch; `needs` counts what these formulas take, and `calibration` measures it.
"""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["DataSet", "Networks", "Speeds", "Work", "amount", "duration", "size", "wall"]

_FLOAT = 4  # bytes of a float32
_LABELS = 9  # bytes an image beside its pixels: a label of int64 and a split of uint8
_INDEX = 16  # bytes a drawn image beside its pixels: a label and an index of int64
_COPIES = 2  # of each output: one in the project, one in DVC's cache
_CHECKPOINTS = 2  # kept of each training until the run's last one ends, besides the one that is being written
_SAVED_COPIES = 2  # of a state in memory while it is written: the archive, and the archive with its sha256
_SAMPLED_COPIES = 4  # of the images in memory at most: as they are gathered, and on the way to uint8


@dataclass(frozen=True)
class DataSet:
    """The size of a prepared data set.

    Attributes:
        channels: of an image, 1 or 3.
        factors: ground-truth factors of an image.
        features: values that both classifiers return of an image.
        assumed: whether the number of images is a guess, since only the stage `prepare` can count them.
    """

    train: int
    test: int
    channels: int
    classes: int
    factors: int
    features: int
    assumed: bool

    @property
    def images(self) -> int:
        return self.train + self.test

    @property
    def pixels(self) -> int:
        """Bytes of an image as uint8, and values of one as floats."""
        return 32 * 32 * self.channels

    @property
    def bytes(self) -> int:
        """Size of data/prepared/<set>.npz, which is not compressed, and of its arrays in memory."""
        return self.images * (self.pixels + _LABELS + _FLOAT * self.factors)

    @property
    def disk(self) -> int:
        """Bytes of the prepared set and of the features, with their copies in DVC's cache."""
        return _COPIES * (self.bytes + self.images * (_FLOAT * self.features + _LABELS))


@dataclass(frozen=True)
class Networks:
    """The size of a run's networks, in values of float32.

    Attributes:
        trained: parameters that an optimiser changes.
        other: buffers, and all of a parent's networks.
        averaged: parameters and buffers that have a moving average.
    """

    trained: int
    other: int
    averaged: int

    @property
    def weights(self) -> int:
        """Bytes of all networks."""
        return _FLOAT * (self.trained + self.other)

    @property
    def file(self) -> int:
        """Bytes of data/models/<run>/<training>.pt: the networks and their averages."""
        return self.weights + _FLOAT * self.averaged

    @property
    def checkpoint(self) -> int:
        """Bytes of a checkpoint: the same with Adam's two moments of each parameter (Kingma & Ba 2015, algorithm 1)."""
        return self.file + 2 * _FLOAT * self.trained

    @property
    def training(self) -> int:
        """Bytes of a training before its first image: what a checkpoint holds, and a gradient of each parameter."""
        return self.checkpoint + _FLOAT * self.trained


@dataclass(frozen=True)
class Work:
    """What a run's stages do.

    Attributes:
        seeds: trainings.
        steps: training steps of each; 0 for published weights.
        validations: passes over the held-out images during a training.
        snapshots: of the first training's weights, from each of which `snapshot_images` are drawn.
        images: drawn from each training.
        probe_images: further images, which are drawn from the first training and saved beside them.
    """

    seeds: int
    steps: int
    batch: int
    validations: int
    snapshots: int
    snapshot_images: int
    images: int
    probe_images: int

    def training_memory(self, data: DataSet, networks: Networks, activations: float) -> float:
        """Bytes of a training: its state, the images, and the larger of one step and the writing of a checkpoint.

        Published weights are not trained.

        Args:
            activations: bytes that a step keeps of each image of its batch for the backward pass.
        """
        if not self.steps:
            return networks.file + data.bytes
        step = self.batch * (_FLOAT * data.pixels + activations)
        return networks.training + data.bytes + max(step, _SAVED_COPIES * networks.checkpoint)

    def sampling_memory(self, data: DataSet, networks: Networks) -> float:
        """Bytes of the stage `sample`: the networks, the real images and those that it draws."""
        return networks.weights + data.bytes + _SAMPLED_COPIES * _FLOAT * data.pixels * self.images

    def disk(self, data: DataSet, networks: Networks) -> int:
        """Bytes of the outputs of a run with their copies in DVC's cache; images are counted before compression."""
        drawn = self.seeds * self.images + self.probe_images + self.snapshots * self.snapshot_images
        weights = self.seeds * networks.file + self.snapshots * _FLOAT * networks.averaged
        return _COPIES * (weights + drawn * (data.pixels + _INDEX))

    def checkpoints(self, networks: Networks) -> int:
        """Bytes of the checkpoints during the training."""
        return (_CHECKPOINTS * self.seeds + 1) * networks.checkpoint if self.steps else 0


@dataclass(frozen=True)
class Speeds:
    """What `calibration` measures of a run, in seconds and bytes.

    Attributes:
        start: from the start of a process to the end of its imports.
        step: a training step.
        validated: a held-out image of a validation.
        drawn: an image.
        probes: everything in the stage `sample` but drawing images.
        extracted: the features of an image by both classifiers.
        scored: the scores of one training's images.
        resident: bytes of a process that has imported everything and done nothing.
        activations: bytes that a training step keeps of each image of its batch.
    """

    start: float
    step: float
    validated: float
    drawn: float
    probes: float
    extracted: float
    scored: float
    resident: float
    activations: float

    def train(self, work: Work, data: DataSet) -> float:
        """Seconds of the stage `train`."""
        training = work.steps * self.step + work.validations * data.test * self.validated
        return self.start + work.seeds * training

    def sample(self, work: Work) -> float:
        """Seconds of the stage `sample`."""
        drawn = work.seeds * work.images + work.probe_images + work.snapshots * work.snapshot_images
        return self.start + drawn * self.drawn + self.probes

    def evaluate(self, work: Work) -> float:
        """Seconds of the stage `evaluate`."""
        seen = work.seeds * work.images + work.probe_images + work.snapshots * work.snapshot_images
        return self.start + seen * self.extracted + work.seeds * self.scored


def wall(seconds: Iterable[float], jobs: int) -> float:
    """Duration of tasks that `jobs` processes share, the longest first: at most 4/3 of the best order (Graham 1969)."""
    busy = [0.0] * jobs
    for task in sorted(seconds, reverse=True):
        heapq.heappush(busy, heapq.heappop(busy) + task)
    return max(busy)


def duration(seconds: float) -> str:
    """Seconds with two digits, such as 43 s, 2.5 min, 3.1 h or 12 days."""
    for unit, name, below in ((1, "s", 100), (60, "min", 100), (3600, "h", 48)):
        if seconds / unit < below:
            return f"{_two(seconds / unit)} {name}"
    return f"{_two(seconds / 86_400)} days"


def size(count: float) -> str:
    """Bytes with two digits, such as 6.1 MB; 1 MB is 10^6 bytes."""
    return f"{amount(count)}B"


def amount(count: float) -> str:
    """A number with two digits and the prefix of its unit, such as "36 M"."""
    for unit, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= 0.995 * unit:
            return f"{_two(count / unit)} {prefix}"
    return f"{_two(count)} "


def _two(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}"
