"""Reading of arrays from files that are missing, damaged or incomplete."""

import numpy as np
import pytest

from thirtytwo.core.arrays import read_arrays
from thirtytwo.runtime.errors import FileError
from thirtytwo.runtime.files import write_arrays

FORMS = {"images": "uint8 N 8 C", "labels": "int N", "names": "?str K", "scale": "?float", "weights": "?float32 N"}
ARRAYS = {
    "images": np.zeros((5, 8, 3), np.uint8), "labels": np.arange(5), "names": np.array(["a", "bc"]),
    "scale": np.array(0.5), "other": np.zeros((2, 2)),
}  # fmt: skip


@pytest.mark.parametrize("compressed", [False, True])
def test_what_was_written_is_read(tmp_path, compressed):
    arrays = ARRAYS | {"weights": np.zeros(5, np.float32), "by_column": np.asfortranarray(np.arange(6).reshape(2, 3))}
    write_arrays(tmp_path / "a.npz", arrays, compressed)
    read = read_arrays(tmp_path / "a.npz", FORMS)
    with np.load(tmp_path / "a.npz") as plain:  # numpy reads the sealed file as well
        assert set(read) == set(plain) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(read[name], array)
            assert read[name].dtype == plain[name].dtype == array.dtype


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": None}, "no array 'images'; expected uint8 N 8 C"),
        ({"images": np.zeros((5, 8, 3), np.int16)}, r"'images' is int16 \[5, 8, 3\]; expected uint8"),
        ({"images": np.zeros((5, 9, 3), np.uint8)}, "expected uint8 N 8 C"),
        ({"images": np.zeros((5, 8), np.uint8)}, "expected uint8 N 8 C"),
        ({"labels": np.arange(4)}, r"'labels' is int64 \[4\]; expected int N where N = 5"),
        ({"labels": np.arange(5.0)}, "expected int N"),
        ({"names": np.arange(2)}, "expected .*str K"),
        ({"scale": np.array(np.nan)}, "'scale' holds NaN or infinity"),
        ({"weights": np.full(5, np.inf, np.float32)}, "'weights' holds NaN or infinity"),
        ({"weights": np.zeros(5)}, r"'weights' is float64 \[5\]; expected \?float32 N"),
    ],
)
def test_arrays_of_another_kind_are_named_with_what_was_expected(tmp_path, change, words):
    path = tmp_path / "data/samples/vae/0.npz"
    write_arrays(path, {name: array for name, array in (ARRAYS | change).items() if array is not None})
    with pytest.raises(FileError, match=rf"0\.npz: .*{words}.*delete it and run `dvc repro sample@vae`"):
        read_arrays(path, FORMS)


def test_files_missing_or_cut_short_are_refused(tmp_path):
    path = tmp_path / "data/probes/vae.npz"
    with pytest.raises(FileError, match="no such file; run `dvc repro sample@vae`"):
        read_arrays(path, {})
    np.savez(tmp_path / "theirs.npz", labels=np.arange(1000))
    assert list(read_arrays(tmp_path / "theirs.npz", {"labels": "int N"}, sealed=False)) == ["labels"]
    with pytest.raises(FileError, match="sha256"):
        read_arrays(tmp_path / "theirs.npz", {})
    content = (tmp_path / "theirs.npz").read_bytes()
    for broken in (content[:500], b"", b"PK", b"\x93NUMPY", content[:-22]):
        (tmp_path / "theirs.npz").write_bytes(broken)
        with pytest.raises(FileError, match="damaged"):
            read_arrays(tmp_path / "theirs.npz", {}, sealed=False)


def test_python_objects_are_refused(tmp_path):
    np.savez(tmp_path / "theirs.npz", labels=np.array([{}], object))
    with pytest.raises(FileError, match="Python objects"):
        read_arrays(tmp_path / "theirs.npz", {}, sealed=False)
