"""What the documents tell a reader to type."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..forks import Outcome, commands

Typed = Callable[[str, Path], Outcome]


@pytest.fixture(scope="session")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Typed]:
    """Run a line of a page, which must start with ``rationale`` and succeed, in a folder."""
    with commands(tmp_path_factory.mktemp("forks"), os.environ) as made:

        def run(line: str, folder: Path) -> Outcome:
            program, *words = shlex.split(line)
            assert program == "rationale"
            outcome = made.run(words, folder)
            assert outcome.returncode == 0, f"{line}\n{outcome.stdout}\n{outcome.stderr}"
            return outcome

        yield run
