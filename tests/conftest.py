import copy
import functools
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]

# Tests with random inputs draw the same ones at each call, a minute's worth in all. With
# `pytest tests/fuzz --hypothesis-profile nightly` they draw new ones for ten minutes; what fails is printed to be repeated.
_COMMON = {"deadline": timedelta(seconds=60), "database": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("quick", derandomize=True, max_examples=120, **_COMMON)
settings.register_profile("nightly", max_examples=3000, print_blob=True, **_COMMON)
settings.load_profile("quick")

LONGEST = (
    "test_pipeline.py", "test_interrupted_training.py", "test_docs.py", "test_run.py", "test_repro.py", "test_cluster.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that processes that share the tests end at about the same time."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def params() -> Any:
    """A copy of scales/quick.yaml as plain values, to be changed at will."""
    return copy.deepcopy(_quick())


@functools.cache
def _quick() -> Any:
    return YAML(typ="safe").load(ROOT / "scales/quick.yaml")


@pytest.fixture
def write_params(tmp_path: Path) -> Callable[[Any], Path]:
    """Writes values as params.yaml in the test's own folder."""

    def write(values: Any) -> Path:
        path = tmp_path / "params.yaml"
        with path.open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(values, file)
        return path

    return write


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Networks this small run fastest on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
