"""What every test may use."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

# Several workers share the machine: each computes in one thread, and so do the processes that it starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Nothing is written into the user's own cache.
_CACHE = tempfile.TemporaryDirectory(prefix="rationale-cache-")
os.environ["RATIONALE_CACHE"] = _CACHE.name

REPOSITORY = Path(__file__).resolve().parents[1]

_TOGETHER = ("cli/test_positive_control", "cli/test_template_plugin", "parity/test_photos", "unit/reporting")
"""Tests that share costly fixtures and so a worker."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together what is made once."""
    for item in items:
        place = item.path.relative_to(REPOSITORY / "tests").as_posix()
        for group in _TOGETHER:
            if place.startswith(group):
                item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def repo() -> Path:
    """The repository's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference values and real photographs that stand beside the repository in development."""
    folder = REPOSITORY.parent / "shared"
    if not (folder / "golden").is_dir():
        pytest.skip("the reference data are not on this machine")
    return folder
