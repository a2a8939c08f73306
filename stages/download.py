"""download: fills data/raw/<source>/ and says in logs/download/<source>.json which place served it.

The environment variable THIRTYTWO_MIRROR names a folder of files that are here already, which is tried first.
"""

import json
import os
import sys
import time
from pathlib import Path

from thirtytwo.data.sources.acquire import acquire
from thirtytwo.data.sources.fetch import Places
from thirtytwo.runtime.errors import DataError, ParamsError
from thirtytwo.runtime.files import sha256
from thirtytwo.settings.configs import read
from thirtytwo.settings.data import Checkpoint, SourceConfig

ROOT = Path(__file__).resolve().parents[1]


def main(name: str) -> None:
    """Downloads, copies or draws source `name`."""
    start, config = time.monotonic(), read(SourceConfig, "download", name, ROOT)
    mirror = os.environ.get("THIRTYTWO_MIRROR")
    places = Places(Path(mirror).expanduser() if mirror else None, ROOT / "data/downloads")
    served = acquire(config.source, ROOT / "data/raw" / name, places, ROOT)
    for file, place in served.items():
        print(f"{name}: {file} from {place}")
    if isinstance(config.source, Checkpoint) and not config.source.sha256:
        found = sha256(ROOT / "data/raw" / name / Path(config.source.file).name)
        print(
            f"{name}: {config.source.file} has the sha256 {found}, which nothing was known to check against; if you"
            f" trust it, set sources.{name}.sha256 to it"
        )
    log = ROOT / "logs/download" / f"{name}.json"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(
        json.dumps({"seconds": time.monotonic() - start, "served": served}, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (ParamsError, DataError) as error:
        sys.exit(f"error: {error}")
