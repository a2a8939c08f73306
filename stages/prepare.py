"""prepare: turn data/raw/<source>/ into data/prepared/<set>.npz and .json."""

from thirtytwo.runtime.fork_server import begin_stage

begin_stage()

import time

from tqdm import tqdm

from thirtytwo.data.prepare import readers
from thirtytwo.data.prepare.dataset import prepare
from thirtytwo.runtime.files import write_json
from thirtytwo.runtime.project import Project
from thirtytwo.runtime.stage import run_stage
from thirtytwo.settings import configs
from thirtytwo.settings.data import DatasetConfig

SHOWN = 20  # removed files in the output


def main(project: Project, name: str) -> None:
    start, config = time.monotonic(), configs.read(DatasetConfig, "prepare", name, project)
    settings = config.dataset
    total = readers.EXPECTED.get(config.kind) or (None if settings.classes else settings.expected_images or None)
    items = readers.read(config.kind, project.raw(settings.source))
    facts = prepare(project, name, config.kind, settings, tqdm(items, total=total, unit="image", desc=name))
    counts = f"{facts['images']} images ({facts['train']} train, {facts['test']} test)"
    print(f"{name}: {counts}, {len(facts['classes'])} classes, {len(facts['removed'])} removed")
    for row in facts["removed"][:SHOWN]:
        print(f"  removed {row['file']}: {row['reason']}")
    write_json(project.log("prepare", name), {"seconds": time.monotonic() - start})


if __name__ == "__main__":
    run_stage(main)
