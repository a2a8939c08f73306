"""Draw one figure with samples of every run and real images, such as the figure in the README.

    python scripts/family_samples.py PICTURE.png [COLUMNS]

Run it in the project after `dvc repro`. Each data set is a block with a row of real test images and a row of
first samples per run, without selection, beside its family and its Fréchet distance.
"""  # fmt: skip

import math
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from thirtytwo.data import batches
from thirtytwo.evaluate.scorecard import Scorecard
from thirtytwo.report.plots import FAMILIES
from thirtytwo.report.wording import estimated
from thirtytwo.runtime.files import read_json
from thirtytwo.runtime.project import Project
from thirtytwo.settings import configs
from thirtytwo.settings.report import ReportConfig

USAGE = "python scripts/family_samples.py PICTURE.png [COLUMNS]"
SCALE, GAP, LABEL = 2, 2, 150  # enlargement; pixels between images; width of the row labels


def row(images: np.ndarray) -> np.ndarray:
    """Enlarge uint8 images [K, 32, 32, C] and join them to a row [64, K * 66, 3]."""
    rgb = np.broadcast_to(images, (*images.shape[:3], 3)).repeat(SCALE, 1).repeat(SCALE, 2)
    padded = np.pad(rgb, ((0, 0), (0, 0), (0, GAP), (0, 0)), constant_values=255)
    return padded.transpose(1, 0, 2, 3).reshape(32 * SCALE, -1, 3)


def blocks(project: Project, columns: int) -> list[list[tuple[str, str, np.ndarray]]]:
    """Return the rows of each data set, by family and then by score: name, description and pixels."""
    settings = configs.read(ReportConfig, "report", "report", project)
    result = []
    for name in settings.datasets:
        test = batches.load(project.prepared(name)).only("test")
        indices = [np.flatnonzero(test.labels == i % len(test.classes))[i // len(test.classes)] for i in range(columns)]
        rows = []
        for run, run_settings in settings.runs.items():
            if run_settings.dataset == name:
                score = read_json(project.scores(run), Scorecard).measured.estimate("fd_classifier")
                place = list(FAMILIES).index(run_settings.family), math.inf if score.value is None else score.value
                with np.load(project.samples(run)) as file:
                    pixels = row(file["images"][:columns])
                label = f"{FAMILIES[run_settings.family][2]}, FD {estimated(score).splitlines()[0]}"
                rows.append((place, (run, label, pixels)))
        real = ("real images", name, row(test.images[indices]))
        result.append([real, *(shown for _, shown in sorted(rows, key=lambda one: one[0]))])
    return result


def main(picture: Path, columns: int = 10) -> None:
    """Draw the data sets side by side."""
    sets = blocks(Project.containing(Path.cwd()), columns)
    pitch, width = 32 * SCALE + GAP, LABEL + columns * (32 * SCALE + GAP)
    canvas = Image.new("RGB", (width * len(sets), pitch * max(map(len, sets))), "white")
    draw, font, small = ImageDraw.Draw(canvas), ImageFont.load_default(size=18), ImageFont.load_default(size=13)
    for block, rows in enumerate(sets):
        for line, (name, label, pixels) in enumerate(rows):
            right, middle = block * width + LABEL - 8, line * pitch + 32 * SCALE // 2
            draw.text((right, middle), name, fill="black", font=font, anchor="rb")
            draw.text((right, middle + 4), label, fill="dimgray", font=small, anchor="rt")
            canvas.paste(Image.fromarray(pixels), (block * width + LABEL, line * pitch))
    canvas.save(picture, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(f"usage: {USAGE}")
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
