"""The real command in real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Outcome = subprocess.CompletedProcess[str]
Command = Callable[..., Outcome]

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("RATIONALE_")},
    "OMP_NUM_THREADS": "1",
    "COLUMNS": "120",
    "PYTHONUNBUFFERED": "1",
}


def arguments(*words: str) -> list[str]:
    """The command line that runs ``rationale``."""
    return [sys.executable, "-m", "rationale_cli", *words]


def _runner(folder: Path) -> Command:
    def run(*words: str, code: int = 0, cwd: Path = folder, **environment: str) -> Outcome:
        outcome = subprocess.run(
            arguments(*words),
            cwd=cwd,
            env={**ENVIRONMENT, **environment},
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
        )
        told = f"{' '.join(words)}\n{outcome.stdout}\n{outcome.stderr}"
        assert outcome.returncode == code, told
        assert code == 1 or "Traceback" not in outcome.stderr, told
        return outcome

    return run


@pytest.fixture
def rationale(tmp_path: Path) -> Command:
    """Run ``rationale`` in a folder of its own; ``code`` is the exit code that is expected."""
    return _runner(tmp_path)


@pytest.fixture(scope="module")
def module_rationale(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The same for what a whole module shares."""
    return _runner(tmp_path_factory.mktemp("module"))
