"""A process with the heavy packages in memory; its forks run the stages of one `thirtytwo repro`.

Importing torch, its optimisers, pandas and scikit-learn takes a stage seconds, a fork milliseconds. DVC starts the stage
as ever. The stage sends its arguments, environment and open files to the server and waits for the exit status of the
fork that runs the same script; signals go through it to the fork, and its death ends the fork. Only installed packages
are imported in advance: the project's own code, which may change during the command, is read anew by each stage.
"""

import ctypes
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from runpy import run_path
from types import FrameType
from typing import Any

from thirtytwo.runtime.watchdog import end_with_dvc

__all__ = ["ADDRESS", "begin_stage", "fork_server"]

ADDRESS = "THIRTYTWO_FORK_SERVER"
"""Environment variable with the path of the server's socket."""

# torch._dynamo is what torch's optimisers import, the modules of scikit-learn what sampling and scores do.
_PACKAGES = (
    "torch", "torch._dynamo", "pandas", "scipy.linalg", "sklearn.ensemble", "sklearn.linear_model", "sklearn.mixture",
)  # fmt: skip
_PR_SET_PDEATHSIG = 1  # of prctl(2)
_STARTED = b"s"
_STATUS_BYTES = 4
_PYTHON = f"{sys.prefix} {sys.version}"


def begin_stage() -> None:
    """Begin a stage before it imports anything heavy: have it end with its dvc, and have a fork continue it.

    Returns where the stage is to run: in the fork, or without a server in this process. Otherwise exits as the fork does.
    """
    end_with_dvc()
    if not (address := os.environ.pop(ADDRESS, None)):
        return
    with socket.socket(socket.AF_UNIX) as server:
        if not _sent(server, address):
            print(f"{address}: the fork server did not answer; this stage imports its packages itself", file=sys.stderr)
            return
        status = server.recv(_STATUS_BYTES, socket.MSG_WAITALL)
    if not status:
        sys.exit("error: the process that watched this stage was killed; start the stage again")
    code = os.waitstatus_to_exitcode(int.from_bytes(status, "little"))
    if code < 0:  # it ended by a signal, and so does this process
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def _sent(server: socket.socket, address: str) -> bool:
    """Have the server fork and pass it the signals that come from now on; False if it does not."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        with suppress(OSError):  # the fork has ended
            server.send(bytes([number]))

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    values = {"argv": sys.argv, "folder": os.getcwd(), "environment": dict(os.environ), "python": _PYTHON}
    try:
        server.connect(address)
        socket.send_fds(server, [b"\n"], [0, 1, 2])
        server.sendall(json.dumps(values).encode() + b"\n")
        for number in before:
            signal.signal(number, pass_on)
        started = server.recv(1) == _STARTED
    except OSError:
        started = False
    if not started:
        for number, handler in before.items():
            signal.signal(number, handler)
    return started


@contextmanager
def fork_server(packages: Sequence[str] = _PACKAGES) -> Iterator[str]:
    """Keep a server until the block ends; it imports the packages when the first stage comes.

    Yields:
        The value of `ADDRESS`, for the environment of the stages; empty if the server cannot have a socket.
    """
    with tempfile.TemporaryDirectory(prefix="thirtytwo-") as folder:  # which only this user may enter
        address = str(Path(folder, "socket"))
        with socket.socket(socket.AF_UNIX) as listening:
            try:
                listening.bind(address)
            except OSError as error:  # such as a path that is too long for a socket
                print(f"{address}: no fork server ({error}); each stage imports its packages itself", flush=True)
                yield ""
                return
            listening.listen(128)
            numbers = str(os.getpid()), str(listening.fileno())
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", __spec__.name, *numbers, *packages],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[listening.fileno()], process_group=0,
            )  # fmt: skip
        try:
            yield address
        finally:
            process.terminate()
            process.wait()


def _end_with(owner: int) -> None:
    """Have the kernel kill this process when its parent ends, which is `owner` unless that has ended already."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != owner:
        os._exit(0)


def _serve(listening: socket.socket, packages: Sequence[str]) -> tuple[dict[str, Any], list[int]]:
    """Fork for each stage that comes; return in the forks, with what the stage sent."""
    signal.signal(signal.SIGCHLD, _collect)
    signal.signal(signal.SIGTERM, _end)
    while True:
        connection, _ = listening.accept()
        for package in packages:  # no work after the first time
            import_module(package)
        gc.freeze()  # for the same reason as at the end: no collection in a fork visits what it shares
        if os.fork() == 0:
            listening.close()
            return _keep(connection)
        connection.close()


def _collect(number: int, frame: FrameType | None) -> None:
    """Wait for the keepers that have ended, so that their CPU time counts as this process's, and its parent's in the end."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _end(number: int, frame: FrameType | None) -> None:
    """Exit when the last keeper has ended, which is just about to, or after a second."""
    deadline = time.monotonic() + 1
    with suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                time.sleep(0.01)
    os._exit(0)


def _keep(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Fork the stage's process, in which this returns; here, pass it signals and return its exit status to the stage."""
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    received = b""
    while b"\n" not in received:
        if not (more := connection.recv(1 << 16)):
            os._exit(0)
        received += more
    line, _, signals = received.partition(b"\n")
    request = json.loads(line)
    if request["python"] != _PYTHON:
        os._exit(0)
    if (stage := os.fork()) == 0:
        connection.close()
        return request, files
    for number in (signal.SIGINT, signal.SIGTERM):  # the stage decides when to end
        signal.signal(number, signal.SIG_IGN)
    for file in files:
        os.close(file)
    connection.sendall(_STARTED)
    threading.Thread(target=_pass_on, args=(connection, stage, signals), daemon=True).start()
    _, status = os.waitpid(stage, 0)
    with suppress(OSError):
        connection.sendall(status.to_bytes(_STATUS_BYTES, "little"))
    os._exit(0)


def _pass_on(connection: socket.socket, stage: int, signals: bytes) -> None:
    """Pass on the signals, of which each is a byte, until the process that DVC started ends; then kill the stage."""
    with suppress(ProcessLookupError):  # the stage has ended
        while True:
            for number in signals:
                os.kill(stage, number)
            if not (signals := connection.recv(1)):
                break
        os.kill(stage, signal.SIGKILL)


def _become(request: dict[str, Any], files: Sequence[int]) -> None:
    """Take on the arguments, folder, environment and open files of the process that DVC started."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for name in [name for name in sys.modules if name.partition(".")[0] == "thirtytwo"]:
        del sys.modules[name]
    sys.argv = request["argv"]
    sys.path.insert(0, str(Path(sys.argv[0]).resolve().parent))


def _run() -> int:
    """Run the stage's script and return its exit code."""
    try:
        run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    _end_with(int(sys.argv[1]))
    with socket.socket(fileno=int(sys.argv[2])) as server:
        _become(*_serve(server, sys.argv[3:]))
    code = _run()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # the interpreter's own end would visit, and thus copy, all that the fork shares
