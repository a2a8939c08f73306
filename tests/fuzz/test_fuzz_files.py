"""Random damage to weights, arrays, JSON and tables: what is read has the promised form, or one line names the file."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from dvc.fs import localfs
from dvc.rwlock import RWLockFileCorruptedError, RWLockFileFormatError
from hypothesis import given
from hypothesis import strategies as st

from image_files import preparation
from mutations import VALUES, bounded_memory, changed, damaged, one_line
from thirtytwo.cli import images
from thirtytwo.core.arrays import read_arrays
from thirtytwo.core.drawn import read_probes, read_samples
from thirtytwo.core.facts import Facts
from thirtytwo.core.weights import load_weights, serialise
from thirtytwo.data.factors import read_factors
from thirtytwo.data.prepare.readers import read
from thirtytwo.evaluate.scorecard import Floors, Score, Scorecard
from thirtytwo.features.extraction import load_classifier
from thirtytwo.nets.classifier import Classifier
from thirtytwo.report.reading import Log, _Files
from thirtytwo.repro.locks import release_ended
from thirtytwo.runtime.errors import ThirtyTwoError
from thirtytwo.runtime.files import read_json
from thirtytwo.runtime.project import Project
from thirtytwo.runtime.sealed import seal_json, seal_zip
from thirtytwo.training import checkpoints

CPU = torch.device("cpu")
MOST = 200 * 2**20  # bytes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@contextmanager
def refusing(*words: str) -> Iterator[None]:
    """What happens inside may succeed, or end in one line with `words`."""
    try:
        with bounded_memory(MOST):
            yield
    except ThirtyTwoError as error:
        one_line(error, *words)


def read_from(path: Path, content: bytes, action: Callable[[Path], Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    with refusing(path.name):
        action(path)


# Arrays

KINDS = ("u1", "<i8", ">i4", "<f4", "<f8", "<f2", "?", "S3", "U2", "V4", "c8", "M8[s]", "O")
ARRAYS = st.tuples(st.sampled_from(KINDS), st.lists(st.sampled_from((0, 1, 2, 3, 32)), max_size=4)).map(
    lambda pair: np.empty(pair[1], pair[0]) if pair[0] == "O" else np.ones(pair[1], "u1").astype(pair[0])
)
ARRAY_NAMES = st.sampled_from(
    ("images", "labels", "split", "latents", "snapshot_steps", "bound_bits", "", "../x", "a/b")
)
HEADERS = st.one_of(
    st.sampled_from((
        "{'descr': 'u1', 'fortran_order': False, 'shape': (10**12,)}", "{'descr': 'u1', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "{'descr': 'u1', 'fortran_order': False, 'shape': (0, 2**70)}",
        "{'descr': '|V0', 'fortran_order': False, 'shape': (5,)}", "{'descr': [('a', 'u1')], 'fortran_order': True, 'shape': ()}",
        "{'descr': ('u1', (99999999,)), 'fortran_order': False, 'shape': ()}", "__import__('os').mkdir('ran')", "(" * 500,
    )),
    st.text("{}()[]'descrfotanhp_:, 0129-u1|OFalseTrue", max_size=60),
)  # fmt: skip


@st.composite
def npz(draw: st.DrawFn) -> bytes:
    """An .npz of any arrays, or with an array whose header is any text."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", draw(st.sampled_from((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))) as archive:
        for name in draw(st.lists(ARRAY_NAMES, max_size=3, unique=True)):
            member = io.BytesIO()
            np.lib.format.write_array(member, draw(ARRAYS), allow_pickle=True)
            content = member.getvalue()
            if draw(st.integers(0, 3)) == 0:
                header = draw(HEADERS).encode()
                content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content[-8:]
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def user_images(path: Path) -> None:
    given = images.read(path, preparation(channels=1, convert=["rgb"]), ("a", "b"), False)
    assert given.images.shape[1:] == (32, 32, 1)
    assert len(given.labels) == len(given.images)


@given(content=st.one_of(npz(), npz().flatmap(damaged)))
def test_arrays(folder: Path, content: bytes):
    """As a user's file, and as a file of the pipeline, whose sha256 is right."""
    read_from(folder / "mine.npz", content, user_images)
    (folder / "digits5k").mkdir(exist_ok=True)
    read_from(folder / "digits5k/digits5k.npz", content, lambda path: list(read("digits5k", path.parent)))
    if content[-22:-18] == b"PK\x05\x06":
        for action in (
            read_samples,
            read_probes,
            lambda path: read_arrays(path, {"images": "uint8 N 32 32 C", "labels": "?int N"}),
        ):
            read_from(folder / "data/samples/vae/0.npz", seal_zip(content), action)
    assert not Path("ran").exists()


