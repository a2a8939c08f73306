"""scripts/rate_distortion.py on tables in the format of `dvc exp show --csv`."""

import subprocess
import sys
from pathlib import Path

HEADER = "Experiment,rev,typ,Created,parent,{0}rate_nats,{0}distortion,{1}rate_nats,seed,vae.beta\n"


def run(root: Path, table: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "scripts/rate_distortion.py"), *arguments]
    return subprocess.run(command, input=table, capture_output=True, text=True)


def test_experiments_of_the_run_are_sorted_by_beta(root: Path, tmp_path: Path) -> None:
    table = HEADER.format("metrics/vae.json:", "metrics/vae_anneal.json:")
    table += ",workspace,baseline,,,10.0,50.0,7,1,2.0\n,main,baseline,2026,,!,!,!,1,1.0\n"
    table += "one,a,branch_commit,2026,,10.0,50.0,8,1,2.0\ntwo,b,branch_base,2026,,40.0,35.0,9,1,0.5\n"
    picture = tmp_path / "curve.png"
    done = run(root, table, "vae", "vae.beta", str(picture))
    rows = [[float(word) for word in line.split()] for line in done.stdout.splitlines()[1:]]
    assert rows == [[0.5, 40.0, 35.0], [2.0, 10.0, 50.0]]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_table_without_the_scores_is_rejected_in_one_line(root: Path, tmp_path: Path) -> None:
    done = run(root, "Experiment,seed\n,1\n", "vae", "vae.beta", str(tmp_path / "curve.png"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: no column params.yaml:vae.beta")
    assert done.stderr.count("\n") == 1
