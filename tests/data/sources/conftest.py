from pathlib import Path

import pytest

from file_server import server
from thirtytwo.data.sources.fetch import Places

__all__ = ["places", "server"]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(None, tmp_path / "data/downloads", tmp_path / "system", timeout=10.0, pause=0.01)
