"""A stage that a fork of the server runs behaves as one in a process of its own."""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from thirtytwo.runtime.fork_server import ADDRESS, fork_server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the server runs on Linux alone")

ROOT = Path(__file__).resolve().parents[2]
BEGIN = "from thirtytwo.runtime.fork_server import begin_stage\nbegin_stage()\nimport os, sys, time\n"
READY = "open('pid.new', 'w').write(str(os.getpid()))\nos.replace('pid.new', 'pid')\n"
WAIT = f"{READY}time.sleep(60)"
TRAIN = f"""
from thirtytwo.runtime.interrupt import StopSignals
signals = StopSignals()
{READY}
while not signals.exit_code(): time.sleep(0.02)
open('saved', 'w').write(str(signals.exit_code()))
sys.exit(signals.exit_code())
"""
RUN_STAGE = f"""
from thirtytwo.runtime.stage import run_stage
def main(project):
    {READY.replace(chr(10), "; ")}time.sleep(60)
run_stage(main)
"""


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Processes that a script starts in the background ignore SIGINT, and so do theirs, which here they shall not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def address() -> Iterator[str]:
    with fork_server(["decimal"]) as address:
        yield address


def start(folder: Path, address: str, script: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """What DVC starts."""
    (folder / "stage.py").write_text(BEGIN + script, encoding="utf-8")
    values = os.environ | {"PYTHONPATH": str(ROOT / "src")} | environment | ({ADDRESS: address} if address else {})
    return subprocess.Popen(
        [sys.executable, "stage.py", *arguments], cwd=folder, env=values, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def fork(folder: Path) -> psutil.Process:
    """The process in which the stage runs."""
    deadline = time.monotonic() + 60
    while not (folder / "pid").exists():
        assert time.monotonic() < deadline, "the stage did not start"
        time.sleep(0.01)
    return psutil.Process(int((folder / "pid").read_text(encoding="utf-8")))


def server() -> psutil.Process:
    """The server that this process keeps, which may have other children."""
    children = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    (found,) = [child for child in children if "thirtytwo.runtime.fork_server" in child.cmdline()]
    return found


def ended(process: psutil.Process, seconds: float = 5.0) -> bool:
    """Whether it ends in time; a zombie has ended."""
    deadline = time.monotonic() + seconds
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_the_fork_has_the_arguments_folder_environment_and_files_of_the_stage(tmp_path: Path, address: str):
    script = """
print(sys.argv, os.getcwd(), ascii(os.environ["WORD"]), sys.path[0], __name__, input())
print("decimal" in sys.modules, [name for name in os.environ if name.endswith("FORK_SERVER")], file=sys.stderr)
"""
    said = {}
    for where in (address, ""):
        said[where] = start(tmp_path, where, script, "vae", "ä b", WORD="w\udce4").communicate("line\n")
    assert said[address][0] == said[""][0]
    assert "['stage.py', 'vae', 'ä b']" in said[""][0]
    assert said[address][1] == "True []\n"
    assert said[""][1] == "False []\n"


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('error: vae: too wide')", 1, "error: vae: too wide\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("os.kill(os.getpid(), 9)", -9, ""),
        ("os.kill(os.getpid(), 15)", -15, ""),
    ],
)
def test_the_stage_ends_as_its_fork_does(script: str, code: int, said: str, tmp_path: Path, address: str):
    for where in (address, ""):
        process = start(tmp_path, where, script)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == code
        assert errors.endswith(said)


def test_each_stage_reads_the_code_of_the_project_anew(tmp_path: Path, address: str):
    (tmp_path / "helper.py").write_text("word = 'first'", encoding="utf-8")
    script = "import helper, thirtytwo.runtime.fork_server as own\nprint(helper.word, own.ADDRESS)"
    assert start(tmp_path, address, script).communicate()[0].startswith("first")
    (tmp_path / "helper.py").write_text("word = 'second'", encoding="utf-8")
    assert start(tmp_path, address, script).communicate()[0].startswith("second")


def test_nothing_of_the_project_stays_in_the_memory_of_the_server(tmp_path: Path):
    script = "print('thirtytwo.runtime.errors' in sys.modules, 'decimal' in sys.modules)"
    with fork_server(["decimal", "thirtytwo.runtime.errors"]) as address:
        assert start(tmp_path, address, script).communicate()[0] == "False True\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_training_gets_the_signal_and_saves_its_state(number: signal.Signals, tmp_path: Path, address: str):
    process = start(tmp_path, address, TRAIN)
    training = fork(tmp_path)
    assert training.pid != process.pid
    process.send_signal(number)
    assert process.wait(10) == 128 + number
    assert (tmp_path / "saved").read_text(encoding="utf-8") == str(128 + number)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)])
