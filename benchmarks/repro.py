"""`thirtytwo repro` on a graph of one-second stages, which sleep: how many of its processes run a stage on average.

Counts the seconds that stages sleep, not those that DVC and Dask take around them. Usage: repro.py [CHAINS] [JOBS]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIPELINE = """
stages:
  train:
    foreach: ${runs}
    do:
      cmd: sleep 1 && mkdir -p models && echo ${key} > models/${key}
      deps: [code]
      outs: ["models/${key}"]
  sample:
    foreach: ${runs}
    do:
      cmd: sleep 1 && mkdir -p samples && cp models/${key} samples/${key}
      deps: [code, "models/${key}"]
      outs: ["samples/${key}"]
  evaluate:
    foreach: ${runs}
    do:
      cmd: sleep 1 && mkdir -p metrics && cp samples/${key} metrics/${key}
      deps: [code, "samples/${key}"]
      metrics: [{"metrics/${key}": {cache: false}}]
"""


def main(chains: int, jobs: int) -> None:
    """Run the graph once, and once more when it is up to date."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "dvc.yaml").write_text(PIPELINE)
        (project / "params.yaml").write_text(json.dumps({"runs": {f"run{i:03}": {} for i in range(chains)}}))
        (project / "code").mkdir()
        for name in ("a", "b", "c"):
            (project / f"code/{name}.py").write_text(name)
        subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=project, check=True)
        command = [sys.executable, "-m", "thirtytwo", "repro", "--jobs", str(jobs)]
        for what in (f"{3 * chains} stages", "nothing to do"):
            start, before = time.monotonic(), os.times()
            done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
            seconds, after = time.monotonic() - start, os.times()
            if done.returncode:
                sys.exit(done.stdout + done.stderr)
            cpu = after.children_user + after.children_system - before.children_user - before.children_system
            print(f"{what}: {seconds:.1f} s, {cpu:.1f} s of CPU time, load average {os.getloadavg()[0]:.1f}")
            if what != "nothing to do":
                print(f"  {3 * chains / seconds:.2f} of {jobs} processes run a stage on average")


if __name__ == "__main__":
    main(*(int(argument) for argument in (sys.argv[1:] + ["100", "4"][len(sys.argv) - 1 :])))
