"""Checkpoints: atomic, verified, weights-only."""

import errno
import os
import pickle
from pathlib import Path

import pytest
import torch

from thirtytwo.core.weights import load_weights, serialise
from thirtytwo.runtime import files
from thirtytwo.runtime.errors import CheckpointError, FileError, Stopped
from thirtytwo.runtime.interrupt import in_use
from thirtytwo.training import checkpoints

CPU = torch.device("cpu")


def state(value: float) -> dict[str, object]:
    return {"weights": torch.full((50,), value), "step": int(value), "curve": [{"loss": value}]}


def test_round_trip_keeps_the_newest_two(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        checkpoints.save(tmp_path, step, state(step))
    assert [int(p.name[:9]) for p in sorted(tmp_path.glob("*.pt"))] == [2, 3]
    loaded = checkpoints.load_latest(tmp_path, CPU)
    assert loaded is not None
    assert loaded["step"] == 3
    assert torch.equal(loaded["weights"], torch.full((50,), 3.0))


def test_nothing_to_load_is_none(tmp_path: Path) -> None:
    assert checkpoints.load_latest(tmp_path, CPU) is None
    assert checkpoints.load_latest(tmp_path / "absent", CPU) is None


@pytest.mark.parametrize("damage", ["truncate", "flip"])
def test_a_damaged_checkpoint_is_passed_over_aloud(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints.save(tmp_path, 1, state(1))
    newest = checkpoints.save(tmp_path, 2, state(2))
    data = bytearray(newest.read_bytes())
    if damage == "truncate":
        data = data[: len(data) // 2]
    else:
        data[len(data) // 2] ^= 1
    newest.write_bytes(data)
    loaded = checkpoints.load_latest(tmp_path, CPU)
    assert loaded is not None
    assert loaded["step"] == 1
    assert newest.name in capsys.readouterr().err


def test_a_full_disk_keeps_the_former_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints.save(tmp_path, 1, state(1))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="No space left on device"):
        checkpoints.save(tmp_path, 2, state(2))
    assert [p.name[:9] for p in tmp_path.iterdir()] == ["000000001"]
    loaded = checkpoints.load_latest(tmp_path, CPU)
    assert loaded is not None
    assert loaded["step"] == 1


def test_an_unfinished_write_is_no_checkpoint(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, 1, state(1))
    (tmp_path / ".000000002-0.pt.123.tmp").write_bytes(b"half a checkpoint")
    loaded = checkpoints.load_latest(tmp_path, CPU)
    assert loaded is not None
    assert loaded["step"] == 1


class Bomb:
    """Unpickling it would create the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, int]]:
        return os.mkdir, (str(self.path), 0o700)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_malicious_pickle_is_refused_and_does_not_run(tmp_path: Path, legacy: bool) -> None:
    path, victim = tmp_path / "weights.pt", tmp_path / "ran"
    if legacy:
        path.write_bytes(pickle.dumps(Bomb(victim)))
    else:
        path.write_bytes(serialise({"modules": Bomb(victim)}))
        with pytest.raises(CheckpointError, match=r"weights\.pt: expected plain weights"):
            load_weights(path, CPU)
    with pytest.raises(CheckpointError, match=r"weights\.pt: expected plain weights"):
        load_weights(path, CPU, sealed=False)
    assert not victim.exists()


def test_missing_weights_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file; run `dvc repro train@vae`"):
        load_weights(tmp_path / "data/models/vae/0.pt", CPU)


def test_bytes_do_not_depend_on_the_file_name(tmp_path: Path) -> None:
    for name in ("a.pt", "another_name.pt"):
        files.write(tmp_path / name, serialise(state(1)))
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "another_name.pt").read_bytes()


def test_another_kind_of_machine_is_said_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here,) = checkpoints.machines(tmp_path, CPU)
    assert torch.__version__ in here
    assert checkpoints.machines(tmp_path, CPU) == [here]
    assert capsys.readouterr().out == ""
    for change, value in [
        ("torch.backends.cpu.get_cpu_capability", lambda: "AVX7"),
        ("platform.machine", lambda: "abacus"),
        ("torch.__version__", "9.9"),
    ]:
        monkeypatch.setattr(change, value)
        *before, there = checkpoints.machines(tmp_path, CPU)
        said = capsys.readouterr().out
        assert said.count("\n") == 1
        assert before[-1] in said
        assert there in said
    assert len(checkpoints.machines(tmp_path, CPU)) == 4


def test_the_newest_checkpoint_is_that_of_the_most_steps_whatever_the_clock_says(tmp_path: Path) -> None:
    for step in (1, 2):
        os.utime(checkpoints.save(tmp_path, step, state(step)), (1e9 - step, 1e9 - step))
    loaded = checkpoints.load_latest(tmp_path, CPU)
    assert loaded is not None
    assert loaded["step"] == 2


def test_a_training_has_its_folder_for_itself(tmp_path: Path) -> None:
    with checkpoints.reserved(tmp_path / "vae/1234", lambda: 0) as folder:
        assert in_use(folder)
        with pytest.raises(Stopped), checkpoints.reserved(folder, lambda: 143):
            pass
    assert not folder.exists()
