"""download: fill data/raw/<source>/ and record in logs/download/<source>.json which place served each file.

The environment variable THIRTYTWO_MIRROR names a folder of local files, which is tried first.
"""

from thirtytwo.runtime.fork_server import begin_stage

begin_stage()

import time
from pathlib import Path

from thirtytwo.data.sources.acquire import acquire
from thirtytwo.data.sources.fetch import Places
from thirtytwo.runtime.files import sha256, write_json
from thirtytwo.runtime.project import Project
from thirtytwo.runtime.stage import run_stage
from thirtytwo.settings import configs
from thirtytwo.settings.data import Checkpoint, SourceConfig


def main(project: Project, name: str) -> None:
    start, source = time.monotonic(), configs.read(SourceConfig, "download", name, project).source
    served = acquire(source, name, project, Places.of(project))
    for file, place in served.items():
        print(f"{name}: {file} from {place}")
    if isinstance(source, Checkpoint) and not source.sha256:
        actual = sha256(project.raw(name) / Path(source.file).name)
        print(f"{name}: {source.file} has sha256 {actual}, unverified; to trust it, set sources.{name}.sha256 to it")
    write_json(project.log("download", name), {"seconds": time.monotonic() - start, "served": served})


if __name__ == "__main__":
    run_stage(main)