def bomb(announced: int | None = None) -> bytes:
    """An .npz of 64 MiB of zeros, which its directory may announce as fewer."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=np.zeros(2**26, np.uint8))
    size = (2**26 + 128).to_bytes(4, "little")
    content = buffer.getvalue()
    assert size in content
    return content if announced is None else content.replace(size, announced.to_bytes(4, "little"))


def test_an_array_that_is_larger_than_announced(folder: Path):
    content = bomb(4096)
    (folder / "mine.npz").write_bytes(content)
    with pytest.raises(ThirtyTwoError, match=r"mine\.npz"), bounded_memory(24 * 2**20):
        user_images(folder / "mine.npz")


def test_arrays_beyond_the_memory_of_the_machine(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("thirtytwo.runtime.sealed.LARGEST", 2**25)
    (folder / "mine.npz").write_bytes(bomb())
    with pytest.raises(ThirtyTwoError, match=r"mine\.npz: .*bytes"), bounded_memory(24 * 2**20):
        user_images(folder / "mine.npz")


# Weights

STATE: dict[str, Any] = {
    "modules": {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.zeros(2, dtype=torch.bfloat16)}, "ema": {},
    "classes": ["x", "y"], "channels": 1, "width": 8, "state_dict": {}, "steps": 3,
}  # fmt: skip


@given(content=damaged(serialise(STATE)[: -len("sha256 ") - 64]), state=changed({**STATE, "modules": {"a": 1}}))
def test_weights(folder: Path, content: bytes, state: Any):
    path = folder / "data/models/vae/0.pt"
    read_from(path, content, lambda path: load_weights(path, CPU, sealed=False))
    read_from(path, content, lambda path: load_weights(path, CPU))
    read_from(folder / "data/classifiers/set.pt", serialise(state), lambda path: load_classifier(Classifier, path, CPU))


FILE_NAMES = st.sampled_from((
    f"000000001-{'0' * 64}.pt", f"999999999-{'f' * 64}.pt", "000000002-x.pt", ".000000003-0.pt.tmp", f"٣٣٣٣٣٣٣٣٣-{'0' * 64}.pt", "x.pt",
))  # fmt: skip


@given(state=VALUES, wrong=st.lists(st.tuples(FILE_NAMES, st.sampled_from((b"", b"PK", None))), max_size=3))
def test_checkpoints(tmp_path_factory: pytest.TempPathFactory, state: Any, wrong: list[tuple[str, bytes | None]]):
    """Whatever else lies in the folder, the checkpoint is loaded."""
    folder = tmp_path_factory.mktemp("checkpoints", numbered=True)
    saved = checkpoints.save(folder, 5, {"step": 5})
    for name, content in wrong:
        if (path := folder / name).exists():
            continue
        path.mkdir() if content is None else path.write_bytes(content)
    with refusing():
        assert checkpoints.load_latest(folder, CPU) == {"step": 5}
    saved.write_bytes(saved.read_bytes()[:-1])
    with refusing():
        assert checkpoints.load_latest(folder, CPU) is None


# JSON and tables

CARD: dict[str, Any] = {
    "measured": {"scores": {"fd_classifier": {"value": 2.0, "low": 1.0, "high": 3.0}, "accuracy": 0.5}, "protocol": {"n": 40}},
    "floor": {"scores": {}, "protocol": {}}, "diagnosis": {"word": "healthy", "reason": None},
}  # fmt: skip
FACTS: dict[str, Any] = {
    "name": "s", "source": "s", "classes": ["a"], "factor_names": [], "images": 2, "train": 1, "test": 1,
    "per_class": {"train": {"a": 1}, "test": {"a": 1}}, "channels": 1, "resample": "box", "fit": "pad",
    "removed": [{"file": "x"}], "converted": {}, "sha256": "0",
}  # fmt: skip
FORMS: list[tuple[Any, Any]] = [
    (CARD, Scorecard), (FACTS, Facts), ({"at_random": CARD["measured"], "within_classes": CARD["measured"]}, Floors),
    (CARD["measured"]["scores"], dict[str, Score]), ({"seconds": 1.0, "images": 3, "device": "cpu", "points": [{"a": 1}]}, Log),
]  # fmt: skip


@given(form=st.sampled_from(FORMS), data=st.data())
def test_json(folder: Path, form: tuple[Any, Any], data: st.DataObject):
    values, kind = form
    text = json.dumps(data.draw(changed(values)), indent=1).encode() + b"\n"
    path = folder / "scores/vae.json"
    for content in (text, data.draw(damaged(text))):
        read_from(path, content, lambda path: read_json(path, kind, sealed=False))
        if content.endswith(b"\n}\n"):
            read_from(path, seal_json(content), lambda path: read_json(path, kind))


TABLE = b"step,class,fd,fd_low,fd_high\n1,NA,2.0,1.0,3.0\n2,3,2.5,2.0,3.5\n"
CELLS = st.sampled_from(
    ("", "1", "-1", "nan", "inf", "1e999", "x", '"', '"a\nb"', "\0", "é", "1" * 400, ",", "0x1", "True")
)


@given(content=st.one_of(damaged(TABLE), st.lists(st.lists(CELLS, max_size=5)).map(
    lambda rows: "\n".join([TABLE.decode().splitlines()[0], *(",".join(row) for row in rows), ""]).encode("utf-8")
)))  # fmt: skip
def test_tables(folder: Path, content: bytes):
    read_from(
        folder / "plots/train/vae.csv", content,
        lambda path: _Files(Project(folder)).csv(path, ["step", "fd"]),
    )  # fmt: skip
    read_from(folder / "factors.csv", content, lambda path: read_factors(path.parent, ["1", "2"]))


# DVC's file of locks

LOCKS: dict[str, Any] = {
    "write": {"/a/b": {"pid": 4194304, "cmd": "dvc repro"}}, "read": {"/a/c": [{"pid": 4194305, "cmd": "dvc repro"}]},
}  # fmt: skip


@given(
    content=st.one_of(damaged(json.dumps(LOCKS).encode()), changed(LOCKS).map(lambda locks: json.dumps(locks).encode()))
)
def test_locks(folder: Path, content: bytes):
    """What DVC has locked is released, or its file is named as damaged."""
    repo: Any = SimpleNamespace(tmp_dir=str(folder), fs=localfs, config={"core": {}})
    (folder / "rwlock").write_bytes(content)
    with bounded_memory(MOST), suppress(RWLockFileCorruptedError, RWLockFileFormatError):
        release_ended(repo)
        assert release_ended(repo) == []
