"""Packages against their ranges and pins."""

import numpy as np
import pytest

from thirtytwo.cli.installation import packages
from thirtytwo.runtime.project import Project


@pytest.fixture
def project(tmp_path):
    """Requires a newer Python and numpy than any, a package that does not exist, and scipy."""
    required = """["numpy>=99", "no-such-package-as-this>=1", "scipy>=1.0", "for-python-2; python_version < '3'"]"""
    (tmp_path / "pyproject.toml").write_text(
        f'[project]\nrequires-python = ">=3.99"\ndependencies = {required}\n', encoding="utf-8"
    )
    return Project(tmp_path)


def test_packages_out_of_range_or_absent_are_missing(project):
    python, outdated, absent = [finding.what for finding in packages(project) if finding.state == "missing"]
    assert python.startswith("Python 3.")
    assert f"numpy {np.__version__}: expected >=99" in outdated
    assert "no-such-package-as-this" in absent


@pytest.mark.parametrize(
    ("pin", "noted"),
    [
        ("scipy==0.1", True),
        ("SciPy==0.1  # a comment", True),
        ("scipy==0.1 ; python_version >= '3' \\\n    --hash=sha256:00", True),
        ("scipy==0.1 ; python_version < '3'", False),
        ("--index-url https://example.org\n# scipy==0.1", False),
    ],
)
def test_versions_other_than_the_pinned_ones_are_noted(project, pin, noted):
    (project.root / "requirements.txt").write_text(f"{pin}\n", encoding="utf-8")
    notes = [finding.what for finding in packages(project) if finding.state == "note"]
    assert [("scipy" in what, "==0.1" in what) for what in notes] == [(True, True)] * noted


def test_this_installation_is_within_its_ranges(root):
    assert not [finding for finding in packages(Project(root)) if finding.state == "missing"]