def test_any_other_stage_ends_by_the_signal(number: signal.Signals, code: int, tmp_path: Path, address: str):
    (tmp_path / "params.yaml").touch()
    (tmp_path / "dvc.yaml").touch()
    process = start(tmp_path, address, RUN_STAGE)
    fork(tmp_path)
    process.send_signal(number)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == code
    assert not errors


def test_the_fork_is_killed_with_the_process_that_dvc_started(tmp_path: Path, address: str):
    process = start(tmp_path, address, TRAIN)
    training = fork(tmp_path)
    process.kill()
    assert ended(training)
    assert not (tmp_path / "saved").exists()


def test_a_killed_keeper_takes_the_fork_along(tmp_path: Path, address: str):
    process = start(tmp_path, address, WAIT, DVC_STAGE="train@vae")
    work = fork(tmp_path)
    parent = work.parent()
    assert parent
    parent.kill()
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "error: the process that watched this stage was killed" in errors
    assert ended(work)


@pytest.mark.parametrize("fault", ["server dead", "another Python"])
def test_a_stage_that_the_server_does_not_take_runs_itself(fault: str, tmp_path: Path, address: str):
    if fault == "server dead":
        running = server()
        running.kill()
        running.wait()
        script = BEGIN
    else:
        script = "import thirtytwo.runtime.fork_server as own\nown._PYTHON = 'another'\n" + BEGIN
    (tmp_path / "stage.py").write_text(script + "print('done')", encoding="utf-8")
    values = os.environ | {"PYTHONPATH": str(ROOT / "src"), ADDRESS: address}
    done = subprocess.run([sys.executable, "stage.py"], cwd=tmp_path, env=values, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "did not answer; this stage imports its packages itself" in done.stderr


PLAY = """
import os, subprocess, sys, time
from thirtytwo.runtime.fork_server import ADDRESS, fork_server
with fork_server(["decimal"]) as address:
    values = os.environ | {ADDRESS: address, "DVC_STAGE": "train@vae"}
    subprocess.run([sys.executable, "stage.py"], env=values)
    time.sleep(60)
"""


@contextmanager
def dvc(folder: Path, script: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that keeps a server and runs a stage, as `thirtytwo repro` does."""
    (folder / "stage.py").write_text(BEGIN + script, encoding="utf-8")
    values = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen([sys.executable, "-c", PLAY], cwd=folder, env=values, start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("script", [TRAIN, WAIT], ids=["training", "other"])
def test_server_stage_and_fork_end_with_their_dvc(script: str, tmp_path: Path):
    with dvc(tmp_path, script) as process:
        work = fork(tmp_path)
        family = {*psutil.Process(process.pid).children(recursive=True), work}
        assert len(family) == 6  # the server, the keeper, the stage, the fork, and two watchdogs
        process.kill()
        assert all(ended(member) for member in family)
    assert (tmp_path / "saved").exists() == (script == TRAIN)


def test_the_server_ends_with_its_block():
    with fork_server(["decimal"]) as address:
        running = server()
    assert not running.is_running()
    assert not Path(address).parent.exists()


def test_the_time_of_the_forks_counts_as_that_of_the_command(tmp_path: Path):
    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    with fork_server(["decimal"]) as address:
        assert start(tmp_path, address, "while time.process_time() < 2: pass").wait() == 0
    assert spent() - before > 2


def test_without_a_socket_the_stages_import_their_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    deep = tmp_path / ("a" * 120)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with fork_server(["decimal"]) as address:
        assert start(tmp_path, address, "print('done')").communicate()[0] == "done\n"
    assert "no fork server (AF_UNIX path too long)" in capsys.readouterr().out
    assert not list(deep.iterdir())


def test_a_fork_computes_the_same_bytes(tmp_path: Path):
    script = """
import hashlib, torch
torch.set_num_threads(1)
torch.manual_seed(1)
net = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3), torch.nn.SiLU(), torch.nn.Flatten(), torch.nn.Linear(16 * 900, 10))
adam = torch.optim.Adam(net.parameters())
for _ in range(3):
    adam.zero_grad()
    net(torch.randn(32, 3, 32, 32)).square().mean().backward()
    adam.step()
print(hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in net.parameters())).hexdigest())
"""
    alone, _ = start(tmp_path, "", script).communicate()
    assert len(alone.strip()) == 64
    with fork_server() as address:
        assert start(tmp_path, address, script).communicate()[0] == alone
