"""What CI takes from elsewhere: actions at one commit, packages with their hashes, and no rights beyond reading."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_may_only_read(path: Path):
    text = path.read_text(encoding="utf-8")
    used = re.findall(r"(?m)^\s*(?:- )?uses: (.*)$", text)
    assert used
    assert not [line for line in used if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", line)]
    values = YAML(typ="safe").load(text)
    assert values["permissions"] == {"contents": "read"}
    wider = {name: job["permissions"] for name, job in values["jobs"].items() if "permissions" in job}
    assert set(wider) <= {"pages"}  # which deploys the report, and runs no code of ours
    checkouts = [
        step for job in values["jobs"].values() for step in job["steps"] if "checkout@" in step.get("uses", "")
    ]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
    assert "pull_request_target" not in text


def test_every_package_of_the_lock_has_hashes():
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", lock)[1:]
    assert len(entries) > 100
    assert not [
        entry.split()[0]
        for entry in entries
        if not re.match(r"[\w.\[\]-]+==\S+", entry) or "--hash=sha256:" not in entry
    ]
