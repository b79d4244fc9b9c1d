"""The real command in real processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..forks import ENVIRONMENT, Forks, Fresh, Outcome, arguments, commands, fresh

Command = Callable[..., Outcome]

__all__ = ["ENVIRONMENT", "Command", "Outcome", "arguments", "module_rationale", "rationale"]


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks | Fresh]:
    with commands(tmp_path_factory.mktemp("forks")) as made:
        yield made


def _runner(folder: Path, forks: Forks | Fresh) -> Command:
    def run(*words: str, code: int = 0, cwd: Path = folder, **environment: str) -> Outcome:
        # Libraries may read variables when they are imported.
        outcome = fresh(words, cwd, {**ENVIRONMENT, **environment}) if environment else forks.run(words, cwd)
        told = f"{' '.join(words)}\n{outcome.stdout}\n{outcome.stderr}"
        assert outcome.returncode == code, told
        assert code == 1 or "Traceback" not in outcome.stderr, told
        return outcome

    return run


@pytest.fixture
def rationale(tmp_path: Path, forks: Forks | Fresh) -> Command:
    """Run ``rationale`` in a folder of its own; ``code`` is the exit code that is expected."""
    return _runner(tmp_path, forks)


@pytest.fixture(scope="module")
def module_rationale(tmp_path_factory: pytest.TempPathFactory, forks: Forks | Fresh) -> Command:
    """The same for what a whole module shares."""
    return _runner(tmp_path_factory.mktemp("module"), forks)
