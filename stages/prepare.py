"""prepare: data/raw/<source>/ to data/prepared/<set>.npz and .json."""

import json
import sys
import time
from pathlib import Path

from tqdm import tqdm

from thirtytwo.data.prepare import readers
from thirtytwo.data.prepare.dataset import prepare
from thirtytwo.runtime.errors import DataError, ParamsError
from thirtytwo.settings.configs import read
from thirtytwo.settings.data import DatasetConfig

ROOT = Path(__file__).resolve().parents[1]


def main(name: str) -> None:
    """Prepares data set `name`."""
    start, config = time.monotonic(), read(DatasetConfig, "prepare", name, ROOT)
    raw = ROOT / "data/raw" / config.dataset.source
    total = readers.EXPECTED.get(config.kind) or (None if config.dataset.classes else config.dataset.expected_images)
    images = tqdm(readers.read(config.kind, raw), total=total or None, unit="image", desc=name)
    about = prepare(name, config.kind, config.dataset, raw, ROOT / "data/prepared" / f"{name}.npz", images)
    removed, classes = len(about["removed"]), len(about["classes"])
    print(
        f"{about['images']} images ({about['train']} train, {about['test']} test), {classes} classes, {removed} removed"
    )
    for row in about["removed"][:20]:
        print(f"  removed {row['file']}: {row['reason']}")
    log = ROOT / "logs/prepare" / f"{name}.json"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(json.dumps({"seconds": time.monotonic() - start}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (ParamsError, DataError) as error:
        sys.exit(f"error: {error}")
