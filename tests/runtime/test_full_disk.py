"""A full disk, a limit on file sizes, a folder that cannot be written, too little memory: one line, and a rerun in the same bytes."""

import ctypes
import errno
import hashlib
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML

from staging import set_up_one_run
from thirtytwo.runtime import stage
from thirtytwo.runtime.project import Project

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("train vae", "sample vae", "report")
CHANGES = {"steps": 6, "checkpoint_every": 2, "validate_every": 3, "width": 8, "batch_size": 8, "latent_dim": 4}
SAMPLING = {"prior": "gaussian", "components": 2, "bound_images": 2, "bound_samples": 2}
MADE = (
    "data/models",
    "data/snapshots",
    "data/samples",
    "data/probes",
    "plots",
    "scores",
    "report/figures",
    "report/report.md",
)
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with one run of a small network, whose stages have run."""
    folder = tmp_path_factory.mktemp("full_disk")
    params = YAML(typ="safe").load(ROOT / "scales/quick.yaml")
    params["compute"] |= {"device": "cpu", "threads": 1}

    def write(values: Any) -> Path:
        path: Path = folder / "params.yaml"
        with path.open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(values, file)
        return path

    params["vae"] |= CHANGES
    params["vae"]["sample"] |= SAMPLING
    run = {**params["runs"]["vae"], "set": {}}
    set_up_one_run(folder, params, write, "vae", run, {})
    (folder / "dvc.yaml").touch()
    (folder / ".dvc/tmp").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for job in STAGES:
            assert line_of(job) is None
    return Project(folder)


@pytest.fixture
def copy(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the project; the stages run in its folder."""
    threads = torch.get_num_threads()
    shutil.copytree(project.root, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    yield tmp_path / "project"
    torch.set_num_threads(threads)


def line_of(job: str) -> str | None:
    """The line in which a stage ends, None if it succeeds."""
    name, *arguments = job.split()
    ended = SystemExit()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"stages/{name}.py", *arguments])
        try:
            stage.run_stage(import_module(f"stages.{name}").main)
        except SystemExit as error:
            ended = error
    if ended.code is None:
        return None
    assert isinstance(ended.code, str)
    assert ended.code.startswith("error: ")
    assert "\n" not in ended.code
    assert "bug" not in ended.code
    return ended.code


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of all that the stages make for DVC, without the page, which shows durations."""
    paths = [found for name in MADE for found in (folder / name, *(folder / name).rglob("*")) if found.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def check_kept(folder: Path, before: dict[str, str]) -> None:
    """No file is half or of another content, but the curve that a training writes as it goes; nothing temporary is left."""
    made = {name: value for name, value in hashes(folder).items() if not name.startswith("plots/train/")}
    assert made == {name: before[name] for name in made}
    assert [path for path in folder.rglob(".*.tmp")] == []


@contextmanager
def file_size(most: int) -> Iterator[None]:
    """No file may grow beyond `most` bytes; Python ignores SIGXFSZ, so writes raise OSError."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


@pytest.mark.parametrize(("job", "most"), [("train vae", 64), *((job, 4096) for job in STAGES)])
def test_a_limit_on_file_sizes(job: str, most: int, copy: Path, project: Project):
    before = hashes(copy)
    with file_size(most):
        line = line_of(job)
    assert line is not None
    assert "File too large" in line
    check_kept(copy, before)
    for again in STAGES[STAGES.index(job) :]:
        assert line_of(again) is None
    assert hashes(copy) == before


