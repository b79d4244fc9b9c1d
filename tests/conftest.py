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
