"""The rate-distortion curve of a run over the experiments of a sweep, from `dvc exp show --csv` on standard input.

    dvc exp show --csv | python scripts/rate_distortion.py RUN PARAMETER PICTURE.png

Each experiment is a point: rate_nats across, distortion up (Alemi et al. 2018, "Fixing a broken ELBO"), named by the
value of the parameter that was swept, such as vae.beta. Of two points the one nearer to the origin codes images better.
"""  # fmt: skip

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

USAGE = "dvc exp show --csv | python scripts/rate_distortion.py RUN PARAMETER PICTURE.png"


def points(table: pd.DataFrame, run: str, parameter: str) -> pd.DataFrame:
    """The parameter, rate_nats and distortion of each experiment that has all three, without repetitions."""
    found = {}
    for name, file in (
        (parameter, "params.yaml"),
        ("rate_nats", f"metrics/{run}.json"),
        ("distortion", f"metrics/{run}.json"),
    ):
        # dvc leaves the file out where no other has such a name
        columns = [column for column in (f"{file}:{name}", name) if column in table]
        if not columns:
            sys.exit(f"error: no column {file}:{name}; expected `dvc exp show --csv` of a sweep of {run}")
        found[name] = pd.to_numeric(table[columns[0]], errors="coerce")
    return pd.DataFrame(found).dropna().drop_duplicates().sort_values(parameter)


def main(run: str, parameter: str, picture: Path) -> None:
    """Prints the points and draws them."""
    curve = points(pd.read_csv(sys.stdin), run, parameter)
    print(curve.to_string(index=False))
    figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    axes.plot(curve["rate_nats"], curve["distortion"], marker="o")
    for value, rate, distortion in curve.itertuples(index=False):
        axes.annotate(f"{value:g}", (rate, distortion), textcoords="offset points", xytext=(6, 4))
    axes.set(xlabel="rate (nats an image)", ylabel="distortion (squared error an image)", title=f"{run} by {parameter}")
    figure.savefig(picture, dpi=150)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(f"usage: {USAGE}")
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
