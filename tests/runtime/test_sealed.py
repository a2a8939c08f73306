"""Files that carry their own sha256: each flipped bit is noticed, other programs read them, equal content is equal."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from thirtytwo.core.weights import load_weights, parse_weights, serialise
from thirtytwo.runtime.errors import CheckpointError, FileError
from thirtytwo.runtime.files import read_json, write_arrays, write_json
from thirtytwo.runtime.sealed import json_is_whole, seal_zip, zip_is_whole

CPU = torch.device("cpu")
STATE = {"modules": {"a.weight": torch.arange(6.0).reshape(2, 3)}, "classes": ["x", "y"], "steps": 3}


def weights(folder: Path) -> bytes:
    return serialise(STATE)


def arrays(folder: Path) -> bytes:
    write_arrays(folder / "a.npz", {"images": np.arange(8, dtype=np.uint8), "names": np.array(["a", "bc"])})
    return (folder / "a.npz").read_bytes()


def scores(folder: Path) -> bytes:
    write_json(folder / "a.json", {"fd": 12.25, "n": 2000, "word": "healthy"}, sealed=True)
    return (folder / "a.json").read_bytes()


@pytest.mark.parametrize(("make", "whole"), [(weights, zip_is_whole), (arrays, zip_is_whole), (scores, json_is_whole)])
def test_each_flipped_bit_and_each_cut_is_noticed(
    make: Callable[[Path], bytes], whole: Callable[[bytes], bool], tmp_path: Path
):
    data = bytearray(make(tmp_path))
    assert whole(bytes(data))
    for place in range(8 * len(data)):
        data[place // 8] ^= 1 << place % 8
        assert not whole(bytes(data)), place
        data[place // 8] ^= 1 << place % 8
    for length in range(len(data)):
        assert not whole(bytes(data[:length])), length
    assert not whole(bytes(data) + b"\n")


def test_other_programs_read_the_files(tmp_path: Path):
    (tmp_path / "a.pt").write_bytes(serialise(STATE))
    for mapped in (False, True):
        loaded = torch.load(tmp_path / "a.pt", weights_only=True, mmap=mapped)
        assert (loaded["modules"]["a.weight"] == STATE["modules"]["a.weight"]).all()
    arrays(tmp_path)
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert archive.testzip() is None
        assert archive.comment.startswith(b"sha256 ")
    assert json.loads(scores(tmp_path))["fd"] == 12.25


def test_equal_weights_give_equal_bytes():
    again = {"modules": {"a.weight": torch.arange(6.0).reshape(2, 3).clone()}, "classes": ["x", "y"], "steps": 3}
    assert serialise(STATE) == serialise(again)
    assert serialise(STATE) != serialise(STATE | {"steps": 4})


def test_damaged_weights_are_refused_by_name_with_the_remedy(tmp_path: Path):
    path = tmp_path / "data/models/vae/0.pt"
    path.parent.mkdir(parents=True)
    data = bytearray(serialise(STATE))
    data[data.index(STATE["modules"]["a.weight"].numpy().tobytes()) + 7] ^= 64  # within the weights
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"models/vae/0\.pt: damaged.*delete it and run `dvc repro train@vae`"):
        load_weights(path, CPU)
    buffer = io.BytesIO()
    torch.save(STATE, buffer)
    with pytest.raises(CheckpointError, match="sha256"):
        parse_weights(buffer.getvalue(), path, CPU)
    assert parse_weights(buffer.getvalue(), path, CPU, sealed=False)["steps"] == 3


@pytest.mark.parametrize("other", [[1, 2], torch.zeros(2), 3])
def test_whole_files_of_something_else_than_weights_are_refused_by_name(other: object, tmp_path: Path):
    buffer = io.BytesIO()
    torch.save(other, buffer)
    with pytest.raises(CheckpointError, match=rf"x\.pt: holds a {type(other).__name__}; expected a dict of weights"):
        parse_weights(seal_zip(buffer.getvalue()), tmp_path / "x.pt", CPU)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"fd": 1, "n": 2', "not valid JSON"),
        (b'{"fd": NaN}', "NaN; expected finite numbers"),
        (b'{"fd": -Infinity}', "-Infinity"),
        (b"[1, 2]", "should be an object"),
        (b'{"fd": "12"}', "fd: "),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_json_that_is_not_of_the_kind_is_named(content: bytes, words: str, tmp_path: Path):
    path = tmp_path / "scores/floor/shapes.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(FileError, match="sha256 is not the one"):
        read_json(path, dict[str, float])
    with pytest.raises(FileError, match=rf"floor/shapes\.json: .*{words}.*run `dvc repro floor@shapes`") as caught:
        read_json(path, dict[str, float], sealed=False)
    assert "\n" not in str(caught.value)


def test_an_edited_value_is_noticed_also_where_no_checksum_is_needed(tmp_path: Path):
    path = tmp_path / "mine.json"
    data = scores(tmp_path)
    assert read_json(tmp_path / "a.json", dict[str, float | str])["fd"] == 12.25
    path.write_bytes(data.replace(b"12.25", b"11.25"))
    for sealed in (True, False):
        with pytest.raises(FileError, match="sha256"):
            read_json(path, dict[str, float | str], sealed=sealed)
