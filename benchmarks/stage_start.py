"""How long stages take until their imports are complete: in a process of their own, and in a fork of `thirtytwo repro`'s server.

    python benchmarks/stage_start.py [repetitions]

Both start as DVC starts them, in turn; the smallest of the repetitions is printed. A stage that trains something also
builds an optimiser, which imports torch's compiler.
"""

import ast
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from thirtytwo.runtime.fork_server import ADDRESS, fork_server

ROOT = Path(__file__).resolve().parents[1]
TRAINS = ("classifier", "train", "sample")
OPTIMISER = "import torch; torch.optim.Adam([torch.zeros(1, requires_grad=True)])"


def script(stage: str) -> str:
    """The lines of a stage before its functions, and one that prints the CPU-seconds that they took."""
    body = ast.parse((ROOT / f"stages/{stage}.py").read_text(encoding="utf-8")).body
    first = [ast.unparse(node) for node in body if isinstance(node, (ast.Import, ast.ImportFrom, ast.Expr))]
    ends = [OPTIMISER] if stage in TRAINS else []
    return "\n".join([*first, *ends, "import time; print(time.process_time())"])


def measured(path: Path, address: str) -> tuple[float, float]:
    """Wall time, and CPU time of the process or fork that imports, in seconds."""
    values = os.environ | {"PYTHONPATH": str(ROOT / "src")} | ({ADDRESS: address} if address else {})
    start = time.perf_counter()
    done = subprocess.run([sys.executable, path], env=values, capture_output=True, text=True, check=True)
    return time.perf_counter() - start, float(done.stdout)


def main(repetitions: int) -> None:
    """Print a row for each kind of stage."""
    print(f"{'stage':12s}{'own process':>28s}{'fork':>28s}{'ratio':>8s}")
    with tempfile.TemporaryDirectory() as folder, fork_server() as address:
        for stage in ("classifier", "floor", "train", "sample", "evaluate", "sweep", "report"):
            path = Path(folder, f"{stage}.py")
            path.write_text(script(stage), encoding="utf-8")
            measured(path, address)  # the first fork waits for the server's own imports
            pairs = [(measured(path, ""), measured(path, address)) for _ in range(repetitions)]
            own, fork = (tuple(map(min, zip(*side, strict=True))) for side in zip(*pairs, strict=True))
            said = [f"{wall:.2f} s, {cpu:.2f} CPU-s" for wall, cpu in (own, fork)]
            print(f"{stage:12s}{said[0]:>28s}{said[1]:>28s}{own[0] / fork[0]:8.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
