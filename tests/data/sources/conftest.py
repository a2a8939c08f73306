from collections.abc import Iterator
from pathlib import Path

import pytest

from file_server import Server, serving
from thirtytwo.data.sources.fetch import Places


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(None, tmp_path / "data/downloads", tmp_path / "system", timeout=10.0, pause=0.01)
