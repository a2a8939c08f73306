"""Plot the rate-distortion curve of a run over DVC experiments, from `dvc exp show --csv` on standard input.

    dvc exp show --csv | python scripts/rate_distortion.py RUN PARAMETER PICTURE.png

Each experiment is a point with rate_nats on the x axis and distortion on the y axis (Alemi et al. 2018, "Fixing a
broken ELBO"), labelled with the value of PARAMETER, such as vae.beta. Lower is better on both axes.
"""  # fmt: skip

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

USAGE = "dvc exp show --csv | python scripts/rate_distortion.py RUN PARAMETER PICTURE.png"


def points(table: pd.DataFrame, run: str, parameter: str) -> pd.DataFrame:
    """Return the parameter, rate_nats and distortion of each experiment that has all three, without duplicates."""
    values = {}
    for name, file in (
        (parameter, "params.yaml"),
        ("rate_nats", f"metrics/{run}.json"),
        ("distortion", f"metrics/{run}.json"),
    ):
        # DVC omits the file from a column name that is unique
        columns = [column for column in (f"{file}:{name}", name) if column in table]
        if not columns:
            sys.exit(f"error: no column {file}:{name}; expected `dvc exp show --csv` with experiments of {run}")
        values[name] = pd.to_numeric(table[columns[0]], errors="coerce")
    return pd.DataFrame(values).dropna().drop_duplicates().sort_values(parameter)


def main(run: str, parameter: str, picture: Path) -> None:
    """Print and plot the points."""
    curve = points(pd.read_csv(sys.stdin), run, parameter)
    print(curve.to_string(index=False))
    figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
    axes.plot(curve["rate_nats"], curve["distortion"], marker="o")
    for value, rate, distortion in curve.itertuples(index=False):
        axes.annotate(f"{value:g}", (rate, distortion), textcoords="offset points", xytext=(6, 4))
    axes.set(
        xlabel="rate (nats per image)", ylabel="distortion (squared error per image)", title=f"{run} by {parameter}"
    )
    figure.savefig(picture, dpi=150)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(f"usage: {USAGE}")
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