@pytest.mark.parametrize("job", STAGES[:2])
def test_a_disk_that_is_full_at_any_of_the_writes(job: str, copy: Path, monkeypatch: pytest.MonkeyPatch):
    """Each write of the stage fails in turn, the next run goes on from what is there, and the end is the same."""
    before, fsync, calls, step = hashes(copy), os.fsync, 0, 0

    def failing(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == step:
            raise FULL
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    while step < 30:
        calls, step = 0, step + 1
        if (line := line_of(job)) is None:
            break
        assert "No space left on device" in line
        check_kept(copy, before)
    assert 5 <= step < 30
    assert hashes(copy) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 32 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and os.geteuid() == 0
    if (
        not mounted
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", disk], capture_output=True).returncode
    ):
        pytest.skip("only root may mount a small disk, and not in every container")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_small_disk_that_fills_up_and_is_cleared(project: Project, small_disk: Path, monkeypatch: pytest.MonkeyPatch):
    before, filler = hashes(project.root), small_disk / "filler"
    monkeypatch.chdir(small_disk)
    for name in ("configs", "data/prepared"):
        shutil.copytree(project.root / name, small_disk / name)
    for name in ("params.yaml", "dvc.yaml", ".no-parent"):
        shutil.copy(project.root / name, small_disk / name)
    (small_disk / ".dvc/tmp").mkdir(parents=True)
    for job in STAGES[:2]:
        filler.write_bytes(b"")
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        filler.write_bytes(bytes(max(0, free - 3 * 4096)))
        line = line_of(job)
        assert line is not None
        assert "No space left on device" in line
        check_kept(small_disk, before)
        filler.unlink()
        assert line_of(job) is None
    made = hashes(small_disk)
    assert made == {name: value for name, value in before.items() if not name.startswith("report")}


def test_a_disk_that_is_read_only(small_disk: Path, project: Project, monkeypatch: pytest.MonkeyPatch):
    for name in ("configs", "data/prepared"):
        shutil.copytree(project.root / name, small_disk / name)
    for name in ("params.yaml", "dvc.yaml", ".no-parent"):
        shutil.copy(project.root / name, small_disk / name)
    monkeypatch.chdir(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for job in ("train vae", "resolve", "report"):
        line = line_of(job)
        assert line is not None
        assert "Read-only file system" in line


@contextmanager
def permissions_that_count() -> Iterator[None]:
    """Permissions are those of the folders for root as well: without CAP_DAC_OVERRIDE, man 7 capabilities."""
    if os.geteuid():
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root may write in any folder")
    libc = ctypes.CDLL(None)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()  # version 3, this thread
    assert libc.capget(header, sets) == 0
    effective = sets[0]
    sets[0] &= ~0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
    assert libc.capset(header, sets) == 0
    try:
        yield
    finally:
        sets[0] = effective
        assert libc.capset(header, sets) == 0


def test_a_folder_without_permission(copy: Path):
    folders, before = [path for path in (copy / "data", *(copy / "data").rglob("*")) if path.is_dir()], hashes(copy)
    for folder in folders:
        folder.chmod(0o500)
    try:
        with permissions_that_count():
            for job in STAGES[:2]:
                line = line_of(job)
                assert line is not None
                assert "Permission denied" in line
    finally:
        for folder in folders:
            folder.chmod(0o700)
    check_kept(copy, before)


OUT_OF_MEMORY = [
    MemoryError(), MemoryError("Unable to allocate 29.1 TiB for an array"), MemoryError("std::bad_alloc"), RuntimeError("std::bad_alloc"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes."),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
]  # fmt: skip


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=str)
def test_too_little_memory(error: Exception, copy: Path, monkeypatch: pytest.MonkeyPatch):
    """At the third step; the checkpoint of the second is kept, and the next run goes on from it."""
    from thirtytwo.models.autoencoder import model

    before, steps, loss = hashes(copy), 0, model.Autoencoder._loss

    def failing(self: Any, *arguments: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == 3:
            raise error
        return loss(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(model.Autoencoder, "_loss", failing)
        line = line_of("train vae")
    assert line is not None
    assert "not enough memory" in line
    assert "batch_size" in line
    check_kept(copy, before)
    assert line_of("train vae") is None
    assert hashes(copy) == before


WITH_MORE_MEMORY = """
import os, resource, sys
sys.argv = ["stages/train.py", "vae"]
from stages.train import main
from thirtytwo.runtime.stage import run_stage
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
for more in (0, 2**20, 2**22, 2**24, 2**25):
    if os.fork() == 0:
        resource.setrlimit(resource.RLIMIT_AS, (size + more, size + more))
        run_stage(main)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to a limit on memory")
def test_a_limit_on_memory(copy: Path):
    """A real one, of a few MiB beyond what the libraries take once they are imported."""
    before = hashes(copy)
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", WITH_MORE_MEMORY], cwd=copy, env=environment, capture_output=True, text=True
    )
    assert done.stdout.split() == ["1"] * 5, done.stderr
    lines = [line for line in done.stderr.splitlines() if "error" in line]
    assert len(lines) == 5
    assert all("not enough memory" in line and "batch_size" in line for line in lines), lines
    assert "Traceback" not in done.stderr
    check_kept(copy, before)
    assert line_of("train vae") is None
    assert hashes(copy) == before
