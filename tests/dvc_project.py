"""A small DVC project with a chain of three stages a run, and the command on it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

__all__ = ["environment", "locked", "project", "sh"]

SRC = Path(__file__).resolve().parents[1] / "src"

PIPELINE = """
stages:
  resolve:
    cmd: python resolve.py
    deps: [params.yaml, resolve.py]
    outs: [configs]
  train:
    foreach: ${runs}
    do:
      cmd: python train.py ${key}
      deps: ["configs/${key}", train.py]
      outs: ["models/${key}"]
  sample:
    foreach: ${runs}
    do:
      cmd: mkdir -p samples && cat models/${key} models/${key} > samples/${key}
      deps: ["models/${key}"]
      outs: ["samples/${key}"]
  evaluate:
    foreach: ${runs}
    do:
      cmd: mkdir -p metrics && wc -c < samples/${key} > metrics/${key}
      deps: ["samples/${key}"]
      metrics: [{"metrics/${key}": {cache: false}}]
  report:
    cmd: cat metrics/* > report
    deps: [metrics]
    outs: [report]
"""

RESOLVE = """
import json, os
os.makedirs("configs", exist_ok=True)
for name, settings in json.load(open("params.yaml"))["runs"].items():
    open(f"configs/{name}", "w").write(json.dumps(settings))
"""

# Trains for `steps` steps of 50 ms, saves its state at every step, stops after the step in which a signal comes, as
# after the death of its dvc, and notes each start and stop.
TRAIN = """
from thirtytwo.runtime.fork_server import begin_stage
begin_stage()
import json, os, sys, time
from pathlib import Path
from tqdm import tqdm
from thirtytwo.runtime.interrupt import StopSignals, exclusive
name = sys.argv[1]
settings = json.load(open(f"configs/{name}"))
if settings.get("fail"):
    sys.exit(f"error: {name}: a setting that fails")
folder = Path(os.environ.get("THIRTYTWO_CHECKPOINTS", "checkpoints"), name)
state, log, signals = folder / "step", folder.with_name(f"{name}.log"), StopSignals()
with exclusive(folder):
    start = int(state.read_text()) if state.exists() else 0
    print("start", start, file=log.open("a"))
    print("glibc trims above", os.environ.get("MALLOC_TRIM_THRESHOLD_"))
    with tqdm(total=settings["steps"], initial=start, unit="step", mininterval=0) as bar:
        for step in range(start, settings["steps"]):
            time.sleep(0.05)
            bar.set_postfix(loss=step)
            bar.update()
            (folder / "new").write_text(str(step + 1))
            os.replace(folder / "new", state)
            if code := signals.exit_code():
                print("stop", step + 1, file=log.open("a"))
                sys.exit(code)
    os.makedirs("models", exist_ok=True)
    open(f"models/{name}", "w").write(f"{name} {settings}")
    state.unlink()
"""


def sh(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment() -> dict[str, str]:
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PYTHONPATH": str(SRC), "PATH": binaries}


def locked(folder: Path) -> dict[str, Any]:
    """The content of dvc.lock."""
    return dict(YAML(typ="safe").load((folder / "dvc.lock").read_text(encoding="utf-8"))["stages"])


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a project out of the JSON in params.yaml."""

    def make(params: str) -> Path:
        folder = tmp_path / "project"
        folder.mkdir()
        contents = {
            "params.yaml": params, "dvc.yaml": PIPELINE, "resolve.py": RESOLVE, "train.py": TRAIN,
            ".gitignore": "/configs\n/models\n/samples\n/report\n/logs\n/checkpoints\n/metrics\n",
        }  # fmt: skip
        for name, content in contents.items():
            (folder / name).write_text(content, encoding="utf-8")
        sh(folder, "git", "init", "--quiet")
        sh(folder, "dvc", "init", "--quiet")
        sh(folder, "dvc", "config", "core.analytics", "false")
        return folder

    return make
