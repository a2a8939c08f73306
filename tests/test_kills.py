"""Random kills over the whole pipeline: what was made, and what is left behind.

THIRTYTWO_KILLS sets their number, THIRTYTWO_KILLS_SEED which ones; each is printed (`pytest -s`).
"""

import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dvc_project import locked
from thirtytwo.cli.doctor import lock_of_dvc
from thirtytwo.runtime.project import Project
from tiny_clone import Clone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

KILLS = int(os.environ.get("THIRTYTWO_KILLS", "50"))
SEED = int(os.environ.get("THIRTYTWO_KILLS_SEED", "0"))
COMMANDS = {"dvc": ("dvc", "repro"), "thirtytwo": (sys.executable, "-m", "thirtytwo", "repro", "--jobs", "2")}
MADE = ("configs", "data", "logs", "metrics", "plots", "report", "scores", ".dvc/cache", "dvc.lock")
ORPHAN_SECONDS = 5.0
# In the order of the graph. Each kill aims at the next kind, because moments drawn over the whole run would mostly fall
# into stages that begin anew each time.
KINDS = (
    "resolve", "download", "prepare", "classifier", "fid_stats", "floor", "train", "sample", "evaluate", "sweep", "report",
)  # fmt: skip


def outputs(folder: Path) -> dict[str, str]:
    """The hash of everything that the stages made; the page holds durations."""
    made = {out["path"]: out["md5"] for stage in locked(folder).values() for out in stage.get("outs", [])}
    return {path: digest for path, digest in made.items() if path != "report/index.html"}


def living(folder: Path) -> Iterator[psutil.Process]:
    """The processes that work in the folder."""
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()) == folder and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except psutil.Error:
            continue


def stages(folder: Path) -> list[tuple[psutil.Process, str]]:
    """The running stages, without their watchdogs, which are children of the same command."""
    found = []
    for process in living(folder):
        try:
            words, parent = process.cmdline(), process.parent()
            if len(words) > 1 and words[1].startswith("stages/") and (not parent or parent.cmdline() != words):
                found.append((process, "@".join([Path(words[1]).stem, *words[2:]])))
        except psutil.Error:
            continue
    return found


def clean(folder: Path) -> None:
    for name in MADE:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def kill_one(clone: Clone, rng: random.Random, kind: str, within: float) -> str:
    """Start the pipeline and kill something in it at a random moment; return what, or "" if the pipeline is complete.

    Args:
        kind: of stage.
        within: seconds from the start of a stage of that kind.
    """
    # What dvc left: a half of its file of locks; locks of a process that ended, but that nobody has collected yet.
    for finding in lock_of_dvc(Project(clone.folder)):
        print(finding.what, flush=True)
    name = rng.choice(list(COMMANDS))
    main = clone.start(*COMMANDS[name])
    moment = rng.uniform(0, within)
    while main.poll() is None and not any(stage.partition("@")[0] == kind for _, stage in stages(clone.folder)):
        time.sleep(0.02)
    deadline = time.monotonic() + moment
    while main.poll() is None and (time.monotonic() < deadline or not stages(clone.folder)):
        time.sleep(0.02)
    running = stages(clone.folder)
    if main.poll() is not None or not running:
        assert main.wait() == 0, clone.said()[-3000:]
        return ""
    process, stage = rng.choice(running)
    number = rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    victim = rng.choice(["stage", "main", "group"])
    try:
        if victim == "stage":
            process.send_signal(number)
        elif victim == "main":
            main.send_signal(number)
        else:
            os.killpg(main.pid, number)
    except (psutil.NoSuchProcess, ProcessLookupError):
        pass
    try:
        main.wait(8)
    except Exception:  # dvc ignores Ctrl-C during a stage, and other chains go on after the death of a stage
        main.kill()
        main.wait()
        victim += ", main 8 s later"
    start = time.monotonic()
    while left := list(living(clone.folder)):
        seconds = time.monotonic() - start
        assert seconds < ORPHAN_SECONDS, f"{stage}: {[p.cmdline() for p in left]} lives {seconds:.1f} s after {name}"
        time.sleep(0.05)
    return f"{name} repro, {stage} at {moment:.1f} s: {number.name} to {victim}; all ended {time.monotonic() - start:.1f} s later"


def test_the_pipeline_ends_in_the_same_bytes_whatever_is_killed(tmp_path: Path):
    clone, rng, kills, kinds = Clone(tmp_path), random.Random(SEED), 0, Counter[str]()
    clone.params["runs"] = {"ddpm": clone.params["runs"]["ddpm"]}
    clone.write(clone.params)
    start = time.monotonic()
    clone.run("dvc", "repro")
    stage_seconds = (time.monotonic() - start) / len(locked(tmp_path))
    undisturbed = outputs(tmp_path)
    clean(tmp_path)
    while kills < KILLS:
        said = kill_one(clone, rng, KINDS[kills % len(KINDS)], stage_seconds)
        if said:
            kills += 1
            stage, _, rest = said.partition(", ")[2].partition(" at ")
            number, _, victim = rest.partition(": ")[2].partition(";")[0].partition(" to ")
            kinds.update([stage.partition("@")[0], number, victim.partition(",")[0]])
            print(f"{kills}: {said}", flush=True)
        else:
            assert outputs(tmp_path) == undisturbed
            clean(tmp_path)
    print(dict(kinds), f"{(time.monotonic() - start) / 60:.0f} minutes", flush=True)
    clone.run("dvc", "repro")
    assert outputs(tmp_path) == undisturbed
    assert not clone.status()
