"""Random damage to params.yaml and to resolved settings ends in one line that names the file."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from mutations import bounded_memory, changed, damaged, one_line
from thirtytwo.runtime.errors import ParamsError
from thirtytwo.runtime.project import Project
from thirtytwo.settings import configs, resolve
from thirtytwo.settings.families import read_sample, read_train

ROOT = Path(__file__).resolve().parents[2]
SCALES = [YAML(typ="safe").load(path) for path in sorted((ROOT / "scales").glob("*.yaml"))]
TEXT = b"seed: 0\ncompute: {device: cpu, threads: 1}\nruns:\n  a: &a {family: gan, set: {lr: 1e-3}}\n  b: *a\nlist: [1, 'x', -2.5]\n"
TAGS = (
    "!!python/object/apply:os.system ['touch ran']", "!!python/object:os.system {}", "!!python/name:os.system",
    "!!binary aGk=", "!!set {a, b}", "!!omap [a: 1]", "!!timestamp 2001-12-14", "!!int x", "!!float []", "!local {}", "<<: 3",
)  # fmt: skip


def refused(action: Any, *arguments: Any) -> None:
    """Call `action`, which may succeed, or fail in one line."""
    try:
        with bounded_memory(256 * 2**20):
            action(*arguments)
    except ParamsError as error:
        one_line(error)


@given(st.one_of([changed(scale) for scale in SCALES]))
def test_changed_settings(values: Any):
    refused(resolve._files, values)


@given(
    st.one_of(damaged(TEXT), st.binary(max_size=40), st.text("[]{}:-,&*!#|>'\"%@?\n ax0", max_size=40).map(str.encode))
)
def test_damaged_yaml(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    path = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    path.write_bytes(content)
    refused(configs.load_yaml, path)


@given(tag=st.sampled_from(TAGS), place=st.integers(0, 2))
def test_tags_build_nothing(tag: str, place: int, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.getbasetemp() / "tagged.yaml"
    path.write_text(("a: {}", "a: [1, {}]", "{}")[place].replace("{}", tag, 1), encoding="utf-8")
    refused(resolve.resolve, path, Project(path.parent))
    assert not Path("ran").exists()


@pytest.fixture(scope="module")
def resolved(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("resolved"))
    resolve.resolve(ROOT / "scales/quick.yaml", project)
    return project


@given(data=st.data())
def test_changed_resolved_settings(resolved: Project, data: st.DataObject):
    stage, run = data.draw(st.sampled_from(("train", "sample"))), data.draw(st.sampled_from(("gan", "cvae", "lddpm")))
    original = configs.read_values(stage, run, resolved)
    values = data.draw(changed(original))
    with pytest.MonkeyPatch.context() as patch:  # YAML is slow
        patch.setattr(configs, "load_yaml", lambda path: values)
        refused(read_train if stage == "train" else read_sample, run, resolved)
