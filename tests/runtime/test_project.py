"""Where checkpoints lie."""

from pathlib import Path

import pytest

from thirtytwo.runtime.project import Project


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THIRTYTWO_CHECKPOINTS", raising=False)


def configure(root: Path, name: str, text: str) -> None:
    (root / ".dvc").mkdir(exist_ok=True)
    (root / ".dvc" / name).write_text(text, encoding="utf-8")


def test_checkpoints_lie_beside_dvcs_cache(tmp_path: Path) -> None:
    assert Project(tmp_path).checkpoints("vae") == tmp_path / ".dvc/checkpoints/vae"
    configure(tmp_path, "config", "['remote \"store\"']\n    url = s3://x/%s\n[cache]\n    dir = ../../shared/cache\n")
    assert Project(tmp_path).checkpoints("vae") == tmp_path.parent / "shared/checkpoints/vae"
    configure(tmp_path, "config.local", "[cache]\n    dir = /workspace/.dvc/cache\n")
    assert Project(tmp_path).checkpoints("vae") == Path("/workspace/.dvc/checkpoints/vae")


def test_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(tmp_path, "config.local", "[cache]\n    dir = /workspace/.dvc/cache\n")
    for value, expected in (("/scratch/c", Path("/scratch/c/vae")), ("here", tmp_path / "here/vae")):
        monkeypatch.setenv("THIRTYTWO_CHECKPOINTS", value)
        assert Project(tmp_path).checkpoints("vae") == expected


def test_the_cache_is_the_one_that_dvc_uses(tmp_path: Path) -> None:
    from dvc.repo import Repo

    configure(tmp_path, "config", "[core]\n    no_scm = True\n[cache]\n    dir = ../elsewhere/cache\n")
    with Repo(str(tmp_path)) as repo:
        assert Path(repo.cache.local_cache_dir) == Project(tmp_path).dvc_cache
